"""Two pictures of a run: how good the model became, and who earned what.

The same results give the same bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, PercentFormatter

from experiments import drawing
from experiments.drawing import INK, NAMED, PALETTE
from experiments.folder import METRICS_PLOT, REWARDS_PLOT
from experiments.results import Contributor, Metrics, Results
from fl.ledger.types import FULL_QUALITY, INITIAL_REPUTATION
from fl.money import TOKEN_DECIMALS

_FEDERATED, _ALONE, _BAND, _POOLED = "#0072B2", "#E69F00", "#FBEED6", "#009E73"


def draw(results: Results, folder: Path) -> tuple[Path, Path]:
    """Write both pictures into the run's folder; returns their paths."""
    metrics, rewards = metrics_figure(results), rewards_figure(results)
    return drawing.save(metrics, folder / METRICS_PLOT), drawing.save(rewards, folder / REWARDS_PLOT)


# --- how good the model became


def metrics_figure(results: Results) -> Figure:
    """Log loss and accuracy on the test rows by round, between the two baselines if there are any."""
    figure = drawing.figure(f"{results.config.name}: the model on test rows that no site has seen")
    losses, accuracies = drawing.by_round(figure, 1, 2)
    _draw_metric(losses, results, "log_loss")
    losses.set_title("Log loss (lower is better)", loc="left")
    losses.set_ylabel("mean log loss (nats)")
    _draw_metric(accuracies, results, "accuracy")
    accuracies.set_title("Accuracy (higher is better)", loc="left")
    accuracies.set_ylabel("rows classified correctly")
    accuracies.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    figure.legend(*losses.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _draw_metric(axes: Axes, results: Results, name: str) -> None:
    def of(metrics: Metrics) -> float:
        return float(getattr(metrics, name))

    if results.baselines:
        alone = [of(each.metrics) for each in results.baselines.alone]
        axes.axhspan(min(alone), max(alone), color=_BAND, linewidth=0, label="each trainer alone (range)")
        mean, pooled = of(results.baselines.mean_alone), of(results.baselines.pooled)
        axes.axhline(mean, color=_ALONE, linestyle="--", label="alone, on average")
        axes.axhline(pooled, color=_POOLED, linestyle=":", linewidth=2, label="all rows in one place")
    numbers = [0, *(ended.round for ended in results.rounds)]
    values = [of(results.initial), *(of(ended.metrics) for ended in results.rounds)]
    axes.plot(numbers, values, color=_FEDERATED, marker="o", markersize=4, label="together, federated")


# --- who earned what


@dataclass(frozen=True)
class _Look:
    """How a trainer is drawn, the same in all three places."""

    label: str
    colour: str
    pattern: str = ""
    lines: str = "white"
    dashes: str = "-"

    def filled(self) -> dict[str, Any]:
        """As a bar."""
        return {"facecolor": self.colour, "hatch": self.pattern, "edgecolor": self.lines}


_ONE_OF_MANY = _Look("a trainer", "#9A9A9A")
_MISBEHAVING_ONE = _Look("a trainer that misbehaves", "#D55E00", dashes=":")
_PATTERNS = ("", "//", "..")


def rewards_figure(results: Results) -> Figure:
    """Tokens earned in each round, every trainer's reputation, and what it earned against an equal share."""
    figure = drawing.figure(f"{results.config.name}: what each trainer earned, and its standing", width=14)
    earned, reputation, against = drawing.by_round(figure, 1, 3)
    looks = _looks(results.contributors)
    _draw_earned(earned, results, looks)
    _draw_reputation(reputation, results, looks)
    _draw_equal_shares(against, results, looks)
    handles = [Patch(label=look.label, **look.filled()) for look in dict.fromkeys(looks)]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), frameon=False)
    return figure


def _looks(trainers: Sequence[Contributor]) -> list[_Look]:
    """A look of its own for each of a few; of many, one for all, and another for those that misbehave."""
    if len(trainers) <= NAMED:
        return [_own_look(index, one) for index, one in enumerate(trainers)]
    return [_MISBEHAVING_ONE if one.misbehaviour else _ONE_OF_MANY for one in trainers]


