"""Decides a round once everything that it is decided from is served, or the patience for it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aggregator.decision import Facts, decide
from aggregator.reading import PatientReader, Source
from aggregator.record import Record, Round
from aggregator.spool import Spool
from aggregator.types import Closed, Failed, Rule, Utility
from fl.canonical import MAX_DOCUMENT_BYTES
from fl.documents import Receipt, Verdict
from fl.errors import DocumentError, StoreError, WeightsError
from fl.ledger.types import Task
from fl.store.cid import Cid
from fl.waiting import Wait

REMINDERS = 4
"""How often in a window sites are asked again: their nodes and stores may have been away."""


@dataclass(frozen=True)
class Content:
    """What was read of a round's submissions: every receipt; update and details of what was accepted."""

    receipts: tuple[Source, ...] = ()
    accepted: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Deliberation:
    """What it takes to decide a round: facts as `record` has them, `now` in the chain's seconds.

    While content is missing, `remind` is called now and then, for sites to publish what is due.
    """

    record: Callable[[], Record]
    now: Callable[[], int]
    wait: Wait
    rule: Rule
    utility: Utility
    remind: Callable[[], None]

    def on(self, round_: Round, task: Task, spool: Spool) -> tuple[Closed | Failed, Content]:
        """Decide a sealed round; also what was read for it, which can be had while the spool is open.

        A round that nobody could decide fails: so a predecessor that lost the base, or a manifest, does not
        stop the task for good.
        """
        early = task.close_window // 2  # until then the contract takes no `unavailable`
        patience = task.deadline + max(task.close_window * 3 // 4, early + 1)
        try:
            facts = self._facts(round_, patience)
            submissions = len(round_.submissions)
            reader = PatientReader(self.record, self.now, patience, task.close_by(), submissions, spool)
            decision = self._decide(facts, reader)
        except (StoreError, DocumentError, WeightsError):
            return Failed("undecidable"), Content()
        return decision, Content(tuple(_receipts(round_, reader)), tuple(_accepted(decision, reader)))

    def _facts(self, round_: Round, patience: int) -> Facts:
        """What the round is decided from; what is not served of it is waited for."""
        facts = self._complete(round_)
        if facts is None:
            self.wait(patience, lambda: self._complete(round_) is not None)
            facts = self.record().facts(round_)
        return facts

    def _complete(self, round_: Round) -> Facts | None:
        """What the round is decided from; None while some of it is not served."""
        try:
            return self.record().facts(round_)
        except StoreError:
            return None

    def _decide(self, facts: Facts, reader: PatientReader) -> Closed | Failed:
        """Decide once everything is served, at the latest when the reader's patience ends."""
        while True:
            with Spool() as aside:
                decision = decide(facts, self.rule, self.utility, reader.read, aside.put_arrays)
            if not reader.missing or self.now() >= reader.patience:
                return decision
            self._await_missing(reader)

    def _await_missing(self, reader: PatientReader) -> None:
        step = max(1, (reader.patience - self.now()) // REMINDERS)
        while reader.missing and (now := self.now()) < reader.patience:
            self.remind()
            self._await_step(min(now + step, reader.patience), reader)

    def _await_step(self, until: int, reader: PatientReader) -> None:
        """Look for reveals on the chain, more often towards the end: after each half of the time left."""
        while reader.missing and (now := self.now()) < until:
            reader.renew()
            self.wait(now + max(1, (until - now) // 2), reader.retry)


def _receipts(round_: Round, reader: PatientReader) -> Iterator[Source]:
    """The receipts of a round that were read."""
    for event in round_.submissions:
        receipt = reader.kept(Cid.of_document(event.receipt), MAX_DOCUMENT_BYTES)
        if receipt is not None:
            yield receipt


def _accepted(decision: Closed | Failed, reader: PatientReader) -> Iterator[Source]:
    """The updates and details that were accepted."""
    for line in decision.manifest.submissions if isinstance(decision, Closed) else ():
        if line.verdict is Verdict.ACCEPTED:
            receipt = reader.read(Cid.of_document(bytes.fromhex(line.receipt)), MAX_DOCUMENT_BYTES)
            said = Receipt.decode(receipt)
            contents = (reader.kept(one.parsed(), one.size) for one in (said.update, said.details))
            yield from (content for content in contents if content is not None)
