"""A recorded manifest beside the one that its facts give: every difference by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from aggregator import scoring
from aggregator.types import Aggregate, Outputs, Rule, Update, Utility
from aggregator.verifying.findings import Findings, Kind
from fl.documents import Line, Manifest, Reference, Terms, Verdict
from fl.ledger.types import REFUSED_QUALITY, UNAVAILABLE, UNRATED
from fl.weights import Arrays


@dataclass(frozen=True)
class Fate:
    """What has become of a submission's content, of which something is gone or damaged, and `how`.

    `receipt`: whether the receipt is still there. `possible`: refusals that what is still there does not
    rule out.
    """

    receipt: bool
    how: str
    possible: AbstractSet[Verdict]


FateOf = Callable[[int], Fate]
"""By place in the round; asked only where the content cannot be read any more."""


Near = Callable[[str], bool]
"""Whether a field that differs is as near to what was found as its rule allows."""


def compare(
    recorded: Manifest,
    replayed: Manifest,
    fate_of: FateOf,
    findings: Findings,
    unknown: AbstractSet[str] = frozenset(),
    near: Near = lambda _name: False,
) -> None:
    """Name every field in which the two differ, but for those that are `unknown` or `near`."""
    compare_lines(recorded.submissions, replayed.submissions, fate_of, findings, unknown)
    for name in ("aggregated", "weights", "state", "utilities", "metrics"):
        said, found = getattr(recorded, name), getattr(replayed, name)
        if said != found and name not in unknown and not near(name):
            findings.mismatch(f"{name}: recorded {_shown(said, found)}, found {_shown(found, said)}")


def _shown(value: object, other: object) -> object:
    """A value in a sentence about two; a reference by its digest, if that is where they differ."""
    if value is None:
        return "nothing"
    if isinstance(value, tuple):
        return ", ".join(value) or "nobody"
    if not isinstance(value, Reference):
        return value
    if value.sha256 == getattr(other, "sha256", None):
        return f"{value.cid} of {value.size} bytes"
    return value.sha256


def compare_lines(
    recorded: Sequence[Line],
    replayed: Sequence[Line],
    fate_of: FateOf,
    findings: Findings,
    unknown: AbstractSet[str] = frozenset(),
) -> None:
    """Name every submission whose verdict, share, quality, examples or digest differ."""
    places = {(line.trainer, line.receipt): place for place, line in enumerate(replayed)}
    for said in recorded:
        place = places.get((said.trainer, said.receipt))
        if place is None:  # not on the chain, which is named elsewhere
            continue
        found = replayed[place]
        _sound(said, findings)
        if said.verdict is not found.verdict:
            _other_verdict(place, said, found, fate_of, findings)
            continue
        for name in ("share", "quality", "examples", "weights"):
            a, b = getattr(said, name), getattr(found, name)
            if a != b and name not in unknown:
                findings.mismatch(f"{said.trainer}: {name} recorded as {a}, found {b}")


def _sound(line: Line, findings: Findings) -> None:
    """What a line's verdict alone says of its share, examples and quality, whatever became of its content."""
    opened = line.verdict not in _UNOPENED
    if line.verdict is not Verdict.BAD_DOCUMENT:  # of the receipt, or of the details, which were opened
        known = (line.weights is not None) == opened
        findings.expect(known, f"{line.trainer}: {line.verdict}, but with weights {line.weights}")
    if line.verdict is Verdict.ACCEPTED:
        return  # what was accepted is compared field by field
    nothing = line.share == 0 and line.examples is None
    findings.expect(nothing, f"{line.trainer}: {line.verdict}, but with a share or examples")
    fair = line.quality in _QUALITIES.get(line.verdict, {REFUSED_QUALITY})
    findings.expect(fair, f"{line.trainer}: {line.verdict}, but with quality {line.quality}")


_UNOPENED = {
    Verdict.UNAVAILABLE,
    Verdict.NOT_BOUND,
    Verdict.NOT_INVITED,
    Verdict.BAD_REFERENCE,
    Verdict.BAD_CONTENT,
    Verdict.UNREADABLE,
}
"""Verdicts that are reached before the update is decrypted."""

