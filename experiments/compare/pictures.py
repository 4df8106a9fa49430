"""The pictures of a comparison: learning curves, differences, cost, and rewards against exact Shapley values.

Everything drawn is in the comparison; the same comparison gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil, inf, isfinite, nan
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from experiments import drawing
from experiments.compare.comparison import Comparison
from experiments.compare.facts import Group, Run
from experiments.compare.naming import quantity
from experiments.compare.statistics import Estimate, mean
from experiments.drawing import INK, PALETTE

CURVES, DIFFERENCES, COST, REWARDS = "curves.png", "differences.png", "cost.png", "rewards.png"
_WIDTH, _COLUMNS = 12.0, 4
_LETTERS = 150  # in a legend as wide as a picture
_STYLES = ("-", "--", "-.", ":")
_MARKERS = "os^DvPX*"
_FEW = 3
"""So many bands can lie on one another and be told apart."""
_MANY_POINTS = 25
_PERCENT = FuncFormatter(lambda value, _position: f"{100 * value:.3g}%")

Series = Callable[[Run], Sequence[float]]


def draw(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the pictures into a folder; a single group has no differences to draw."""
    figures = {CURVES: curves(comparison), COST: cost(comparison), REWARDS: rewards(comparison)}
    if comparison.others:
        figures[DIFFERENCES] = differences(comparison)
    return [drawing.save(figure, folder / name) for name, figure in figures.items()]


# --- against rounds


def curves(comparison: Comparison) -> Figure:
    """Each metric on the test rows by round: means over seeds, with their intervals as bands."""
    made = _figure("The model on test rows that no site has seen", comparison)
    panels = drawing.by_round(made, 1, len(comparison.metrics))
    for axes, metric in zip(panels, comparison.metrics, strict=True):
        known = quantity(metric)
        _draw_groups(axes, comparison, partial(_metric_curve, metric), 1 if known.better > 0 else inf)
        better = "higher" if known.better > 0 else "lower"
        axes.set_title(f"{known.name} ({better} is better)", loc="left")
        axes.set_ylabel(known.unit)
        if metric == "log_loss":
            _logarithmic_if_wide(axes)
        if metric == "accuracy":
            axes.yaxis.set_major_formatter(_PERCENT)
    _legend(made, panels[0], comparison)
    return made


def _metric_curve(metric: str, run: Run) -> list[float]:
    return [getattr(metrics, metric) for metrics in run.curve]


def cost(comparison: Comparison) -> Figure:
    """Gas and seconds by round, added up."""
    made = _figure("What the rounds cost, added up", comparison)
    gas, seconds = drawing.by_round(made, 1, 2)
    _draw_groups(gas, comparison, lambda run: _added_up(run.gas))
    gas.set_title("Gas of all transactions", loc="left")
    gas.set_ylabel("million gas")
    gas.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value / 1e6:,.3g}"))
    _draw_groups(seconds, comparison, lambda run: _added_up(run.seconds))
    seconds.set_title("Wall-clock time on one machine", loc="left")
    seconds.set_ylabel("seconds")
    _legend(made, gas, comparison)
    return made


def _added_up(values: Sequence[float]) -> list[float]:
    total, found = 0.0, [0.0]
    for value in values:
        total += value
        found.append(total)
    return found


def _draw_groups(axes: Axes, comparison: Comparison, series: Series, most: float = inf) -> None:
    """Curves, and bands as far as values are possible: from 0 to `most`."""
    for index, group in enumerate(comparison.groups):
        runs = [series(run) for run in group.runs]
        found = [mean(values) for values in zip(*runs, strict=False)]  # the rounds that all of them have
        middle = [one.value if isfinite(one.value) else nan for one in found]
        look = _look(index, len(comparison.groups), len(found))
        axes.plot(range(len(found)), middle, label=_plain(group.label), **look)
        _draw_band(axes, found, most, look["color"], faint=len(comparison.groups) > _FEW)
        _mark_end(axes, middle, look["color"])
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.02 * min(high, most)), min(high, 1.02 * most))


def _draw_band(axes: Axes, found: Sequence[Estimate], most: float, color: str, *, faint: bool) -> None:
    """An interval of a mean may reach beyond what a value can be; what is drawn does not."""
    numbers = range(len(found))
    low = [nan if one.low is None else min(max(one.low, 0), most) for one in found]
    high = [nan if one.high is None else min(max(one.high, 0), most) for one in found]
    inside, edge = (0.05, 0.4) if faint else (0.15, 0.0)
    axes.fill_between(numbers, low, high, facecolor=(color, inside), edgecolor=(color, edge), linewidth=0.8)


