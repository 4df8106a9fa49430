"""`fl verify`: decide every round again from chain and store, and compare.

Nothing is trusted but the chain's answers: each document and blob is checked against its digest, each
verdict, share and weight is decided anew by the function that the aggregator itself calls. Nothing stops the
walk: what differs is a mismatch, what nobody can check any more is said and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from aggregator import accounts, scoring
from aggregator.comparison import Fate, RecordedUtility, compare, compare_lines, recorded_rule
from aggregator.decision import Facts, Hindsight, decide, digests, examine
from aggregator.findings import Finding, Findings, Kind
from aggregator.record import Record, Round
from aggregator.types import Closed, Failed, Rule, Submission, Utility
from aggregator.verdicts import possible
from fl import agreement, sealing, weights
from fl.canonical import sha256
from fl.documents import Line, Manifest, Receipt, Reference, Terms, Verdict
from fl.errors import BlobDamaged, BlobUnavailable, FedledgerError, UsageError
from fl.ledger.types import Address, RoundClosed, WeightsReset
from fl.store.cid import Cid

MakeRule = Callable[[Terms], Rule]
"""Builds the rule that the terms name from what is installed. Raises UsageError for an unknown one."""

MakeUtility = Callable[[Terms, bytes | None], Utility]
"""Builds the utility from the terms and the validation set. Raises UsageError when it cannot."""


@dataclass(frozen=True)
class Tools:
    """What this machine has installed to decide with, and whom to tell about progress."""

    rule: MakeRule
    utility: MakeUtility
    progress: Callable[[int, int], None] = lambda _done, _all: None


def verify(record: Record, tools: Tools) -> tuple[Finding, ...]:
    """Check everything that a task put on the chain; findings in the order of the rounds."""
    findings = Findings()
    with findings.about(None, "terms", ok="agree with the chain; initial weights are there"):
        _terms(record, findings)
    with findings.about(None, "resets"):
        _resets(record, findings)
    for done, round_ in enumerate(record.rounds):
        tools.progress(done, len(record.rounds))
        _Replay(record, round_, tools, findings).run()
    with findings.about(None, "accounts", ok="every payment, balance and reputation follows from the rounds"):
        accounts.check(record, findings)
    tools.progress(len(record.rounds), len(record.rounds))
    return findings.all()


# --- the task


def _terms(record: Record, findings: Findings) -> None:
    terms = record.terms()
    for difference in agreement.terms_and_task(terms, record.created.params):
        findings.mismatch(difference)
    record.blob(terms.weights, record.sizes.weights)


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
    """One round, decided again."""

    def __init__(self, record: Record, round_: Round, tools: Tools, findings: Findings) -> None:
        self.record = record
        self.round = round_
        self.tools = tools
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
        elif not self.round.voided:
            with findings.about(number, "round"):
                findings.note("still open")
        if self.round.voided:
            with findings.about(number, "round"):
                findings.note("voided by governance: nobody was paid or rated", Kind.VOIDED)

    def _announcement(self) -> None:
        record, opened, findings = self.record, self.round.opened, self.findings
        announcement, ledger = record.announcement(self.round), record.ledger
        for difference in (
            *agreement.announcement_and_opening(announcement, opened, ledger.chain_id, ledger.contract),
            *agreement.settings_and_terms(announcement, record.terms()),
        ):
            findings.mismatch(difference)
        findings.expect(announcement.invited is None, "invites only some, and the terms know no sampling")
        inherited = record.heritage(opened.round).weights
        findings.expect(
            inherited is not None and inherited.sha256 == opened.weights.hex(),
            "the round was opened on other weights than the last closed round left",
        )

    def _failed(self) -> None:
        assert self.round.failed is not None, "called for failed rounds"
        said = self.round.failed.reason.rstrip(b"\0").decode("ascii", "replace")
        if not self.round.submissions:
            self.findings.note(f"failed without a submission: {said}")
            return
        try:
            decision = self._decide(self._facts(None), None)
        except UsageError as error:
            self.findings.unchecked(Kind.FAILED, f"failed: {said}; cannot be decided again: {error.message}")
            return
        if isinstance(decision, Closed):
            self.findings.note(f"failed in spite of a quorum: {said}", Kind.UNPAID)
        else:
            self.findings.note(f"failed: {said}; decided again: {decision.reason}")

    def _closed(self) -> None:
        manifest = self.record.manifest(self.round)
        self._told(manifest)
        for name in ("weights", "state"):
            with self.findings.about(self.round.number, name):
                self._blob(getattr(manifest, name))
        for line in manifest.submissions:
            if line.verdict is Verdict.UNAVAILABLE:
                self._denied(line)
        facts = self._facts(manifest)
        decision, fate_of = self._decide(facts, manifest), partial(self._fate, facts)
        if isinstance(decision, Closed):
            compare(manifest, decision.manifest, fate_of, self.findings)
        else:
            self.findings.mismatch(f"closed, but decided again it fails: {decision.reason}")
            compare_lines(manifest.submissions, decision.lines, fate_of, self.findings)

    def _told(self, manifest: Manifest) -> None:
        """What the aggregator told the contract must be what it wrote into the manifest."""
        closed, expect = self.round.closed, self.findings.expect
        assert closed is not None, "called for closed rounds"
        held = closed.weights.hex()
        expect(manifest.weights.sha256 == held, f"the contract was told other weights: {held}")
        submitted = [(event.trainer, event.receipt.hex()) for event in self.round.submissions]
        written = [(line.trainer, line.receipt) for line in manifest.submissions]
        expect(written == submitted, "the manifest lists other submissions than the chain")
        for entry, line in zip(closed.entries, manifest.submissions, strict=False):
            told, said = (entry.trainer, entry.share, entry.quality), (line.trainer, line.share, line.quality)
            expect(told == said, f"the contract was told {told}, the manifest says {said}")

    def _denied(self, line: Line) -> None:
        """An `unavailable` is the aggregator's word: say what is there now, and what a reveal settles."""
        if self._revealed_in_time(line):
            self.findings.note(f"{line.trainer}: called unavailable, but its receipt was revealed in time")
        try:
            receipt = Receipt.decode(self.record.document(bytes.fromhex(line.receipt)))
            self.record.blob(receipt.update)
            self.record.blob(receipt.details)
        except FedledgerError as error:
            self.findings.unchecked(
                Kind.VERDICTS, f"{line.trainer}: called unavailable, and is: {error.message}"
            )
        else:
            self.findings.unchecked(
                Kind.VERDICTS, f"{line.trainer}: published late or denied: cannot be told apart"
            )

    def _revealed_in_time(self, line: Line) -> bool:
        """Whether the receipt was on the chain in the first half of the close window."""
        sealed = self.round.sealed.at.time if self.round.sealed else self.round.opened.deadline
        half = sealed + self.record.created.params.close_window // 2
        return any(
            event.trainer == line.trainer
            and event.at.time <= half
            and sha256(event.receipt).hex() == line.receipt
            for event in self.round.revealed
        )

    # --- deciding again

    def _facts(self, manifest: Manifest | None) -> Facts:
        lines = manifest.submissions if manifest else ()
        hindsight = Hindsight(_denied(lines), self._proven(lines))
        return replace(self.record.facts(self.round), hindsight=hindsight)

    def _decide(self, facts: Facts, manifest: Manifest | None) -> Closed | Failed:
        rule = self._rule(facts.terms, manifest)
        utility = self._utility(facts.terms, manifest)
        return decide(facts, rule, utility, self.record.read)

    def _proven(self, lines: Sequence[Line]) -> dict[Submission, bytes]:
        """Recorded weights digests that the commitments of receipts prove, though the updates may be gone."""
        recorded = [(_submission(line), bytes.fromhex(line.weights)) for line in lines if line.weights]
        return {one: digest for one, digest in recorded if self._committed(one, digest)}

    def _committed(self, submission: Submission, digest: bytes) -> bool:
        try:
            receipt = Receipt.decode(self.record.document(submission.receipt))
        except FedledgerError:
            return False
        committed = sealing.commitment(submission.trainer, bytes.fromhex(receipt.key), digest)
        return committed.hex() == receipt.commitment and self._own(receipt, submission)

    def _own(self, receipt: Receipt, submission: Submission) -> bool:
        ledger = self.record.ledger
        here = (ledger.chain_id, ledger.contract, self.record.task, self.round.number, submission.trainer)
        return here == (receipt.chain_id, receipt.contract, receipt.task, receipt.round, receipt.trainer)

    def _fate(self, facts: Facts, place: int) -> Fate:
        """What has become of the content of the submission at `place`."""
        troubles: list[BlobUnavailable] = []

        def read(cid: Cid, limit: int) -> bytes:
            try:
                return self.record.read(cid, limit)
            except BlobUnavailable as error:
                troubles.append(error)
                raise

        before = examine(facts.submissions[:place], facts.yardstick, self.record.read, facts.hindsight)
        seen = digests(before, facts.hindsight)
        allowed = possible(facts.submissions[place], facts.yardstick, read, seen)
        damaged = any(isinstance(error, BlobDamaged) for error in troubles)
        return Fate(damaged, " ".join(error.message for error in troubles), allowed)

    def _rule(self, terms: Terms, manifest: Manifest | None) -> Rule:
        try:
            return self.tools.rule(terms)
        except UsageError as error:
            if manifest is None:
                raise
            self.findings.unchecked(Kind.AGGREGATES, f"the aggregate: {error.message}")
            arrays = weights.decode(
                self.record.blob(manifest.weights, self.record.sizes.weights), terms.order
            )
            return recorded_rule(manifest, arrays, self._blob(manifest.state))

    def _blob(self, reference: Reference | None) -> bytes | None:
        return self.record.blob(reference) if reference else None

    def _utility(self, terms: Terms, manifest: Manifest | None) -> Utility:
        own = self._own_utility(terms)
        if manifest is None or manifest.utilities is None:
            return own or (lambda _mask, _arrays: 0)
        try:
            table = scoring.decode_table(self.record.blob(manifest.utilities, self.record.sizes.utilities))
        except FedledgerError as error:
            self.findings.mismatch(f"utilities: {error.message}")
            table = {}
        return RecordedUtility(terms, table, own, self.findings)

    def _own_utility(self, terms: Terms) -> Utility | None:
        validation = terms.scoring.validation
        try:
            return self.tools.utility(terms, self._blob(validation))
        except UsageError as error:
            if agreement.needs_utilities(terms):
                self.findings.unchecked(Kind.UTILITIES, f"utilities: {error.message}")
            return None


def _denied(lines: Sequence[Line]) -> frozenset[int]:
    """An `unavailable` is the aggregator's word: it stays so in a replay, and is judged on its own."""
    return frozenset(place for place, line in enumerate(lines) if line.verdict is Verdict.UNAVAILABLE)


def _submission(line: Line) -> Submission:
    return Submission(Address(line.trainer), bytes.fromhex(line.receipt))
