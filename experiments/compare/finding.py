"""Which runs are meant by the folders that somebody named, and what they found."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from experiments.folder import CONFIG, RESULTS
from experiments.results import Results
from experiments.sweep.cells import SEED
from experiments.sweep.rows import COLUMNS
from fl.errors import UsageError

_CELLS, _TABLE = "cells", "table.json"


@dataclass(frozen=True)
class Found:
    """Finished runs with their results, in the order in which they were named; folders of unfinished ones.

    `varied` says of the cells of sweeps what sets them apart, but for the seed, in the sweep's own words.
    """

    runs: tuple[tuple[Path, Results], ...]
    unfinished: tuple[Path, ...]
    varied: Mapping[Path, Mapping[str, Any]]


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
        _varied(finished),
    )


def _members(place: Path) -> list[Path]:
    if place.is_file():
        raise UsageError(
            f"{place} is a file, and a run is a folder.",
            f"Name its folder: fl compare {shlex.quote(str(place.parent))}",
        )
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
    places = {cell: number for number, cell in enumerate(_table(place))}
    return sorted(runs, key=lambda folder: places.get(folder.name, len(places)))


def _varied(folders: Sequence[Path]) -> dict[Path, Mapping[str, Any]]:
    """What the tables of sweeps say of those that are cells, whoever named them."""
    real = {folder: path for folder in folders if (path := folder.resolve()).parent.name == _CELLS}
    tables = {sweep: _table(sweep) for sweep in {path.parent.parent for path in real.values()}}
    return {
        folder: tables[path.parent.parent][path.name]
        for folder, path in real.items()
        if path.name in tables[path.parent.parent]
    }


def _table(sweep: Path) -> dict[str, dict[str, Any]]:
    """By cell what sets it apart, in the order of the sweep's file; nothing without a table."""
    try:
        rows = json.loads((sweep / _TABLE).read_bytes())
        return {PurePath(row["folder"]).name: _own_columns(row) for row in rows}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # not there, or not a sweep's
        return {}


def _own_columns(row: dict[str, Any]) -> dict[str, Any]:
    """Those that a sweep's file names: the others are in every sweep's table."""
    return {column: value for column, value in row.items() if column not in {*COLUMNS, SEED}}


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
