"""What a verification comes to: which kinds of thing were checked, which could not be, and unpaid work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from aggregator.findings import Finding, Kind, Level

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


@dataclass(frozen=True)
class Conclusion:
    """`unchecked` counts findings by kind; `checked` are the kinds of which everything was checked.

    `voided` and `failed` (in spite of a quorum) are rounds in which sites worked for nothing.
    """

    checked: tuple[str, ...]
    unchecked: dict[str, int]
    voided: int
    failed: int


def conclude(findings: Iterable[Finding]) -> Conclusion:
    """Sum up findings."""
    found = tuple(findings)
    unchecked = Counter(str(one.kind) for one in found if one.level is Level.UNCHECKED)
    checked = tuple(kind for kind in CHECKABLE if kind not in unchecked)
    return Conclusion(checked, dict(unchecked), _rounds(found, Kind.VOIDED), _rounds(found, Kind.UNPAID))


def _rounds(findings: Iterable[Finding], kind: Kind) -> int:
    return len({finding.round for finding in findings if finding.kind is kind})