def _own_look(index: int, trainer: Contributor) -> _Look:
    """A colour; after all of them, the same again with a pattern. Dark lines are for misbehaviour."""
    colour, pattern = PALETTE[index % len(PALETTE)], _PATTERNS[index // len(PALETTE)]
    if trainer.misbehaviour:
        return _Look(f"{trainer.name}: {trainer.misbehaviour}", colour, pattern or "xx", INK, ":")
    return _Look(trainer.name, colour, pattern)


def _draw_earned(axes: Axes, results: Results, looks: Sequence[_Look]) -> None:
    below: defaultdict[int, float] = defaultdict(float)
    most = max((len(ended.credits) for ended in results.rounds), default=0)
    apart = 0.6 if most <= NAMED else 0.6 * NAMED / most
    for trainer, look in zip(results.contributors, looks, strict=True):
        paid = _earned(results, trainer.name)
        bottom = [below[number] for number in paid]
        axes.bar(list(paid), list(paid.values()), 0.8, bottom, linewidth=apart, **look.filled())
        for number, more in paid.items():
            below[number] += more
    for ended in results.rounds:
        if not ended.credits:
            axes.text(ended.round, 0, f" {ended.outcome}", rotation=90, ha="center", va="bottom", color=INK)
    axes.set_title("Earned in each round" if below else "Earned in each round: nothing was paid", loc="left")
    axes.set_ylabel("tokens")
    axes.set_xlim(0.4, max((ended.round for ended in results.rounds), default=1) + 0.6)  # the unpaid, too
    axes.set_ylim(bottom=0)
    if not below:
        axes.set_yticks([0])


def _earned(results: Results, trainer: str) -> dict[int, float]:
    """Tokens by round, for rounds that paid it any."""
    return {
        ended.round: int(credit.earned) / 10**TOKEN_DECIMALS
        for ended in results.rounds
        for credit in ended.credits
        if credit.trainer == trainer and int(credit.earned)
    }


def _draw_reputation(axes: Axes, results: Results, looks: Sequence[_Look]) -> None:
    numbers = [0, *(ended.round for ended in results.rounds)]
    for index, (trainer, look) in enumerate(zip(results.contributors, looks, strict=True)):
        values = [INITIAL_REPUTATION]
        for ended in results.rounds:
            mine = [credit.reputation for credit in ended.credits if credit.trainer == trainer.name]
            values.append(mine[-1] if mine else values[-1])
        width = 4.0 if look is _MISBEHAVING_ONE else _width(index, len(looks))
        axes.plot(numbers, values, look.dashes, color=look.colour, linewidth=width, solid_capstyle="butt")
    axes.set_title("Reputation after each round", loc="left")
    axes.set_ylabel(f"reputation (of {FULL_QUALITY:,})")
    axes.set_ylim(-0.03 * FULL_QUALITY, 1.03 * FULL_QUALITY)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:,.0f}"))


def _draw_equal_shares(axes: Axes, results: Results, looks: Sequence[_Look]) -> None:
    """A bar a trainer, by number."""
    for number, (trainer, look) in enumerate(zip(results.contributors, looks, strict=True), 1):
        axes.bar(number, trainer.equal_shares or 0.0, width=0.8, linewidth=0, **look.filled())
    axes.axhline(1, color=INK, linestyle="--", linewidth=1)
    axes.set_title("Earned in all (1: an equal share)", loc="left")
    axes.set_xlabel("trainer")
    axes.set_ylabel("equal shares")
    shown = drawing.labelled(len(looks), few=16)  # as many as have room side by side
    axes.set_xticks([place + 1 for place in shown], labels=[str(place + 1) for place in shown])


def _width(index: int, count: int) -> float:
    """Wide lines below narrow ones: equal reputations stay visible side by side."""
    return 2.0 + (6.0 * (count - 1 - index) / (count - 1) if 1 < count <= len(PALETTE) else 0.0)
