"""How every picture looks: its colours, its axes, its file."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from fl.files import write_atomically

INK, GRID = "#333333", "#DDDDDD"
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7F7F7F")
"""Okabe and Ito's palette, which colour-blind people can tell apart, and a grey."""
NAMED = 24
"""Up to how many trainers or classes a picture tells apart one by one."""
_DOTS_PER_INCH = 144
_TITLE: dict[str, Any] = {"x": 0.012, "ha": "left", "fontsize": 13, "fontweight": "bold"}


def figure(title: str, width: float = 10, height: float = 4.6) -> Figure:
    """An empty figure of so many inches, with its title."""
    made = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.09, w_pad=0.09))
    FigureCanvasAgg(made)
    made.suptitle(title, **_TITLE)
    return made


def axes(made: Figure, rows: int, columns: int) -> list[Axes]:
    """The figure's axes, row by row."""
    found: list[Axes] = list(made.subplots(rows, columns, squeeze=False).flat)
    for one in found:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(axis="y", color=GRID, linewidth=0.8)
        one.set_axisbelow(True)
        one.tick_params(colors=INK)
    return found


def by_round(made: Figure, rows: int, columns: int) -> list[Axes]:
    """Axes whose horizontal one counts rounds."""
    found = axes(made, rows, columns)
    for one in found:
        one.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        one.set_xlabel("round")
    return found


def labelled(count: int, few: int = NAMED) -> list[int]:
    """Which places have a label: all of a few, else the first and every tenth or fiftieth, counted from 1."""
    if count <= few:
        return list(range(count))
    step = 10 if count <= 150 else 50
    return [0, *range(step - 1, count, step)]


def save(made: Figure, file: Path) -> Path:
    """Write a figure as PNG; the same figure gives the same bytes."""
    picture = BytesIO()
    made.savefig(picture, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    write_atomically(file, picture.getvalue())
    return file
