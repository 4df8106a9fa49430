"""`fl verify`: decide every round again from chain and store, and compare.

Nothing is trusted but the chain's answers: each document and blob is checked against its digest, each
verdict, share and weight is decided anew by the function that the aggregator itself calls. Nothing stops the
walk: what differs is a mismatch, what nobody can check any more is said and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from copy import copy

from aggregator import draw
from aggregator.record import Record, Round
from aggregator.types import Closed
from aggregator.verifying import accounts, holdings
from aggregator.verifying.closeness import CLOSENESS
from aggregator.verifying.findings import Finding, Findings, Kind
from aggregator.verifying.hindsight import AskedOnce, judge_denial
from aggregator.verifying.redecision import Redecision, Tools, with_hint
from fl import agreement
from fl.documents import Announcement, Manifest, Reference, Verdict
from fl.errors import DocumentError, LedgerError, StoreError, UsageError, WeightsError
from fl.ledger.types import RoundClosed, Stage, WeightsReset

__all__ = ["Tools", "verify"]


def verify(record: Record, tools: Tools) -> tuple[Finding, ...]:
    """Check everything that a task put on the chain; findings in the order of the rounds."""
    record, findings = copy(record), Findings()
    record.store = AskedOnce(record.store)
    with findings.about(None, "terms", ok="agree with the chain; what they name is there"):
        _terms(record, findings)
    with findings.about(None, "rule"):
        _rule(record, tools, findings)
    with findings.about(None, "resets"):
        _resets(record, findings)
    for done, round_ in enumerate(record.rounds):
        tools.progress(done, len(record.rounds))
        _Replay(record, round_, tools, findings).run()
    with findings.about(None, "contract"):
        holdings.check(record, findings)
    with findings.about(None, "accounts", ok="every payment, balance and reputation follows from the rounds"):
        accounts.check(record, findings)
    tools.progress(len(record.rounds), len(record.rounds))
    return findings.all()


# --- the task


def _terms(record: Record, findings: Findings) -> None:
    terms = record.terms()
    for difference in agreement.terms_and_task(terms, record.created.params):
        findings.mismatch(difference)
    with findings.about(None, "initial weights"):
        record.blob(terms.weights, record.sizes.weights)
    with findings.about(None, "validation set"):
        if terms.scoring.validation:
            record.blob(terms.scoring.validation, record.sizes.validation)


def _rule(record: Record, tools: Tools, findings: Findings) -> None:
    """Say so when what the rule gives is compared within bounds; why it cannot be asked is said elsewhere."""
    with suppress(StoreError, DocumentError, LedgerError, UsageError):
        terms = record.terms()
        tools.rule(terms)
        if loose := tools.loose(terms):
            what = " and ".join(sorted(loose, reverse=True))
            findings.note(
                f"{terms.rule.name} does not give the same bits on every machine: {what} are compared "
                f"within {CLOSENESS}, absolute and relative"
            )


def _resets(record: Record, findings: Findings) -> None:
    """Governance may go back to initial weights or an earlier round's, to nothing else."""
    known = {record.created.params.weights}
    for event in record.history:
        if isinstance(event, RoundClosed):
            known.add(event.weights)
        if isinstance(event, WeightsReset):
            back = event.weights in known
            findings.expect(back, f"weights were reset to {event.weights.hex()}, which no round produced")


# --- one round


