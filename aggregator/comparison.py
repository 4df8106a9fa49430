"""A recorded manifest beside the one that its facts give: every difference by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from aggregator import scoring
from aggregator.findings import Findings, Kind
from aggregator.types import Aggregate, Rule, Update, Utility
from fl.documents import Line, Manifest, Terms, Verdict
from fl.ledger.types import REFUSED_QUALITY, UNAVAILABLE, UNRATED
from fl.weights import Arrays


@dataclass(frozen=True)
class Fate:
    """What has become of a submission's content: damaged or gone, and how.

    `possible`: refusals that the content which is still there does not rule out.
    """

    damaged: bool
    how: str
    possible: AbstractSet[Verdict]


FateOf = Callable[[int], Fate]
"""By place in the round; asked only where the content cannot be read any more."""


def compare(recorded: Manifest, replayed: Manifest, fate_of: FateOf, findings: Findings) -> None:
    """Name every field in which the two differ."""
    compare_lines(recorded.submissions, replayed.submissions, fate_of, findings)
    for name in ("chain_id", "contract", "task", "round", "announcement", "base"):
        said, found = getattr(recorded, name), getattr(replayed, name)
        findings.expect(said == found, f"{name}: recorded {said}, found {found}")
    findings.expect(
        recorded.aggregated == replayed.aggregated,
        f"aggregated: recorded {list(recorded.aggregated)}, found {list(replayed.aggregated)}",
    )
    for name in ("weights", "state", "utilities"):
        said, found = getattr(recorded, name), getattr(replayed, name)
        findings.expect(said == found, f"{name}: recorded {_digest(said)}, found {_digest(found)}")
    findings.expect(
        recorded.metrics == replayed.metrics,
        f"metrics: recorded {recorded.metrics}, found {replayed.metrics}",
    )


def _digest(reference: object) -> object:
    return getattr(reference, "sha256", None)


def compare_lines(
    recorded: Sequence[Line], replayed: Sequence[Line], fate_of: FateOf, findings: Findings
) -> None:
    """Name every submission whose verdict, share, quality, examples or digest differ."""
    pairs = zip(recorded, replayed, strict=False)  # a difference in number is named elsewhere
    for place, (said, found) in enumerate(pairs):
        _sound(said, findings)
        if said.verdict is not found.verdict:
            _other_verdict(place, said, found, fate_of, findings)
            continue
        for name in ("trainer", "receipt", "share", "quality", "examples", "weights"):
            a, b = getattr(said, name), getattr(found, name)
            findings.expect(a == b, f"{said.trainer}: {name} recorded as {a}, found {b}")


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

    To go unrated is a favour, so whoever grants it keeps the receipt.
    """
    text = f"{said.trainer}: recorded {said.verdict}, found {found.verdict}"
    if found.verdict is not Verdict.UNAVAILABLE:
        findings.mismatch(text)
        return
    fate = fate_of(place)
    excusable = not fate.damaged and said.quality != UNRATED and said.verdict in fate.possible
    if excusable:
        findings.unchecked(Kind.VERDICTS, f"{text} ({fate.how})")
    else:
        findings.mismatch(f"{text} ({fate.how})")


class RecordedUtility:
    """The utility of a replay: shares follow from the recorded table, the table is held against our own.

    Inference differs in the last bits between machines, so a recorded value may be off by the tolerance.
    """

    def __init__(self, terms: Terms, table: scoring.Table, own: Utility | None, findings: Findings) -> None:
        self._tolerance = terms.tolerance
        self._table = table
        self._own = own
        self._findings = findings

    def __call__(self, mask: int, arrays: Arrays) -> int:
        """The recorded utility of this coalition, once compared."""
        if mask not in self._table:
            self._findings.mismatch(f"utilities: coalition {mask:x} is not in the table")
            return self._own(mask, arrays) if self._own else 0
        recorded = self._table[mask]
        if self._own is not None:
            own = self._own(mask, arrays)
            self._findings.expect(
                abs(own - recorded) <= self._tolerance,
                f"utilities: coalition {mask:x} recorded as {recorded}, found {own}",
            )
        return recorded


def recorded_rule(manifest: Manifest, arrays: Arrays, state: bytes | None) -> Rule:
    """Stand in for a rule that is not installed: take the recorded aggregate and memory as given."""

    def take(_base: Arrays, _updates: Sequence[Update], _state: bytes | None, _index: int) -> Aggregate:
        return Aggregate(arrays, manifest.metrics, state)

    return take