_QUALITIES = {
    Verdict.UNAVAILABLE: {UNAVAILABLE},
    Verdict.NOT_BOUND: {REFUSED_QUALITY, UNRATED},
    Verdict.NOT_INVITED: {UNRATED},
}


def _other_verdict(place: int, said: Line, found: Line, fate_of: FateOf, findings: Findings) -> None:
    """Nobody has to keep what was refused, but what is still there may prove that it should not have been.

    Gone or damaged is the same here: a refused site may hold the only copy of its update, and what it does
    to it must not speak against who refused it. To go unrated is a favour, so whoever grants it keeps the
    receipt.
    """
    text = f"{said.trainer}: recorded {said.verdict}, found {found.verdict}"
    if found.verdict is not Verdict.UNAVAILABLE:
        findings.mismatch(text)
        return
    fate = fate_of(place)
    if said.quality == UNRATED or said.verdict not in fate.possible:
        findings.mismatch(f"{text} ({fate.how})")
        return
    left = "nobody can prove it any more" if fate.receipt else "not even its receipt is left to prove it"
    findings.unchecked(Kind.REFUSALS, f"{said.trainer}: refused as {said.verdict}, and {left} ({fate.how})")


class RecordedUtility:
    """The utility of a replay: shares follow from the recorded table, the table is held against our own.

    Inference differs in the last bits between machines, so a recorded value may be off by the tolerance.
    """

    def __init__(self, terms: Terms, table: scoring.Table | None, own: Utility | None) -> None:
        self._tolerance = terms.tolerance
        self._table = table
        self._own = own
        self._missing: list[str] = []
        self._wrong: list[str] = []

    def __call__(self, mask: int, arrays: Arrays, /) -> int:
        """The recorded utility of this coalition, once compared; our own where there is no table."""
        own = self._own(mask, arrays) if self._own else None
        return self._true(mask, own)

    def outputs(self, mask: int, arrays: Arrays, /) -> tuple[int, Outputs]:
        """The same, and what the model says; nothing where we have none."""
        own, outputs = self._own.outputs(mask, arrays) if self._own else (None, _NO_OUTPUTS)
        return self._true(mask, own), outputs

    def of_outputs(self, mask: int, outputs: Outputs, /) -> int:
        """The recorded utility of outputs mixed for this coalition, once compared."""
        own = self._own.of_outputs(mask, outputs) if self._own else None
        recorded = None if self._table is None else self._table.surrogate
        return self._recorded(f"mixed outputs of coalition {mask:x}", mask, recorded, own)

    def _true(self, mask: int, own: int | None) -> int:
        recorded = None if self._table is None else self._table.true
        return self._recorded(f"coalition {mask:x}", mask, recorded, own)

    def _recorded(self, what: str, mask: int, recorded: Mapping[int, int] | None, own: int | None) -> int:
        if recorded is None:
            return own or 0
        if mask not in recorded:
            self._missing.append(f"{what} is not in the table")
            return own or 0
        if own is not None and abs(own - recorded[mask]) > self._tolerance:
            self._wrong.append(f"{what} recorded as {recorded[mask]}, found {own}")
        return recorded[mask]

    def report(self, findings: Findings) -> None:
        """Name the coalitions that differed: the first few, and how many more there are."""
        for texts in (self._missing, self._wrong):
            for text in texts[:_FEW]:
                findings.mismatch(f"utilities: {text}")
            if len(texts) > _FEW:
                findings.mismatch(f"utilities: and {len(texts) - _FEW} more coalitions like these")


_NO_OUTPUTS: Outputs = np.zeros((0, 0))
_FEW = 3


def recorded_rule(manifest: Manifest, arrays: Arrays, state: bytes | None) -> Rule:
    """Stand in for a rule that cannot be asked: take the recorded aggregate and memory as given."""

    def take(_base: Arrays, _updates: Sequence[Update], _state: bytes | None, _index: int) -> Aggregate:
        return Aggregate(arrays, manifest.metrics, state)

    return take
