"""Which runs are meant by the folders that somebody named, and what they found."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.folder import CONFIG, RESULTS
from experiments.results import Results
from fl.errors import UsageError

_CELLS, _TABLE = "cells", "table.json"


@dataclass(frozen=True)
class Found:
    """Finished runs with their results, in the order in which they were named; folders of unfinished ones."""

    runs: tuple[tuple[Path, Results], ...]
    unfinished: tuple[Path, ...]


def find(places: Sequence[Path]) -> Found:
    """Read runs from their folders, from sweeps' and from folders that hold runs.

    Raises UsageError for a folder without runs, an unfinished run that was named itself, one that was named
    twice, and when nothing is finished.
    """
    members = [folder for place in places for folder in _members(place)]
    _demand_once(members)
    finished = [folder for folder in members if (folder / RESULTS).is_file()]
    if not finished:
        raise UsageError(f"None of the {len(members)} runs is finished.", _go_on(members[0]))
    return Found(
        tuple((folder, Results.read(folder)) for folder in finished),
        tuple(folder for folder in members if folder not in finished),
    )


def _members(place: Path) -> list[Path]:
    if not place.is_dir():
        raise UsageError(f"There is no folder {place}.", "Name folders of runs: fl compare runs/a runs/b.")
    if _is_run(place):
        if not (place / RESULTS).is_file():
            raise UsageError(f"The run in {place} is not finished.", _go_on(place))
        return [place]
    inside = place / _CELLS if (place / _CELLS).is_dir() else place
    runs = sorted((child for child in inside.iterdir() if _is_run(child)), key=_natural)
    if not runs:
        raise UsageError(f"{place} is not the folder of a run, and holds none.", "`fl run` starts a run.")
    listed = _listed(place)
    return sorted(runs, key=lambda folder: listed.get(f"{_CELLS}/{folder.name}", len(listed)))


def _listed(sweep: Path) -> dict[str, int]:
    """A sweep's cells by their places in its table, which are those in its file; nothing without a table."""
    try:
        rows = json.loads((sweep / _TABLE).read_bytes())
        return {row["folder"]: place for place, row in enumerate(rows)}
    except (OSError, ValueError, TypeError, KeyError):  # not there, or not a sweep's
        return {}


def _is_run(folder: Path) -> bool:
    return (folder / CONFIG).is_file() or (folder / RESULTS).is_file()


def _natural(folder: Path) -> list[tuple[int, str]]:
    """So that cell-2 stands before cell-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", folder.name)]


def _demand_once(folders: Sequence[Path]) -> None:
    seen: set[Path] = set()
    for folder in folders:
        if folder.resolve() in seen:
            raise UsageError(f"The run in {folder} is named twice.", "Name every run once.")
        seen.add(folder.resolve())


def _go_on(folder: Path) -> str:
    return f"Go on with it: fl run --resume {shlex.quote(str(folder))}"
