"""The folder of a sweep: its cells, which of them are finished, and whether they are of this sweep."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.folder import CONFIG, RESULTS, alone
from experiments.loading import flat
from experiments.results import Results
from experiments.sweep.cells import Cell
from fl.errors import UsageError
from fl.files import write_atomically

FILE = "sweep.toml"
CELLS = "cells"
_SHOWN = 3


class SweepFolder:
    """Where a sweep's cells lie: `cells/NAME`, each a whole folder of `fl run`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def demand_free(self) -> None:
        """Raise UsageError when the folder is something else's than a sweep's."""
        if self.path.is_dir() and not (self.path / FILE).is_file() and any(self.path.iterdir()):
            raise UsageError(
                f"The folder {self.path} is in use, and by no sweep.", "Choose another with --out."
            )

    @contextmanager
    def claimed(self, file: Path) -> Iterator[None]:
        """Make the folder, keep a copy of the sweep's file there, and keep other processes out of it.

        Raises UsageError when it cannot be made, or another process is at work in there.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"The folder {self.path} cannot be made: {error.strerror}.") from error
        with alone(self.path):
            write_atomically(self.path / FILE, file.read_bytes())
            yield

    def of(self, cell: Cell) -> Path:
        """A cell's own folder."""
        return self.path / CELLS / cell.name

    def name(self, cell: Cell) -> str:
        """A cell's own folder, from the sweep's."""
        return f"{CELLS}/{cell.name}"

    def results(self, cell: Cell) -> Results | None:
        """What a finished cell found; None for one that is not finished, or learned nothing, or was cut."""
        if not (self.of(cell) / RESULTS).is_file():
            return None
        try:
            found = Results.read(self.of(cell))
        except UsageError:
            return None  # going on with the run writes them again
        return found if any(ended.manifest for ended in found.rounds) else None

    def strangers(self, cells: Iterable[Cell]) -> list[str]:
        """Cells in the folder that the file does not have any more."""
        known = {cell.name for cell in cells}
        return sorted(
            file.parent.name
            for file in self.path.glob(f"{CELLS}/*/{CONFIG}")
            if file.parent.name not in known
        )

    def demand_same(self, cells: Iterable[Cell]) -> None:
        """Raise UsageError if a cell was begun with other settings than it has now."""
        changed = [(cell, differences) for cell in cells if (differences := self._differences(cell))]
        if not changed:
            return
        cell, differences = changed[0]
        more = f", and {len(changed) - 1} more cells with others too" if changed[1:] else ""
        raise UsageError(
            f"{self.of(cell)} was run with other settings{more}: {'; '.join(differences[:_SHOWN])}.",
            "Choose another folder with --out, or delete the cells that are to be run again.",
        )

    def _differences(self, cell: Cell) -> list[str]:
        file = self.of(cell) / CONFIG
        wanted = cell.config.to_toml()
        if not file.is_file() or file.read_text("utf-8", errors="replace") == wanted:
            return []
        try:
            there = dict(flat(tomllib.loads(file.read_text("utf-8"))))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError):
            return [f"its {CONFIG} was cut or changed"]
        here = dict(flat(tomllib.loads(wanted)))
        return [
            f"{key} is {there.get(key)!r} there, and {here.get(key)!r} in the file"
            for key in sorted(there.keys() | here.keys())
            if there.get(key) != here.get(key)
        ] or [f"its {CONFIG} is not as `fl run` writes it"]
