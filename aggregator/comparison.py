"""A recorded manifest beside the one that its facts give: every difference by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aggregator import scoring
from aggregator.findings import Findings
from aggregator.types import Aggregate, Rule, Update, Utility
from fl.documents import Line, Manifest, Terms, Verdict
from fl.weights import Arrays


@dataclass
class Troubles:
    """What went wrong while a submission's content was read again: by receipt, damaged or gone, and why."""

    damaged: dict[str, str] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)

    def why(self, line: Line) -> str:
        """A clause for a finding, or nothing."""
        reason = self.damaged.get(line.receipt) or self.gone.get(line.receipt)
        return f" ({reason})" if reason else ""


def compare(recorded: Manifest, replayed: Manifest, troubles: Troubles, findings: Findings) -> None:
    """Name every field in which the two differ."""
    compare_lines(recorded.submissions, replayed.submissions, troubles, findings)
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
    recorded: Sequence[Line], replayed: Sequence[Line], troubles: Troubles, findings: Findings
) -> None:
    """Name every submission whose verdict, share, quality, examples or digest differ."""
    for said, found in zip(recorded, replayed, strict=False):  # a difference in number is named elsewhere
        if said.verdict is not found.verdict:
            _other_verdict(said, found, troubles, findings)
            continue
        for name in ("trainer", "receipt", "share", "quality", "examples", "weights"):
            a, b = getattr(said, name), getattr(found, name)
            findings.expect(a == b, f"{said.trainer}: {name} recorded as {a}, found {b}")


def _other_verdict(said: Line, found: Line, troubles: Troubles, findings: Findings) -> None:
    text = f"{said.trainer}: recorded {said.verdict}, found {found.verdict}{troubles.why(said)}"
    refused = said.verdict is not Verdict.ACCEPTED
    if refused and found.verdict is Verdict.UNAVAILABLE and said.receipt not in troubles.damaged:
        findings.unchecked(text)  # nobody has to keep what was refused
    else:
        findings.mismatch(text)


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
