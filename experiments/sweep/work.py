"""What a sweep's workers do. Flower and torch are imported here when they are needed, once a worker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.folder import CONFIG, RESULTS, alone
from experiments.outcome import NothingLearned, demand_learned
from experiments.progress import Silent
from experiments.results import Results, Round, Seconds
from experiments.sweep.cells import Cell
from experiments.sweep.pool import Tell
from fl.errors import OwnCodeError, UsageError
from fl.files import write_atomically
from fl.wiring import Deployment

NEEDS = "experiments.run"
"""What a worker imports sooner or later, with Flower and torch."""

FAILURE = "failure.txt"
"""Why a cell learned nothing."""


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
    """Run a cell to its end, or go on with it where it stood; raises FedledgerError when it learns nothing.

    One whose own code failed is begun anew the next time: by then it may be mended, and so be other code.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        _forget_failure(folder)
        try:
            results = _run(cell, folder, _Told(tell))
        except (OwnCodeError, NothingLearned) as error:
            (folder / RESULTS).unlink(missing_ok=True)
            write_atomically(folder / FAILURE, f"{error.message}\n".encode())
            raise
        results.write(folder)
    return results


def _forget_failure(folder: Path) -> None:
    if (folder / FAILURE).is_file():
        Deployment.discard(folder)
        (folder / FAILURE).unlink()


def _run(cell: Cell, folder: Path, progress: Silent) -> Results:
    from experiments import run  # noqa: PLC0415 - brings Flower and torch: a sweep's own process needs neither

    begun = (folder / CONFIG).is_file()
    results = run.resume(folder, progress) if begun else run.run(cell.config, folder, progress)
    demand_learned(results, progress, hint="")
    return results


class _Told(Silent):
    """Tells the sweep which round has ended."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def round_ended(self, ended: Round, seconds: Seconds) -> None:  # noqa: ARG002 - Silent's signature
        """One more."""
        self._tell(ended.round)
