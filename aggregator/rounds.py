"""Drives a task's rounds over chain and store: open, collect, decide, close or fail, settle.

It keeps no state: everything is read from chain and store, so it can be killed between any two steps and
started again elsewhere, and every step done twice is harmless. What is decided rests on what the chain has
confirmed; time, and what is sent, on what a transaction sent now would see.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from aggregator import announcing
from aggregator.deliberation import Content, Deliberation
from aggregator.reading import Source
from aggregator.recent import Recent
from aggregator.record import Record, Round
from aggregator.spool import Spool
from aggregator.types import Closed, Failed, Rule, Utility
from fl import agreement
from fl.canonical import Setting
from fl.documents import Announcement, Line, Manifest, Terms
from fl.errors import DocumentError, LedgerUnavailable, Refused, StoreError, StoreUnavailable
from fl.ledger.port import Ledger
from fl.ledger.types import Result, RoundClosed, Stage, Task
from fl.own import Fault
from fl.store.port import BlobStore, put_bytes
from fl.waiting import Wait

CONFIRMING = 1800
"""Seconds within which what is on the chain gets its confirmations, or the chain stands still."""

_log = logging.getLogger("fedledger.aggregator")


@dataclass(frozen=True)
class RoundEnd:
    """How a round ended. `lines` has every submission's verdict; `manifest` only a closed round.

    `fault` is what the rule raised, where the round failed by it.
    """

    round: int
    closed: bool
    reason: str
    lines: tuple[Line, ...]
    manifest: Manifest | None
    fault: Fault | None = None


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
        self._recent = Recent()

    def record(self) -> Record:
        """The task as chain and store have it now, without what is not confirmed."""
        return Record(self.ledger.confirmed(), self.store, self.task, self._recent)

    def terms(self) -> Terms:
        """The task's terms, which never change."""
        return self._terms

    @cached_property
    def _terms(self) -> Terms:
        return self.record().terms()

    def ended(self) -> int:
        """How many rounds have ended: closed, failed or void; an end is waited for until it is confirmed."""
        self._agreed()
        return sum(round_.ended for round_ in self.record().rounds)

    def seats(self) -> int:
        """How many trainers have a seat, over which is drawn; who just joined or left is waited for."""

        def agreed() -> bool:
            known, newest = (chain.task(self.task) for chain in (self.ledger.confirmed(), self.ledger))
            return known.joined == newest.joined

        self._await_confirmations(agreed)
        return self.ledger.confirmed().task(self.task).joined

    # --- confirmations

    def _agreed(self) -> Task:
        """The task, once no beginning or end of a round lacks confirmations.

        It does when a predecessor was killed in the middle, or when a reorg took something back.
        """

        def agreed() -> bool:
            known, newest = (chain.task(self.task) for chain in (self.ledger.confirmed(), self.ledger))
            return _phase(known) == _phase(newest)

        self._await_confirmations(agreed)
        return self.ledger.confirmed().task(self.task)

    def _catch_up(self) -> None:
        """Wait until everything that a transaction sent now would see is confirmed."""
        seen = self.ledger.now()
        self._await_confirmations(lambda: self.ledger.confirmed().now() >= seen)

    def _await_confirmations(self, done: Callable[[], bool]) -> None:
        """Raises LedgerUnavailable when it does not come to that."""
        if done():
            return
        self.wait(self.ledger.now() + CONFIRMING, done)
        if not done():
            message = f"Nothing was confirmed for {CONFIRMING} seconds."
            raise LedgerUnavailable(message, "Does the chain make blocks when nobody sends anything?")

    def _look_again(self, number: int) -> Round | None:
        """A round that could not be ended: voided, failed by an outsider, or None if a reorg took it back."""
        self._catch_up()
        return next((round_ for round_ in self.record().rounds if round_.number == number), None)

    # --- opening

    def open(self, settings: Mapping[str, Setting] | None = None, count: int | None = None) -> Announcement:
        """Open the next round, or return the announcement of the one that is open.

        It asks as many trainers as `count` says, drawn by `aggregator.draw`, or all that have a seat (None).
        Raises UsageError, before anything is opened, for settings that the terms do not allow (sites would
        refuse them) and for fewer trainers than the quorum or more than there are.

        A round whose announcement cannot be had, or is of another round, was opened by another aggregator:
        it is failed when it is over. The opening is confirmed when this returns.
        """
        task = self._agreed()
        if task.open and (found := self._announced(task)):
            return found
        record = self.record()
        task = record.ledger.task(self.task)
        announcement = self._announcement(record, task, settings or {}, count)
        put_bytes(self.store, announcement.encode())
        try:
            self.ledger.open_round(self.task, announcement.round, task.weights, announcement.id)
        except Refused:
            self._catch_up()
            if _phase(self._agreed()) == _phase(task):
                raise
            return self.open(settings, count)  # another aggregator opened it
        return announcement

    def _announced(self, task: Task) -> Announcement | None:
        """The open round's announcement; waits until the round is over before it gives up and fails it."""
        if isinstance(self._readable(task), str):
            self._await_end(task)
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

    def _give_up(self, number: int, reason: str) -> None:
        try:
            self.ledger.fail_round(self.task, number, _reason(reason))
        except Refused:
            found = self._look_again(number)
            if found and not found.ended:
                raise

    def _announcement(
        self, record: Record, task: Task, settings: Mapping[str, Setting], count: int | None
    ) -> Announcement:
        """What the next round asks for, and whom."""
        base = record.heritage().weights
        if base is None or base.sha256 != task.weights.hex():
            raise StoreError(
                f"No document names the weights {task.weights.hex()} that the contract holds.",
                "Were they reset to weights that no earlier round produced?",
            )
        invited, drawn_at = announcing.invitation(record, task.round + 1, count)
        return Announcement(
            chain_id=self.ledger.chain_id,
            contract=self.ledger.contract,
            task=self.task,
            round=task.round + 1,
            base=base,
            settings=announcing.allowed(settings, record.terms(), task.round + 1),
            invited=invited,
            drawn_at=drawn_at,
        )

    # --- ending

    def over(self) -> bool:
        """Whether no further submission can count: the round is sealed, or has ended without us."""
        chain = self.ledger.confirmed()
        task = chain.task(self.task)
        return task.sealed(chain.now()) if task.open else not self.ledger.task(self.task).open

    def await_end(self) -> None:
        """Wait until the open round is over, and that is confirmed."""
        self._await_end(self.ledger.task(self.task))

    def _await_end(self, task: Task) -> None:
        self.wait(task.deadline + 1, self.over)
        if not self.over():  # the deadline's own confirmations
            self.wait(task.close_by(), self.over)

    def finish(self, remind: Callable[[], None] = lambda: None) -> RoundEnd:
        """Wait for the seal, then decide the open round and close or fail it.

        While content is missing, `remind` is called now and then, for sites to publish what is due.
        The end is confirmed when this returns.
        """
        self.await_end()
        record = self.record()
        task = record.ledger.task(self.task)  # sealing moved the deadline
        if not task.open:
            return _ended_by_others(task.round)
        return self._end(record.round(task.round), task, remind) or self.finish(remind)

    def _end(self, round_: Round, task: Task, remind: Callable[[], None]) -> RoundEnd | None:
        """Decide a sealed round and end it; None when a reorg changed what it was decided from."""
        with Spool() as spool:
            decision, content = self._deliberation(remind).on(round_, task, spool)
            try:
                if isinstance(decision, Failed):
                    return self._fail(round_, decision, decision.reason)
                return self._close(round_, task, decision, content)
            except Refused:
                found = self._look_again(round_.number)
                if found == round_:
                    raise
        if found and not found.ended:
            return None
        return _ended_by_others(round_.number, lines_of(decision))

    def _deliberation(self, remind: Callable[[], None]) -> Deliberation:
        return Deliberation(self.record, self.ledger.now, self.wait, self.rule, self.utility, remind)

    def _close(self, round_: Round, task: Task, decision: Closed, content: Content) -> RoundEnd:
        """Store what the round is closed with, then close it; fail it when it is too late for that.

        What was read is kept, which pins it on an IPFS node: a refused site could take back the receipt that
        proves its refusal, and any site what was accepted. Before the close, unless it is late: whoever is
        killed right after it would keep nothing.
        """
        manifest = decision.manifest
        made = (decision.weights, decision.state, decision.utilities, manifest.encode())
        due: list[Callable[[], object]] = [partial(self._put, receipt) for receipt in content.receipts]
        due += [partial(put_bytes, self.store, data) for data in made if data is not None]
        if not self._stored(due, task.close_by()) or self.ledger.now() > task.close_by():
            return self._fail(round_, decision, "close_window_missed")
        early = self.ledger.now() <= task.deadline + task.close_window // 2
        accepted = [partial(self._keep, one) for one in content.accepted]
        kept = early and self._stored(accepted, self.ledger.now())
        result = Result(
            announcement=round_.opened.announcement,
            weights=bytes.fromhex(manifest.weights.sha256),
            manifest=manifest.id,
            entries=decision.entries,
            receipts=tuple(event.receipt for event in round_.submissions),
        )
        try:
            self.ledger.close_round(self.task, round_.number, result)
        except Refused as refused:
            if refused.name != "Late":  # mined too late, or taken back by a reorg until it was
                raise
            return self._fail(round_, decision, "close_window_missed")
        if not kept:  # `fl store collect` makes up for what fails now
            self._stored(accepted, self.ledger.now())
        self._recent.put(manifest.weights, decision.weights)
        return RoundEnd(round_.number, True, "", manifest.submissions, manifest)

    def _put(self, content: Source) -> None:
        with content.open() as stream:
            self.store.put(stream)

    def _keep(self, content: Source) -> None:
        """Have the store keep what was read from it; what it has lost meanwhile is put again."""
        try:
            self.store.keep(content.cid)
        except StoreError:
            self._put(content)

    def _stored(self, steps: Iterable[Callable[[], object]], until: int) -> bool:
        """Store one after another, again and again while the store refuses; whether it has them all."""
        left = list(steps)

        def stored() -> bool:
            try:
                while left:
                    left[0]()
                    del left[0]
            except (StoreError, StoreUnavailable) as error:
                _log.warning("not stored yet: %s", error.message)
            return not left

        self.wait(until, stored)
        return not left

    def _fail(self, round_: Round, decision: Closed | Failed, reason: str) -> RoundEnd:
        self.ledger.fail_round(self.task, round_.number, _reason(reason))
        fault = decision.fault if isinstance(decision, Failed) else None
        return RoundEnd(round_.number, False, reason, lines_of(decision), None, fault)

    # --- settling

    def pending(self) -> tuple[Round, ...]:
        """Closed rounds that are not settled yet."""
        return tuple(round_ for round_ in self.record().rounds if round_.stage is Stage.PENDING)

    def settle_due(self) -> None:
        """Settle every closed round whose delay has passed."""
        for closed in self._unsettled():
            self._settle_if_due(closed)

    def _unsettled(self) -> tuple[RoundClosed, ...]:
        return tuple(round_.closed for round_ in self.pending() if round_.closed)

    def _settle_if_due(self, closed: RoundClosed) -> None:
        if self.ledger.now() < closed.settle_after:
            return
        try:
            self.ledger.settle_round(self.task, closed.round, closed.settle_after, closed.entries)
        except Refused as refused:
            if refused.name != "NotPending":  # anyone may have settled it meanwhile, or the owner voided it
                raise

    def settle_all(self) -> None:
        """Wait for every pending round's delay and settle it."""
        for closed in self._unsettled():
            self.wait(closed.settle_after, lambda: False)
            self._settle_if_due(closed)


def _phase(task: Task) -> tuple[int, bool, bytes]:
    """What beginnings and ends of rounds change."""
    return task.round, task.open, task.weights


def _ended_by_others(number: int, lines: tuple[Line, ...] = ()) -> RoundEnd:
    return RoundEnd(number, False, "ended_by_others", lines, None)


def _reason(text: str) -> bytes:
    """A reason as the contract takes it: ASCII, 32 bytes."""
    return text.encode("ascii").ljust(32, b"\0")


def lines_of(decision: Closed | Failed) -> tuple[Line, ...]:
    """Every submission with its verdict, whichever way the round went."""
    return decision.manifest.submissions if isinstance(decision, Closed) else decision.lines
