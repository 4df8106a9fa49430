"""A sweep's file, and the cells that it stands for: one run each, with everything that is varied.

    base = "hospitals"                       # a preset, or a file as `fl run` takes it
    seeds = [1, 2, 3]

    [set]                                    # the same in every cell
    rounds = 6

    [grid]                                   # every value with every other
    training.learning_rate = [0.01, 0.1]

    [variants.defence.median]                # settings that change together, under a name
    rule.name = "FedMedian"

    [variants.defence.guard]
    scoring.guard = "best"

Every variant of an axis (`defence` here) meets every value of the grid and every seed: 12 cells.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from experiments.loading import flat, load, located
from experiments.sweep.cells import SEED, Cell
from experiments.sweep.naming import labels
from experiments.sweep.rows import COLUMNS
from fl.errors import UsageError

MOST = 10_000
"""Cells of one sweep, at most: more is a slip."""
_ALWAYS: Mapping[str, object] = {"workers": 1, "baselines": False}  # sweeps ask for baselines, or have none
_KEYS = ("base", "seeds", "set", "grid", "variants")

Settings = Mapping[str, object]
"""Values by dotted key."""


@dataclass(frozen=True)
class Axis:
    """One thing that is varied: its column in the table, its values, and which settings each stands for."""

    column: str
    options: tuple[tuple[object, Settings], ...]


@dataclass(frozen=True)
class Plan:
    """All cells of a sweep, in the order of the table, and the columns that say how they differ."""

    columns: tuple[str, ...]
    cells: tuple[Cell, ...]

    @classmethod
    def read(cls, file: Path) -> Plan:
        """Read a sweep's file. Raises UsageError, which names the cell where it is one that is wrong."""
        return _Reader(file, _parsed(file)).plan()


class _Reader:
    """What a sweep's file says, and the checks that need all of it."""

    def __init__(self, file: Path, said: dict[str, Any]) -> None:
        self._folder = file.parent
        self._said = said
        if unknown := [key for key in said if key not in _KEYS]:
            raise UsageError(
                f"A sweep's file has no {unknown[0]!r}.",
                f"It has {', '.join(_KEYS)}; what all cells have in common goes under [set].",
            )

    def plan(self) -> Plan:
        base, common, axes = self._base(), {**_ALWAYS, **self._common()}, self._axes()
        _check_columns(axes)
        _check_clashes(axes, common)
        chosen = list(product(*(axis.options for axis in axes)))
        columns = tuple(axis.column for axis in axes)
        names = labels(columns, [[value for value, _ in options] for options in chosen])
        return Plan(
            columns,
            tuple(
                self._cell(name, columns, options, base, common)
                for name, options in zip(names, chosen, strict=True)
            ),
        )

    def _cell(
        self,
        name: str,
        columns: Sequence[str],
        options: Sequence[tuple[object, Settings]],
        base: str,
        common: Settings,
    ) -> Cell:
        settings = dict(common)
        for _, own in options:
            settings |= own
        try:
            config = load(base, flags=self._located(settings))
        except UsageError as error:
            raise UsageError(f"Cell {name}: {error.message}", error.hint) from error
        varied = dict(zip(columns, (value for value, _ in options), strict=True))
        return Cell(name, varied | {SEED: config.seed}, config)

    def _located(self, settings: Settings) -> Settings:
        """A data file's relative path starts at the sweep's file."""
        source = settings.get("data.source")
        if isinstance(source, str) and (file := self._folder / located(source)).exists():
            return {**settings, "data.source": str(file.resolve())}
        return settings

    # --- the parts of the file

    def _base(self) -> str:
        base = self._said.get("base", "hospitals")
        if not isinstance(base, str):
            raise UsageError(f"base = {base!r} is neither a preset nor a file.", 'Write base = "hospitals".')
        return str(self._folder / base) if base.endswith(".toml") else base

    def _common(self) -> Settings:
        return dict(flat(self._table("set")))

    def _axes(self) -> list[Axis]:
        return [*self._variants(), *self._grid(), self._seeds()]

    def _variants(self) -> Iterator[Axis]:
        for column, variants in self._table("variants").items():
            named = isinstance(variants, dict) and all(isinstance(one, dict) for one in variants.values())
            if not named or not variants:
                raise UsageError(
                    f"variants.{column} is no table of named variants.",
                    f'Write [variants.{column}.NAME] and below it settings, such as rule.name = "Krum".',
                )
            yield Axis(column, tuple((name, dict(flat(own))) for name, own in variants.items()))

    def _grid(self) -> Iterator[Axis]:
        for key, values in flat(self._table("grid")):
            if key in ("seed", "seeds"):
                raise UsageError("Seeds have a line of their own.", "Write seeds = [1, 2, 3] above [grid].")
            yield Axis(key, tuple((value, {key: value}) for value in _values(f"grid.{key}", values)))

    def _seeds(self) -> Axis:
        if "seeds" not in self._said:
            return Axis(SEED, ((None, {}),))  # the base's own
        return Axis(SEED, tuple((seed, {SEED: seed}) for seed in _values("seeds", self._said["seeds"])))

    def _table(self, key: str) -> dict[str, Any]:
        found = self._said.get(key, {})
        if not isinstance(found, dict):
            raise UsageError(f"{key} is no table.", f"Write [{key}] and below it settings.")
        return found


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", "Give a sweep's file.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not a text file in UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not valid TOML: {error}.") from error


def _values(key: str, values: object) -> list[object]:
    if not isinstance(values, list) or not values:
        raise UsageError(
            f"{key} = {values!r} is no list of values.", "Write [1, 2]; one value for all goes under [set]."
        )
    for value, times in Counter(map(repr, values)).items():
        if times > 1:
            raise UsageError(f"{key} has {value} twice.")
    return values


def _check_columns(axes: Sequence[Axis]) -> None:
    """Every column means one thing, and the table has its own."""
    for column, times in Counter(axis.column for axis in axes).items():
        if times > 1 or column in COLUMNS:
            raise UsageError(f"Two columns would be called {column}.", "Call the variants something else.")
    cells = 1
    for axis in axes:
        cells *= len(axis.options)
    if cells > MOST:
        raise UsageError(f"These are {cells:,} cells.", f"A sweep has {MOST:,} at most.")


def _check_clashes(axes: Sequence[Axis], common: Settings) -> None:
    """A setting is varied in one place; what [set] says may be changed by variants, not by the grid."""
    keys = [(axis.column, {key for _, own in axis.options for key in own}) for axis in axes]
    for number, (column, own) in enumerate(keys):
        others = {key: other for other, theirs in keys[:number] for key in theirs}
        if both := sorted(own & others.keys()):
            raise UsageError(f"{both[0]} is varied by {others[both[0]]} and by {column}.", "Choose one.")
        if column in common and column not in _ALWAYS:
            raise UsageError(f"{column} is under [set] and varied.", "Remove one.")
    if any("workers" in own for _, own in keys) or common["workers"] != 1:
        raise UsageError(
            "workers is how many processes train in one run.",
            "A sweep runs whole cells beside each other: fl sweep --workers N.",
        )
