"""Two pictures of a run: how good the model became, and who earned what.

The same results give the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from experiments import drawing
from experiments.drawing import INK, PALETTE
from experiments.folder import METRICS_PLOT, REWARDS_PLOT
from experiments.results import Contributor, Metrics, Results
from fl.ledger.types import FULL_QUALITY, INITIAL_REPUTATION
from fl.money import TOKEN_DECIMALS

_FEDERATED, _ALONE, _BAND, _POOLED = "#0072B2", "#E69F00", "#FBEED6", "#009E73"
_MISBEHAVED = "#D55E00"
_LEGIBLE = 24


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


def rewards_figure(results: Results) -> Figure:
    """Tokens earned in each round, every trainer's reputation, and what it earned against an equal share."""
    figure = drawing.figure(f"{results.config.name}: what each trainer earned, and its standing", width=14)
    earned, reputation, against = drawing.by_round(figure, 1, 3)
    _draw_earned(earned, results)
    _draw_reputation(reputation, results)
    _draw_equal_shares(against, results)
    if len(results.contributors) <= _LEGIBLE:
        handles = earned.get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=min(len(handles[0]), 6), frameon=False)
    return figure


def _draw_earned(axes: Axes, results: Results) -> None:
    numbers = [ended.round for ended in results.rounds]
    below = [0.0] * len(numbers)
    for index, contributor in enumerate(results.contributors):
        paid = [
            sum(int(credit.earned) for credit in ended.credits if credit.trainer == contributor.name)
            / 10**TOKEN_DECIMALS
            for ended in results.rounds
        ]
        axes.bar(numbers, paid, bottom=below, width=0.8, label=_called(contributor), **_look(index))
        below = [low + more for low, more in zip(below, paid, strict=True)]
    for ended in results.rounds:
        if not ended.credits:
            axes.text(ended.round, 0, f" {ended.outcome}", rotation=90, ha="center", va="bottom", color=INK)
    axes.set_title("Earned in each round", loc="left")
    axes.set_ylabel("tokens")


def _called(contributor: Contributor) -> str:
    """Its name, and what it did in place of its duty."""
    return f"{contributor.name}: {contributor.misbehaviour}" if contributor.misbehaviour else contributor.name


def _look(index: int) -> dict[str, Any]:
    """Colours by trainer; after all of them, the same again with a pattern."""
    turn = index // len(PALETTE)
    return {
        "color": PALETTE[index % len(PALETTE)],
        "hatch": ("", "//", "..", "xx")[turn % 4],
        "edgecolor": "white",
        "linewidth": 0.6,
    }


def _draw_reputation(axes: Axes, results: Results) -> None:
    numbers = [0, *(ended.round for ended in results.rounds)]
    for index, contributor in enumerate(results.contributors):
        values = [INITIAL_REPUTATION]
        for ended in results.rounds:
            mine = [credit.reputation for credit in ended.credits if credit.trainer == contributor.name]
            values.append(mine[-1] if mine else values[-1])
        axes.plot(
            numbers,
            values,
            color=PALETTE[index % len(PALETTE)],
            linestyle=":" if contributor.misbehaviour else "-",
            linewidth=_width(index, len(results.contributors)),
            solid_capstyle="butt",
        )
    axes.set_title("Reputation after each round", loc="left")
    axes.set_ylabel(f"0 to {FULL_QUALITY:,}")
    axes.set_ylim(-0.03 * FULL_QUALITY, 1.03 * FULL_QUALITY)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:,.0f}"))


def _draw_equal_shares(axes: Axes, results: Results) -> None:
    """A bar a trainer, by number; those that misbehaved in another colour."""
    for wanted, label, colour in (
        (False, "honest", _FEDERATED),
        (True, "misbehaving", _MISBEHAVED),
    ):
        shares = {
            number: one.equal_shares or 0.0
            for number, one in enumerate(results.contributors, 1)
            if bool(one.misbehaviour) is wanted
        }
        axes.bar(list(shares), list(shares.values()), width=0.8, color=colour, label=label)
    axes.axhline(1, color=INK, linestyle="--", linewidth=1)
    axes.set_title("Earned in all (1: an equal share)", loc="left")
    axes.set_xlabel("trainer")
    axes.set_ylabel("equal shares")
    if results.config.misbehaving:
        axes.legend(frameon=False)


def _width(index: int, count: int) -> float:
    """Wide lines below narrow ones: equal reputations stay visible side by side."""
    return 2.0 + (6.0 * (count - 1 - index) / (count - 1) if 1 < count <= len(PALETTE) else 0.0)
