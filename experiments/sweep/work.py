"""What a sweep's workers do. Flower and torch are imported here when they are needed, once a worker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.folder import CONFIG, alone
from experiments.progress import Silent
from experiments.results import Results, Round, Seconds
from experiments.sweep.cells import Cell
from experiments.sweep.pool import Tell
from fl.errors import UsageError


def check(cells: Sequence[Cell], tell: Tell | None = None) -> UsageError | None:  # noqa: ARG001 - jobs can tell
    """What is wrong with the first cell that could not begin, as far as that shows without its data."""
    from experiments.terms import model_of, rule_of  # noqa: PLC0415 - brings Flower and torch

    for cell in cells:
        try:
            rule_of(cell.config)
            model_of(cell.config)
        except UsageError as error:
            return about(cell, error)
    return None


def about(cell: Cell, error: UsageError) -> UsageError:
    """The error, with the cell that it is about."""
    return UsageError(f"Cell {cell.name}: {error.message}", error.hint)


def finish(cell: Cell, folder: Path, tell: Tell) -> Results:
    """Run a cell to its end, or go on with it where it stood."""
    from experiments import run  # noqa: PLC0415 - brings Flower and torch

    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        progress = _Told(tell)
        begun = (folder / CONFIG).is_file()
        results = run.resume(folder, progress) if begun else run.run(cell.config, folder, progress)
        results.write(folder)
    return results


class _Told(Silent):
    """Tells the sweep which round has ended."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def round_ended(self, ended: Round, seconds: Seconds) -> None:  # noqa: ARG002 - Silent's signature
        """One more."""
        self._tell(ended.round)
