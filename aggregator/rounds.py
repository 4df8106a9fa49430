"""Drives a task's rounds over chain and store: open, collect, decide, close or fail, settle.

It keeps no state: everything is read from chain and store, so it can be killed between any two steps and
started again elsewhere, and every step done twice is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aggregator.decision import Facts, decide
from aggregator.reading import PatientReader
from aggregator.record import Record, Round
from aggregator.types import Closed, Failed, Rule, Utility
from fl import agreement
from fl.canonical import MAX_DOCUMENT_BYTES, Setting, encode_settings
from fl.documents import Announcement, Line, Manifest, Terms
from fl.errors import DocumentError, Refused, StoreError, WeightsError
from fl.ledger.port import Ledger
from fl.ledger.types import Result, RoundClosed, Stage, Task
from fl.store.cid import Cid
from fl.store.port import BlobStore, put_bytes

Wait = Callable[[int, Callable[[], bool]], None]
"""(until, done): return once `done()` or once the chain's time has reached `until`."""


@dataclass(frozen=True)
class RoundEnd:
    """How a round ended. `lines` has every submission's verdict; `manifest` only a closed round."""

    round: int
    closed: bool
    reason: str
    lines: tuple[Line, ...]
    manifest: Manifest | None


class Rounds:
    """One task's rounds, driven by its aggregator."""

    def __init__(
        self,
        ledger: Ledger,
        store: BlobStore,
        task: int,
        rule: Rule,
        utility: Utility,
        wait: Wait,
    ) -> None:
        self.ledger = ledger
        self.store = store
        self.task = task
        self.rule = rule
        self.utility = utility
        self.wait = wait

    def record(self) -> Record:
        """The task as chain and store have it now."""
        return Record(self.ledger, self.store, self.task)

    def terms(self) -> Terms:
        """The task's terms."""
        return self.record().terms()

    def ended(self) -> int:
        """How many rounds have ended: closed, failed or void."""
        return sum(round_.ended for round_ in self.record().rounds)

    # --- opening

    def open(
        self, settings: Mapping[str, Setting] | None = None, invited: tuple[str, ...] | None = None
    ) -> Announcement:
        """Open the next round, or return the announcement of the one that is open.

        A round whose announcement cannot be had, or is of another round, was opened by another aggregator:
        it is failed when it is over.
        """
        task = self.ledger.task(self.task)
        if task.open and (found := self._announced(task)):
            return found
        record, task = self.record(), self.ledger.task(self.task)
        announcement = self._announcement(record, task, settings or {}, invited)
        put_bytes(self.store, announcement.encode())
        self.ledger.open_round(self.task, announcement.round, task.weights, announcement.id)
        return announcement

    def _announced(self, task: Task) -> Announcement | None:
        """The open round's announcement; waits until the round is over before it gives up and fails it."""
        if isinstance(self._readable(task), str):
            self.wait(task.deadline + 1, self._over)
        found = self._readable(task)
        if isinstance(found, str):
            self._give_up(task.round, found)
            return None
        return found

    def _readable(self, task: Task) -> Announcement | str:
        """The open round's announcement, or the reason why no site can follow it."""
        record, ledger = self.record(), self.ledger
        round_ = record.round(task.round)
        try:
            found = record.announcement(round_)
        except (StoreError, DocumentError):
            return "no_announcement"
        differences = agreement.announcement_and_opening(
            found, round_.opened, ledger.chain_id, ledger.contract
        )
        return "bad_announcement" if any(differences) else found

    def _over(self) -> bool:
        """Whether the open round is sealed, or has ended without us."""
        return self.sealed() or not self.ledger.task(self.task).open

    def _give_up(self, number: int, reason: str) -> None:
        try:
            self.ledger.fail_round(self.task, number, _reason(reason))
        except Refused:
            if not self.record().round(number).ended:  # voided, or failed by an outsider, meanwhile
                raise

    def _announcement(
        self, record: Record, task: Task, settings: Mapping[str, Setting], invited: tuple[str, ...] | None
    ) -> Announcement:
        base = record.heritage().weights
        if base is None or base.sha256 != task.weights.hex():
            raise StoreError(
                f"No document names the weights {task.weights.hex()} that the contract holds.",
                "Were they reset to weights that no earlier round produced?",
            )
        return Announcement(
            chain_id=self.ledger.chain_id,
            contract=self.ledger.contract,
            task=self.task,
            round=task.round + 1,
            base=base,
            settings=encode_settings(settings),
            invited=invited,
        )

    # --- ending

    def sealed(self) -> bool:
        """Whether no further submission can count in the open round."""
        return self.ledger.task(self.task).sealed(self.ledger.now())

    def finish(self) -> RoundEnd:
        """Wait for the seal, then decide the open round and close or fail it."""
        task = self.ledger.task(self.task)
        self.wait(task.deadline + 1, self.sealed)
        task = self.ledger.task(self.task)  # sealing moved the deadline
        round_ = self.record().round(task.round)
        decision = self._decide(round_, task)
        try:
            if isinstance(decision, Closed) and self.ledger.now() <= task.close_by():
                return self._close(round_, decision)
            return self._fail(round_, decision)
        except Refused:
            if self.record().round(round_.number).ended:  # voided, or failed by an outsider, meanwhile
                return RoundEnd(round_.number, False, "ended_by_others", lines_of(decision), None)
            raise

    def _decide(self, round_: Round, task: Task) -> Closed | Failed:
        """Decide with all the patience there is; a round that nobody could decide fails.

        So a predecessor that lost the base, or the last manifest, does not stop the task for good.
        """
        early = task.close_window // 2  # until then the contract takes no `unavailable`
        patience = task.deadline + max(task.close_window * 3 // 4, early + 1)
        try:
            return self._collect(round_, self._facts(round_, patience), patience, task.close_by())
        except (StoreError, DocumentError, WeightsError):
            return Failed("undecidable")

    def _collect(self, round_: Round, facts: Facts, patience: int, close_by: int) -> Closed | Failed:
        """Decide once everything is served, at the latest after three quarters of the close window."""
        reader = PatientReader(self.record, patience, close_by, len(round_.submissions))
        while True:
            decision = decide(facts, self.rule, self.utility, reader.read)
            if not reader.missing or self.ledger.now() >= patience:
                self._keep_receipts(round_, reader)
                return decision
            self.wait(patience, reader.retry)

    def _keep_receipts(self, round_: Round, reader: PatientReader) -> None:
        """Store again what was read: a refused site could take back the receipt that proves its refusal."""
        for event in round_.submissions:
            receipt = reader.kept(Cid.of_document(event.receipt), MAX_DOCUMENT_BYTES)
            if receipt is not None:
                put_bytes(self.store, receipt)

    def _facts(self, round_: Round, patience: int) -> Facts:
        """What the round is decided from; what is not served of it is waited for.

        Manifests of earlier rounds can be done without: then nobody notices what they would show replayed.
        """
        facts = self._complete(round_)
        if facts is None:
            self.wait(patience, lambda: self._complete(round_) is not None)
            facts = self.record().facts(round_)
        return facts

    def _complete(self, round_: Round) -> Facts | None:
        """What the round is decided from; None while some of it is not served."""
        record = self.record()
        try:
            facts = record.facts(round_)
        except StoreError:
            return None
        return None if record.heritage(round_.number).lost else facts

    def _close(self, round_: Round, decision: Closed) -> RoundEnd:
        manifest = decision.manifest
        for blob in (decision.weights, decision.state, decision.utilities, manifest.encode()):
            if blob is not None:
                put_bytes(self.store, blob)
        result = Result(
            announcement=round_.opened.announcement,
            weights=bytes.fromhex(manifest.weights.sha256),
            manifest=manifest.id,
            entries=decision.entries,
            receipts=tuple(event.receipt for event in round_.submissions),
        )
        self.ledger.close_round(self.task, round_.number, result)
        return RoundEnd(round_.number, True, "", manifest.submissions, manifest)

    def _fail(self, round_: Round, decision: Closed | Failed) -> RoundEnd:
        reason = decision.reason if isinstance(decision, Failed) else "close_window_missed"
        self.ledger.fail_round(self.task, round_.number, _reason(reason))
        return RoundEnd(round_.number, False, reason, lines_of(decision), None)

    # --- settling

    def pending(self) -> tuple[Round, ...]:
        """Closed rounds that are not settled yet."""
        return tuple(round_ for round_ in self.record().rounds if round_.stage is Stage.PENDING)

    def settle_due(self) -> None:
        """Settle every closed round whose delay has passed."""
        for round_ in self.pending():
            closed = round_.closed
            assert closed is not None, "a pending round is a closed one"
            if self.ledger.now() >= closed.settle_after:
                self._settle(round_.number, closed)

    def _settle(self, number: int, closed: RoundClosed) -> None:
        try:
            self.ledger.settle_round(self.task, number, closed.settle_after, closed.entries)
        except Refused as refused:
            if refused.name != "NotPending":  # anyone may have settled it meanwhile, or the owner voided it
                raise

    def settle_all(self) -> None:
        """Wait for every pending round's delay and settle it."""
        for round_ in self.pending():
            assert round_.closed is not None, "a pending round is a closed one"
            self.wait(round_.closed.settle_after, lambda: False)
            self.settle_due()


def _reason(text: str) -> bytes:
    """A reason as the contract takes it: ASCII, 32 bytes."""
    return text.encode("ascii").ljust(32, b"\0")


def lines_of(decision: Closed | Failed) -> tuple[Line, ...]:
    """Every submission with its verdict, whichever way the round went."""
    return decision.manifest.submissions if isinstance(decision, Closed) else decision.lines
