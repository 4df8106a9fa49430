"""Runs the cells of a sweep that are not finished, beside each other, and keeps their table."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from experiments.results import Results
from experiments.sweep import table, work
from experiments.sweep.cells import SEED, Cell
from experiments.sweep.display import Display
from experiments.sweep.folder import SweepFolder
from experiments.sweep.plan import Plan
from experiments.sweep.pool import Failure, Job, Pool
from experiments.sweep.rows import Row, row
from fl.errors import UsageError


class Sweep:
    """A plan and a folder for it; what is finished there is not run again."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._cells = plan.cells
        self._folder = SweepFolder(folder)
        self._found: dict[str, Results | str] = {}

    @property
    def done(self) -> int:
        """How many cells have their results."""
        return sum(isinstance(found, Results) for found in self._found.values())

    def run(self, file: Path, workers: int, display: Display) -> list[Row]:
        """Run what is not finished; the rows of all cells, in the order of the plan.

        Also an interrupt leaves a table, of the cells that have ended. Raises UsageError before any cell
        is run when one of them cannot be, or is in the folder with other settings.
        """
        self._folder.demand_free()
        self._folder.demand_same(self._cells)
        self._found = {cell.name: found for cell in self._cells if (found := self._folder.results(cell))}
        left = self._left()
        with Pool(workers, needs=work.NEEDS) as pool:
            _check(left, pool, workers)
            with self._folder.claimed(file):
                display.begun(len(self._cells), len(self._found), self._folder.strangers(self._cells))
                return self._finished(left, pool, display)

    def _left(self) -> list[Cell]:
        """Cells to be run: all of the first seed first, so that a sweep that is stopped has whole ones."""
        seeds = list(dict.fromkeys(cell.varied[SEED] for cell in self._cells))
        left = [cell for cell in self._cells if cell.name not in self._found]
        return sorted(left, key=lambda cell: seeds.index(cell.varied[SEED]))

    def _finished(self, left: Sequence[Cell], pool: Pool, display: Display) -> list[Row]:
        """Run these cells; the rows of all, which are written down whatever happens."""
        jobs = [Job(work.finish, (cell, self._folder.of(cell))) for cell in left]
        try:
            for number, answer in pool.run(jobs, lambda number, round_: display.told(left[number], round_)):
                found = answer.reason if isinstance(answer, Failure) else answer
                self._found[left[number].name] = found
                display.ended(left[number], self._row(left[number]))
        finally:
            with _undisturbed():
                rows = self._rows()
                table.write(rows, self._folder.path)
        return rows

    def _rows(self) -> list[Row]:
        return [self._row(cell) for cell in self._cells if cell.name in self._found]

    def _row(self, cell: Cell) -> Row:
        return row(cell, self._folder.name(cell), self._found[cell.name])


def _check(cells: Sequence[Cell], pool: Pool, workers: int) -> None:
    """Raise UsageError for a cell that could not begin; afterwards every worker has its imports."""
    distinct = list({_kind(cell): cell for cell in reversed(cells)}.values())[::-1]
    jobs = [Job(work.check, (distinct[first::workers],)) for first in range(min(workers, len(cells)))]
    for _, answer in pool.run(jobs, lambda *_: None):
        if isinstance(answer, Failure):
            raise UsageError(answer.reason, answer.hint)
        if answer is not None:
            raise answer


def _kind(cell: Cell) -> str:
    """Cells of one kind can begin, or none of them can."""
    return repr((cell.config.rule, cell.config.model))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C waits until what the first one stopped is written down."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
