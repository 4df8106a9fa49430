"""What a verification comes to: which kinds of thing were checked, which could not be, and unpaid work."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from aggregator.findings import Finding, Level

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

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\b")
_KINDS = (("the aggregate", "aggregates"), ("utilities", "utilities"), ("failed", "failed rounds"))
"""How the text of an unchecked finding begins, and what was not checked then."""


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
    unchecked = Counter(_kind(finding) for finding in found if finding.level is Level.UNCHECKED)
    checked = tuple(kind for kind in CHECKABLE if kind not in unchecked)
    return Conclusion(
        checked, dict(unchecked), _rounds(found, "voided"), _rounds(found, "failed in spite of a quorum")
    )


def _kind(finding: Finding) -> str:
    if _ADDRESS.match(finding.text):
        return "verdicts"
    return next((kind for start, kind in _KINDS if finding.text.startswith(start)), finding.subject)


def _rounds(findings: Iterable[Finding], begins: str) -> int:
    notes = (finding for finding in findings if finding.level is Level.NOTE)
    return len({note.round for note in notes if note.text.startswith(begins)})
