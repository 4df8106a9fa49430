"""What a verification comes to: which kinds of thing were checked, which could not be, and unpaid work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from aggregator.verifying.findings import Finding, Kind, Level, mismatches
from fl.ledger.types import Address, AggregatorSet, Event, RoundClosed, TaskCreated

CHECKABLE = (
    "submissions",
    "digests",
    "verdicts",
    "aggregates",
    "utilities",
    "shares",
    "payments",
    "reputations",
)
"""What a verification checks wherever it can: no submission dropped, every digest, and so on."""

_PARTS: Mapping[str, tuple[str, ...]] = {
    Kind.REFUSALS: ("verdicts",),
    Kind.ROUNDS: ("verdicts", "aggregates", "utilities", "shares"),
}
"""What was not all checked where something of a kind could not be, other than the kind itself."""


@dataclass(frozen=True)
class Conclusion:
    """`unchecked` counts findings by kind; `checked` are the kinds of which everything was checked.

    `voided` and `failed` (in spite of a quorum) are rounds in which sites worked for nothing. `unproven`
    counts, by the aggregator that closed their rounds, refusals for cause that nobody can prove any more.
    """

    checked: tuple[str, ...]
    unchecked: dict[str, int]
    voided: int
    failed: int
    unproven: dict[Address, int]


def conclude(findings: Iterable[Finding], history: Iterable[Event] = ()) -> Conclusion:
    """Sum up findings; the task's history says which aggregator closed which round."""
    found = tuple(findings)
    kinds = [one.kind for one in found if one.level is Level.UNCHECKED and one.kind]
    partly = {part for kind in kinds for part in (kind, *_PARTS.get(kind, ()))}
    return Conclusion(
        checked=tuple(kind for kind in CHECKABLE if kind not in partly),
        unchecked=dict(Counter(str(kind) for kind in kinds)),
        voided=_rounds(found, Kind.VOIDED),
        failed=_rounds(found, Kind.UNPAID),
        unproven=_unproven(found, dict(_closers(history))),
    )


def verdict(findings: Collection[Finding]) -> str:
    """A verification in a word: whether anything was found wrong, or could not be checked."""
    if mismatches(findings):
        return "not verified"
    return "verified in part" if any(one.level is Level.UNCHECKED for one in findings) else "verified"


def _rounds(findings: Iterable[Finding], kind: Kind) -> int:
    return len({finding.round for finding in findings if finding.kind is kind})


def _unproven(findings: Iterable[Finding], closers: Mapping[int | None, Address]) -> dict[Address, int]:
    rounds = (finding.round for finding in findings if finding.kind is Kind.REFUSALS)
    return dict(Counter(closers[round_] for round_ in rounds if round_ in closers))


def _closers(history: Iterable[Event]) -> Iterator[tuple[int, Address]]:
    """Each closed round, and the aggregator in force when it was closed."""
    aggregator: Address | None = None
    for event in history:
        if isinstance(event, TaskCreated):
            aggregator = event.params.aggregator
        elif isinstance(event, AggregatorSet):
            aggregator = event.aggregator
        elif isinstance(event, RoundClosed) and aggregator:
            yield event.round, aggregator
