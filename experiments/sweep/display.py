"""What a sweep tells while it runs: a bar and the cells at work on a terminal, a line a cell elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from experiments.progress import Bars
from experiments.sweep.cells import Cell
from experiments.sweep.rows import DONE, Row
from fl.output import console, safe

_SHOWN = 3
"""Names of cells in one line."""


class Display(Bars):
    """One line on stderr for each cell that has ended; on a terminal, bars below them."""

    def __init__(self, out: Console | None = None) -> None:
        self._out = out or console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._out,
            transient=True,
            disable=not self._out.is_terminal,
        )
        self._cells = self._bars.add_task("cells", visible=False)
        self._at_work: dict[str, TaskID] = {}

    def begun(self, cells: int, finished: int, strangers: Sequence[str]) -> None:
        """There are so many cells, of which some were finished before; and some that the file lacks."""
        self._bars.update(self._cells, total=cells, completed=finished, visible=True)
        self._say(f"{cells} cells{f', {finished} of them finished before' if finished else ''}")
        if strangers:
            more = f" and {len(strangers) - _SHOWN} more" if strangers[_SHOWN:] else ""
            named = ", ".join(map(safe, strangers[:_SHOWN]))
            self._say(f"not in the file any more, and left alone: {named}{more}")

    def told(self, cell: Cell, round_: object) -> None:
        """A round of a cell has ended."""
        if cell.name not in self._at_work:
            self._at_work[cell.name] = self._bars.add_task(safe(cell.name), total=cell.config.rounds)
        assert isinstance(round_, int), "cells tell numbers of rounds"
        self._bars.update(self._at_work[cell.name], completed=round_)

    def ended(self, cell: Cell, row: Row) -> None:
        """A cell is finished, or has failed."""
        if cell.name in self._at_work:
            self._bars.remove_task(self._at_work.pop(cell.name))
        self._bars.advance(self._cells)
        self._say(f"{safe(cell.name)} {describe(row)}")

    def _say(self, line: str) -> None:
        self._bars.console.print(line, soft_wrap=True)


def describe(row: Row) -> str:
    """How a cell has ended, as rich markup."""
    if row["state"] != DONE:
        return f"[red]failed:[/] {safe(str(row['reason']))}"
    closed, seconds = row["rounds_closed"], row["seconds"]
    metrics = f"log loss {row['log_loss']:.4f}, accuracy {row['accuracy']:.1%}"
    return f"{metrics}; {closed} {'round' if closed == 1 else 'rounds'} closed; {seconds:.1f} s"