class _Replay:
    """One round: what was announced, what became of it, and whether it follows from its facts."""

    def __init__(self, record: Record, round_: Round, tools: Tools, findings: Findings) -> None:
        self.record = record
        self.round = round_
        self.redecision = Redecision(record, round_, tools, findings)
        self.findings = findings

    def run(self) -> None:
        """Check announcement, manifest or failure, and say what governance did."""
        number, findings = self.round.number, self.findings
        with findings.about(number, "announcement"):
            self._announcement()
        if self.round.closed:
            with findings.about(number, "round", ok="closed as its submissions demand"):
                self._closed()
        elif self.round.failed:
            with findings.about(number, "round"):
                self._failed()
        elif self.round.stage is Stage.NONE:
            with findings.about(number, "round"):
                findings.note("still open")
        if self.round.voided:
            with findings.about(number, "round"):
                findings.note("voided by governance: nobody was paid or rated", Kind.VOIDED)

    def _announcement(self) -> None:
        record, opened, findings = self.record, self.round.opened, self.findings
        announcement, ledger = record.announcement(self.round), record.ledger
        for difference in agreement.announcement_and_opening(
            announcement, opened, ledger.chain_id, ledger.contract
        ):
            findings.mismatch(difference)
        for difference in self._invitation(announcement):
            findings.mismatch(difference)
        if self._terms_known():
            self._continuity(announcement)
            for difference in agreement.settings_and_terms(announcement.settings, record.terms()):
                findings.mismatch(difference)

    def _invitation(self, announcement: Announcement) -> Iterator[str]:
        """The round asks everybody, or exactly those whom the chain drew."""
        task = self.record.created.params
        yield from agreement.invitation_and_quorum(announcement, task.quorum)
        yield from draw.differences(announcement, self.round.opened, self.record.seating, task)

    def _terms_known(self) -> bool:
        """Lost terms are named once, and most of a round can be held against nothing without them."""
        with suppress(StoreError, DocumentError, LedgerError):
            return bool(self.record.terms())
        return False

    def _continuity(self, announcement: Announcement) -> None:
        """The round was opened on what the last closed round, or a reset, left."""
        inherited, opened = self.record.inherited(self.round.number), self.round.opened.weights.hex()
        if inherited.digest is None:
            self.findings.mismatch(
                f"opened on weights {opened}, to which they were reset: no round made them"
            )
        elif opened != inherited.digest:
            self.findings.mismatch(
                f"opened on weights {opened}, and the last closed round left {inherited.digest}"
            )
        else:
            self._one_place(announcement.base, inherited.weights)

    def _one_place(self, announced: Reference, known: Reference | None) -> None:
        """The announcement says where the base lies as it was said before."""
        if known and announced.sha256 == known.sha256 and announced != known:
            self.findings.mismatch(
                f"announced a base {announced.cid} of {announced.size} bytes, "
                f"and it is {known.cid} of {known.size} bytes"
            )

    def _failed(self) -> None:
        assert self.round.failed is not None, "called for failed rounds"
        said = self.round.failed.reason.rstrip(b"\0").decode("ascii", "replace")
        if not self.round.submissions:
            self.findings.note(f"failed without a submission: {said}")
            return
        try:
            decision = self.redecision.of_failed()
        except (UsageError, StoreError, DocumentError, WeightsError) as error:
            self.findings.unchecked(
                Kind.FAILED, f"failed: {said}; cannot be decided again: {with_hint(error)}"
            )
            return
        if isinstance(decision, Closed):
            self.findings.note(f"failed in spite of a quorum: {said}", Kind.UNPAID)
        else:
            self.findings.note(f"failed: {said}; decided again: {decision.told}")

    def _closed(self) -> None:
        manifest = None
        with self.findings.about(self.round.number, "manifest"):
            manifest = self.record.manifest(self.round)
        if manifest is None:
            self.findings.unchecked(Kind.ROUNDS, "cannot be decided again without its manifest")
            return
        self._told(manifest)
        if self._terms_known():
            self._blobs(manifest)
        self.redecision.of_closed(manifest)

    def _blobs(self, manifest: Manifest) -> None:
        """What the manifest names is there, and what it calls unavailable is judged."""
        record, sizes = self.record, self.record.sizes
        for name in ("weights", "state"):
            with self.findings.about(self.round.number, name):
                if reference := getattr(manifest, name):
                    record.blob(reference, getattr(sizes, name))
        for line in manifest.submissions:
            if line.verdict is Verdict.UNAVAILABLE:
                judge_denial(record, self.round, line, self.findings)

    def _told(self, manifest: Manifest) -> None:
        """What the aggregator told the contract must be what it wrote into the manifest."""
        closed, expect = self.round.closed, self.findings.expect
        assert closed is not None, "called for closed rounds"
        for name, held in self._here().items():
            said = getattr(manifest, name)
            expect(said == held, f"{name}: recorded {said}, found {held}")
        weights_told, weights_said = closed.weights.hex(), manifest.weights.sha256
        expect(
            weights_said == weights_told,
            f"the contract was told weights {weights_told}, the manifest says {weights_said}",
        )
        written = [(line.trainer, line.receipt) for line in manifest.submissions]
        submitted = [(event.trainer, event.receipt.hex()) for event in self.round.submissions]
        expect(written == submitted, _other_submissions(written, submitted))
        for entry, line in zip(closed.entries, manifest.submissions, strict=False):
            told, said = (entry.share, entry.quality), (line.share, line.quality)
            expect(
                told == said or entry.trainer != line.trainer,
                f"{line.trainer}: the contract was told share {told[0]} and quality {told[1]}, "
                f"the manifest says share {said[0]} and quality {said[1]}",
            )

    def _here(self) -> dict[str, object]:
        """The fields that say which round a manifest is of."""
        ledger, opened = self.record.ledger, self.round.opened
        return {
            "chain_id": ledger.chain_id,
            "contract": ledger.contract,
            "task": self.record.task,
            "round": opened.round,
            "announcement": opened.announcement.hex(),
            "base": opened.weights.hex(),
        }


_Submitted = tuple[str, str]
"""Trainer, and the receipt's digest in hexadecimal digits."""


def _other_submissions(written: Sequence[_Submitted], submitted: Sequence[_Submitted]) -> str:
    """In what a manifest's list differs from the chain's."""
    left_out, added = Counter(submitted) - Counter(written), Counter(written) - Counter(submitted)
    parts = [f"{trainer} with receipt {receipt} is left out" for trainer, receipt in left_out]
    parts += [f"{trainer} with receipt {receipt} is added" for trainer, receipt in added]
    differences = "; ".join(parts) or "they are in another order"
    return f"the manifest lists other submissions than the chain: {differences}"