def _look(index: int, count: int, points: int) -> dict[str, Any]:
    """Wide lines and large signs below narrow and small ones: equal curves stay visible."""
    below = (count - 1 - index) / (count - 1) if count > 1 else 0.0
    return {
        "color": _color(index),
        "linestyle": _STYLES[(index + index // len(PALETTE)) % len(_STYLES)],
        "linewidth": 1.5 + 2.0 * below,
        "marker": _MARKERS[index % len(_MARKERS)] if points < _MANY_POINTS else "",
        "markersize": 5.5 + 2.5 * below,
        "markeredgecolor": "white",
        "markeredgewidth": 0.4,
    }


def _mark_end(axes: Axes, values: Sequence[float], color: str) -> None:
    """A cross where a curve ends because a run diverged."""
    if any(isfinite(value) for value in values) and not isfinite(values[-1]):
        last = max(number for number, value in enumerate(values) if isfinite(value))
        axes.plot([last], [values[last]], "X", color=color, markersize=11, markeredgecolor="white")


def _logarithmic_if_wide(axes: Axes) -> None:
    """So that a run that goes wrong does not make all others one flat line."""
    values = np.concatenate([np.asarray(line.get_ydata(), np.float64) for line in axes.lines])
    positive = values[np.isfinite(values) & (values > 0)]
    if len(positive) and positive.max() > 30 * positive.min():
        axes.set_yscale("log", nonpositive="clip")
        axes.set_ylim(0.6 * positive.min(), 1.6 * positive.max())


# --- against another group


def differences(comparison: Comparison) -> Figure:
    """How far each group's metrics lie from those of the reference, with intervals: a forest plot."""
    others = comparison.others
    names = ["\n".join(wrap(_plain(group.label), 44)) for group in others]
    lines = sum(name.count("\n") + 1.6 for name in names)
    made = drawing.figure(
        _fitting(f"Differences from {_plain(comparison.against)}"), _WIDTH, 2.3 + 0.2 * lines
    )
    panels = drawing.axes(made, 1, len(comparison.metrics))
    for axes, metric in zip(panels, comparison.metrics, strict=True):
        _draw_differences(axes, comparison, metric)
        axes.set_yticks(range(len(others)), names if axes is panels[0] else [""] * len(others))
        axes.set_ylim(len(others) - 0.4, -0.6)
    made.supxlabel(_bars(comparison), fontsize=10, color=INK)
    return made


def _bars(comparison: Comparison) -> str:
    """What the bars are, and what they rest on."""
    found = list(dict.fromkeys(comparison.basis(group) for group in comparison.others))
    if all("no interval" in basis for basis in found):
        return "One run on a side, so no intervals"
    return f"Bars: 95 % intervals ({'; '.join(found)})"


def _draw_differences(axes: Axes, comparison: Comparison, metric: str) -> None:
    known = quantity(metric)
    axes.axvline(0, color=INK, linewidth=1)
    for place, group in enumerate(comparison.others):
        row = comparison.row(group, metric)
        found = row.difference if row else None
        if found is None or not isfinite(found.value):
            across: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "center", "va": "center"}
            axes.text(0.5, place, "diverged", color=INK, backgroundcolor="white", **across)
            continue
        color = _color(comparison.groups.index(group))
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [place, place], color=color, linewidth=2.5)
        axes.plot([found.value], [place], "o" if found.half is not None else "D", color=color, markersize=7)
    axes.grid(axis="x", color=drawing.GRID, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    better = "right" if known.better > 0 else "left"
    axes.set_title(known.name, loc="left")
    points = metric == "accuracy"
    axes.set_xlabel(f"difference{' in points' if points else ''} ({better} is better)")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(partial(_signed, 100 if points else 1)))


def _signed(unit: int, value: float, _position: int) -> str:
    text = f"{unit * value:+.3g}"
    return "0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


# --- rewards


