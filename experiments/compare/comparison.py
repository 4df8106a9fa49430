"""Groups of runs, and how they compare. Tables and pictures are made from what compare.json holds, alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from experiments.compare import settings
from experiments.compare.facts import METRICS, Group, Metric, Run
from experiments.compare.statistics import Estimate, difference, mean
from experiments.results import Results
from fl.errors import UsageError
from fl.files import write_atomically
from fl.output import to_json

FILE = "compare.json"
_LONGEST = 200
"""Letters of a label, at most, in which somebody finds what differs."""


@dataclass(frozen=True)
class Row:
    """A quantity of one group: its mean, and by how much it lies above the reference group's."""

    group: str
    quantity: str
    mean: Estimate
    difference: Estimate | None


@dataclass(frozen=True)
class Comparison:
    """What some runs amount to, beside each other.

    `metrics` are those that tables and pictures show; `differing` the settings that tell groups apart;
    `against` the label of the reference group; `unfinished` the folders of runs that were left out, and
    `repeated` of those that are the same run as another, by whose folder they are told.
    """

    metrics: tuple[Metric, ...]
    against: str
    differing: tuple[str, ...]
    groups: Annotated[tuple[Group, ...], Field(min_length=1)]
    rows: tuple[Row, ...]
    unfinished: tuple[str, ...] = ()
    repeated: dict[str, str] = field(default_factory=dict)

    @property
    def others(self) -> tuple[Group, ...]:
        """All groups but the reference."""
        return tuple(group for group in self.groups if group.label != self.against)

    @property
    def quantities(self) -> list[str]:
        """What is known of any group, in the order in which it is read."""
        return list(dict.fromkeys(row.quantity for row in self.rows))

    def row(self, group: Group, quantity: str) -> Row | None:
        """None where the quantity does not apply to the group."""
        found = (row for row in self.rows if (row.group, row.quantity) == (group.label, quantity))
        return next(found, None)

    def basis(self, group: Group) -> str:
        """What the differences of a group rest on: the same for all metrics, but for what diverged."""
        rows = (self.row(group, name) for name in self.metrics)
        found = [row.difference.basis for row in rows if row and row.difference]
        return min(found, key=len, default="")

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        values: dict[str, Any] = json.loads(_ADAPTER.dump_json(self))
        return values

    def write(self, folder: Path) -> Path:
        """Write `compare.json` into a folder."""
        file = folder / FILE
        write_atomically(file, to_json(self.to_dict()).encode())
        return file

    @classmethod
    def read(cls, folder: Path) -> Comparison:
        """Read what `write` wrote; raises UsageError when it is not there or is something else."""
        file = folder / FILE
        try:
            return _ADAPTER.validate_json(file.read_bytes())
        except OSError as error:
            raise UsageError(
                f"{file} cannot be read: {error.strerror}.", "Has anything been compared there?"
            ) from error
        except ValidationError as error:
            raise UsageError(
                f"{file} is not what `fl compare` writes.", str(error).splitlines()[1]
            ) from error


_ADAPTER = TypeAdapter(Comparison)


def compare(
    groups: Sequence[Group],
    against: str | None = None,
    metrics: Sequence[Metric] = METRICS,
    unfinished: Sequence[Path] = (),
    repeated: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare groups with one of them, by its label or a part of it; with the first if left out.

    Raises UsageError for a label that is none, or not clear.
    """
    reference = _reference(groups, against)
    keys = {key: None for group in groups for run in group.runs for key in run.quantities}
    rows = [_row(group, key, reference) for group in groups for key in keys if group.by_seed(key)]
    return Comparison(
        tuple(metrics),
        reference.label,
        tuple(settings.differing([group.settings for group in groups])),
        tuple(groups),
        tuple(rows),
        tuple(map(str, unfinished)),
        dict(repeated or {}),
    )


def _row(group: Group, quantity: str, reference: Group) -> Row:
    own, other = group.by_seed(quantity), reference.by_seed(quantity)
    apart = difference(own, other) if other and group is not reference else None
    return Row(group.label, quantity, mean(list(own.values())), apart)


def _reference(groups: Sequence[Group], wanted: str | None) -> Group:
    if wanted is None:
        return groups[0]
    closeness: tuple[Callable[[str], bool], ...] = (
        lambda label: label == wanted,
        lambda label: _has_all(label, wanted),
        lambda label: wanted in label,
    )
    found = next(filter(None, ([one for one in groups if close(one.label)] for close in closeness)), [])
    if len(found) != 1:
        known = "; ".join(group.label for group in found or groups)
        raise UsageError(
            f"{wanted!r} is {'part of more than one group' if found else 'no group'} here.",
            f"There are: {known}.",
        )
    return found[0]


def _has_all(label: str, wanted: str) -> bool:
    """Whether a label has each of some settings, by value or with the name: `krum, attack=noise`."""
    parts = [part for own in label.split(", ") for part in (own, own.partition("=")[2])]
    return all(one.strip() in parts for one in wanted.split(","))


def distinct(runs: Sequence[tuple[Run, Results]]) -> tuple[list[tuple[Run, Results]], dict[str, str]]:
    """The first run of each settings and seed, and the folders of others with those of their firsts.

    Two runs of the same settings and seed are one finding, not two.
    """
    first: dict[tuple[str, int], tuple[Run, Results]] = {}
    repeated = {}
    for run, results in runs:
        key = settings.identity(settings.settings(results.config)), run.seed
        if key in first:
            repeated[run.folder] = first[key][0].folder
        else:
            first[key] = run, results
    return list(first.values()), repeated


def grouped(runs: Sequence[tuple[Run, Results]]) -> tuple[Group, ...]:
    """Distinct runs of the same settings together, in the order in which they come, then by seed."""
    members: dict[str, list[Run]] = {}
    told: dict[str, dict[str, Any]] = {}
    for run, results in runs:
        own = settings.settings(results.config)
        key = settings.identity(own)
        told.setdefault(key, own)
        members.setdefault(key, []).append(run)
    names = _names(told.values(), members.values()) if len(told) > 1 else [runs[0][1].config.name]
    return tuple(
        Group(name, told[key], tuple(sorted(members[key], key=lambda run: run.seed)))
        for name, key in zip(names, told, strict=True)
    )


def _names(told: Iterable[settings.Settings], members: Iterable[Sequence[Run]]) -> list[str]:
    """What sets groups apart; where that is too much to be read, the folders of their first runs."""
    firsts = [own[0] for own in members]
    names = settings.labels(list(told), [run.varied for run in firsts])
    folders = [Path(run.folder).name for run in firsts]
    readable = max(map(len, names)) <= _LONGEST or len(set(folders)) < len(folders)
    return names if readable else folders
