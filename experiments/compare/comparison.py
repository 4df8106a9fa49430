"""Groups of runs, and how they compare. Tables and pictures are made from what compare.json holds, alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
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
    `against` the label of the reference group; `unfinished` the folders of runs that were left out.
    """

    metrics: tuple[Metric, ...]
    against: str
    differing: tuple[str, ...]
    groups: Annotated[tuple[Group, ...], Field(min_length=1)]
    rows: tuple[Row, ...]
    unfinished: tuple[str, ...] = ()

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
    )


def _row(group: Group, quantity: str, reference: Group) -> Row:
    own, other = group.by_seed(quantity), reference.by_seed(quantity)
    apart = difference(own, other) if other and group is not reference else None
    return Row(group.label, quantity, mean(list(own.values())), apart)


def _reference(groups: Sequence[Group], wanted: str | None) -> Group:
    if wanted is None:
        return groups[0]
    found = [group for group in groups if group.label == wanted] or [
        group for group in groups if wanted in group.label
    ]
    if len(found) != 1:
        known = "; ".join(group.label for group in found or groups)
        raise UsageError(
            f"{wanted!r} is {'part of more than one group' if found else 'no group'} here.",
            f"There are: {known}.",
        )
    return found[0]


def grouped(runs: Sequence[tuple[Run, Results]]) -> tuple[Group, ...]:
    """Runs of the same settings together, in the order in which they come; by seed within a group.

    Raises UsageError for two runs of the same settings and seed: they are one finding, not two.
    """
    members: dict[str, list[Run]] = {}
    told: dict[str, dict[str, Any]] = {}
    for run, results in runs:
        own = settings.settings(results.config)
        key = settings.identity(own)
        told.setdefault(key, own)
        members.setdefault(key, []).append(run)
    names = settings.labels(list(told.values())) if len(told) > 1 else [runs[0][1].config.name]
    return tuple(
        Group(name, told[key], _by_seed(members[key])) for name, key in zip(names, told, strict=True)
    )


def _by_seed(runs: Sequence[Run]) -> tuple[Run, ...]:
    found: dict[int, Run] = {}
    for run in runs:
        if run.seed in found:
            raise UsageError(
                f"{found[run.seed].folder} and {run.folder} are the same run: "
                f"equal settings, and seed {run.seed} both.",
                "Name one of them.",
            )
        found[run.seed] = run
    return tuple(found[seed] for seed in sorted(found))
