"""A picture of who holds what: the classes of each trainer's rows, and how many rows each has.

It is made from `partition.csv` alone; the same file gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from experiments import drawing
from experiments.drawing import INK, PALETTE
from experiments.folder import PARTITION_PLOT
from experiments.holdings import Holdings

_COUNTED = 12
"""Up to how many trainers and classes there is room for a number in each cell."""
_LETTERS = 80
"""How many letters fit below the axis side by side."""
_SHADES = LinearSegmentedColormap.from_list("shares", ["#FFFFFF", "#56B4E9", "#0072B2", "#003B5C"])


def draw(name: str, folder: Path) -> Path:
    """Write `partition.png` of the run called `name` into its folder; returns its path."""
    return drawing.save(partition_figure(name, Holdings.read(folder)), folder / PARTITION_PLOT)


def partition_figure(name: str, holdings: Holdings) -> Figure:
    """Above, what part of a trainer's rows is of each class; below, its number of rows."""
    height = min(9.0, 4.4 + 0.22 * len(holdings.classes))
    figure = drawing.figure(f"{name}: who holds which rows", height=height)
    upper, lower = figure.subplots(
        2, 1, sharex=True, height_ratios=[max(2, min(len(holdings.classes), 12)), 3]
    )
    _draw_classes(figure, upper, holdings)
    _draw_rows(lower, holdings)
    return figure


def _draw_classes(figure: Figure, axes: Axes, holdings: Holdings) -> None:
    shares = (holdings.rows / holdings.rows.sum(axis=1, keepdims=True)).T
    most = float(shares.max())
    image = axes.imshow(shares, cmap=_SHADES, vmin=0, vmax=most, aspect="auto", interpolation="nearest")
    bar = figure.colorbar(image, ax=axes, format=PercentFormatter(xmax=1, decimals=0), pad=0.01)
    bar.outline.set_visible(False)
    bar.set_label("part of its rows")
    title = "What part of a trainer's rows is of each class"
    axes.set_ylabel("class")
    shown = drawing.labelled(len(holdings.classes))
    axes.set_yticks(shown, labels=[_short(holdings.classes[place]) for place in shown])
    axes.tick_params(length=0, colors=INK)
    if len(holdings.trainers) <= _COUNTED and len(holdings.classes) <= _COUNTED:
        title += " (in the cells: how many rows)"
        for (trainer, class_), count in np.ndenumerate(holdings.rows):
            colour = "white" if shares[class_, trainer] > most / 2 else INK
            axes.text(trainer, class_, f"{count:,}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_title(title, loc="left")


def _draw_rows(axes: Axes, holdings: Holdings) -> None:
    trainers = holdings.trainers
    axes.bar(range(len(trainers)), holdings.rows.sum(axis=1), width=0.8, color=PALETTE[0])
    axes.set_title("Rows of each trainer", loc="left")
    axes.set_ylabel("rows to train on")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=drawing.GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:,.0f}"))
    shown = drawing.labelled(len(trainers))
    if len(shown) < len(trainers):
        axes.set_xticks(shown, labels=[str(place + 1) for place in shown])
        axes.set_xlabel("trainer")
    else:
        names = [_short(name) for name in trainers]
        crowded = sum(map(len, names)) > _LETTERS
        axes.set_xticks(shown, labels=names, rotation=60 if crowded else 0)
    axes.tick_params(colors=INK)


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:19]}…"