def rewards(comparison: Comparison) -> Figure:
    """Each trainer's part of all that a run paid, against its part by exact Shapley values."""
    groups = comparison.groups
    rows = ceil(len(groups) / _COLUMNS)
    columns = ceil(len(groups) / rows)
    names = ["\n".join(wrap(_plain(group.label), 38)) for group in groups]
    lines = max(name.count("\n") for name in names)
    width, height = max(3.1 * columns, 6.2), 1.1 + (3.1 + 0.16 * lines) * rows
    made = drawing.figure("Rewards, as paid and by exact Shapley values", width, height)
    panels = drawing.axes(made, rows, columns)
    limit = 1.08 * (max((part for group in groups for part in _parts(group)), default=0) or 1)
    for index, (axes, group) in enumerate(zip(panels, groups, strict=False)):
        _draw_rewards(axes, group, limit, _color(index))
        axes.set_title(names[index], loc="left", fontsize=8.5)
        axes.set_xlabel(
            "part of all rewards\nby exact Shapley values" if index + columns >= len(groups) else ""
        )
        axes.set_ylabel("part of all rewards\nas paid" if index % columns == 0 else "")
    for axes in panels[len(groups) :]:
        axes.set_axis_off()
    made.legend(handles=_kinds(groups), loc="outside lower center", ncols=3, frameon=False)
    return made


def _parts(group: Group) -> list[float]:
    return [part for run in group.runs if run.exact for part in (*run.paid.values(), *run.exact.values())]


def _draw_rewards(axes: Axes, group: Group, limit: float, color: str) -> None:
    axes.set(xlim=(-0.04 * limit, limit), ylim=(-0.04 * limit, limit), box_aspect=1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_PERCENT)
        axis.set_major_locator(MaxNLocator(5))
    known = [run for run in group.runs if run.exact and run.paid]
    if not known:
        reason = "\n".join(wrap(f"Not known: {_plain(group.runs[0].inexact).rstrip('.')}.", 28))
        axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", color=INK)
        return
    axes.plot([0, limit], [0, limit], **_DIAGONAL)
    for run in known:
        for one in run.trainers:
            look = _HONEST | {"color": color} if one.misbehaviour is None else _MISBEHAVING
            axes.plot([run.exact[one.name]], [run.paid[one.name]], **look)


_DIAGONAL: dict[str, Any] = {"color": INK, "linewidth": 1, "linestyle": ":"}
_HONEST: dict[str, Any] = {"marker": "o", "color": "#7F7F7F", "markersize": 6.5, "markeredgecolor": "white"}
_HONEST |= {"linestyle": "", "markeredgewidth": 0.6}
_MISBEHAVING = _HONEST | {"marker": "x", "color": "black", "markeredgecolor": "black", "markersize": 7.5}
_MISBEHAVING |= {"markeredgewidth": 1.6, "zorder": 3}  # over an honest one at the same place


def _kinds(groups: Sequence[Group]) -> list[Line2D]:
    """What the signs mean."""
    trainers = (one for group in groups for run in group.runs for one in run.trainers)
    bad = any(one.misbehaviour for one in trainers)
    found = [
        Line2D([], [], label="paid by exact Shapley values", **_DIAGONAL),
        Line2D([], [], label=f"{'an honest' if bad else 'a'} trainer in one run", **_HONEST),
    ]
    return [*found, Line2D([], [], label="a misbehaving one", **_MISBEHAVING)] if bad else found


# --- what they share


def _color(index: int) -> str:
    """A group's; after all of them, the same again, and curves have other lines then."""
    return PALETTE[index % len(PALETTE)]


def _plain(text: str) -> str:
    """A dollar sign is no formula."""
    return text.replace("$", r"\$")


def _fitting(title: str) -> str:
    return "\n".join(wrap(title, 105))


def _figure(title: str, comparison: Comparison) -> Figure:
    """A figure with room for its legend."""
    lines = max(ceil(len(group.label) / _LETTERS) for group in comparison.groups)
    rows = ceil(len(comparison.groups) / _legend_columns(comparison))
    return drawing.figure(title, _WIDTH, 4.5 + 0.22 * rows * lines)


def _legend_columns(comparison: Comparison) -> int:
    longest = max(len(group.label) for group in comparison.groups)
    return min(max(1, _LETTERS // (longest + 8)), len(comparison.groups))


def _legend(made: Figure, axes: Axes, comparison: Comparison) -> None:
    handles, names = axes.get_legend_handles_labels()
    made.legend(
        handles,
        ["\n".join(wrap(name, _LETTERS)) for name in names],
        title=_means(comparison),
        loc="outside lower center",
        ncols=_legend_columns(comparison),
        handlelength=3,
        frameon=False,
    )


def _means(comparison: Comparison) -> str:
    """What curves and bands are."""
    counts = sorted({len(group.runs) for group in comparison.groups})
    if counts == [1]:
        return "One run each, so no intervals"
    seeds = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    return f"Means over {seeds} seeds; bands: their 95 % intervals"
