"""Drives a task's rounds over chain and store: open, collect, decide, close or fail, settle.

It keeps no state: everything is read from chain and store, so it can be killed between any two steps and
started again elsewhere, and every step done twice is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from aggregator.decision import decide
from aggregator.record import Record, Round
from aggregator.types import Closed, Failed, Rule, Utility
from fl.canonical import Setting, encode_settings
from fl.documents import Announcement, Line, Manifest, Terms
from fl.errors import BlobUnavailable, DocumentError, Refused, StoreError
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

        A round whose announcement cannot be had, from another aggregator perhaps, is failed when it is over.
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
        if self._readable(task) is None:
            self.wait(task.deadline + 1, self.sealed)
        found = self._readable(task)
        if found is None:
            self.ledger.fail_round(self.task, task.round, _reason("no_announcement"))
        return found

    def _readable(self, task: Task) -> Announcement | None:
        record = self.record()
        try:
            return record.announcement(record.round(task.round))
        except (StoreError, DocumentError):
            return None

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
        decision = self._collect(round_, task)
        try:
            if isinstance(decision, Closed) and self.ledger.now() <= task.close_by():
                return self._close(round_, decision)
            return self._fail(round_, decision)
        except Refused:
            if self.record().round(round_.number).ended:  # voided, or failed by an outsider, meanwhile
                return RoundEnd(round_.number, False, "ended_by_others", lines_of(decision), None)
            raise

    def _collect(self, round_: Round, task: Task) -> Closed | Failed:
        """Decide once everything is served, at the latest after three quarters of the close window."""
        early = task.close_window // 2  # until then the contract takes no `unavailable`
        patience = task.deadline + max(task.close_window * 3 // 4, early + 1)
        while True:
            record, missing = self.record(), set[_Blob]()
            read = partial(_read_or_note, record, missing)
            decision = decide(record.facts(round_), self.rule, self.utility, read)
            if not missing or self.ledger.now() >= patience:
                return decision
            self.wait(patience, partial(self._served, missing))

    def _served(self, missing: set[_Blob]) -> bool:
        """Whether everything that was missing is there by now, whatever it is."""
        record = self.record()  # a receipt may have been revealed on the chain
        return all(_there(record, *blob) for blob in missing)

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


_Blob = tuple[Cid, int]  # and how many bytes of it are read at most


def _read_or_note(record: Record, missing: set[_Blob], cid: Cid, limit: int) -> bytes:
    try:
        return record.read(cid, limit)
    except BlobUnavailable:
        missing.add((cid, limit))
        raise


def _there(record: Record, cid: Cid, limit: int) -> bool:
    try:
        record.read(cid, limit)
    except BlobUnavailable:
        return False
    except StoreError:  # not what it should be: a verdict, and no reason to wait
        return True
    return True
