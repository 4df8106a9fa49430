"""Money and reputation, worked out again from events: what each settlement must have paid and rated."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.findings import Findings
from aggregator.record import Record
from fl.ledger.types import (
    FULL_QUALITY,
    INITIAL_REPUTATION,
    UNRATED,
    Address,
    Defunded,
    Entry,
    Event,
    Funded,
    MemberEvent,
    Replaced,
    RoundSettled,
    Stage,
    Withdrawn,
)

TRIES = 3


def rate(reputation: int, quality: int) -> int:
    """Reputation after one settled round: r − ⌊r/8⌋ + ⌊quality/8⌋; unavailable counts as 0."""
    if quality == UNRATED:
        return reputation
    return reputation - reputation // 8 + (FULL_QUALITY // 8 if quality == FULL_QUALITY else 0)


def payments(reward: int, entries: tuple[Entry, ...]) -> list[int]:
    """What each entry earns of a round's reward: ⌊reward · share / Σ share⌋, nothing when all are 0."""
    total = sum(entry.share for entry in entries)
    return [reward * entry.share // total if total else 0 for entry in entries]


@dataclass(frozen=True)
class _Federation:
    """Every event that money and reputation follow from: those of each task, by number, and the members'."""

    tasks: dict[int, Record]
    members: tuple[MemberEvent, ...]

    @classmethod
    def read(cls, record: Record) -> _Federation:
        """Read the members and every task but the record's own, which it holds."""
        ledger = record.ledger
        others = set(range(1, ledger.task_count() + 1)) - {record.task}
        tasks = {task: Record(ledger, record.store, task) for task in others}
        return cls({**tasks, record.task: record}, ledger.member_history())

    def events(self) -> list[Event | MemberEvent]:
        """In chain order: a reputation and a balance span all tasks."""
        of_tasks = [event for record in self.tasks.values() for event in record.history]
        return sorted([*of_tasks, *self.members], key=lambda event: event.at)


class _Books:
    """Reputation and balance of every member, as settlements and withdrawals make them.

    `differences` has a sentence for everything that is not as it must be.
    """

    def __init__(self, federation: _Federation) -> None:
        self.tasks = federation.tasks
        self.reputation: dict[Address, int] = {}
        self.balance: dict[Address, int] = {}
        self.differences: list[str] = []
        for event in federation.events():
            if isinstance(event, RoundSettled):
                self._settle(self.tasks[event.task], event)
            elif isinstance(event, Withdrawn):
                self._pay(event.member, -event.amount)
            elif isinstance(event, Replaced):
                self.reputation[event.new] = self.reputation.get(event.old, INITIAL_REPUTATION)

    def expect(self, holds: bool, otherwise: str) -> None:
        """Note a difference unless `holds`."""
        if not holds:
            self.differences.append(otherwise)

    def _pay(self, trainer: Address, amount: int) -> None:
        self.balance[trainer] = self.balance.get(trainer, 0) + amount

    def _settle(self, record: Record, settled: RoundSettled) -> None:
        round_ = next((one for one in record.rounds if one.number == settled.round), None)
        if round_ is None or round_.closed is None:
            self.differences.append(f"round {settled.round} was settled, and never closed")
            return
        entries = round_.closed.entries
        expected = payments(record.created.params.reward, entries)
        self.expect(settled.paid == sum(expected), f"round {round_.number}: paid {settled.paid}")
        credited = len(settled.credits)
        self.expect(credited == len(entries), f"round {round_.number}: credits {credited} of {len(entries)}")
        for entry, amount, credit in zip(entries, expected, settled.credits, strict=False):
            self._pay(entry.trainer, amount)
            reputation = rate(self.reputation.get(entry.trainer, INITIAL_REPUTATION), entry.quality)
            self.reputation[entry.trainer] = reputation
            self.expect(
                (credit.amount, credit.reputation) == (amount, reputation),
                f"round {round_.number}, {entry.trainer}: credited {credit.amount} and rated "
                f"{credit.reputation}, found {amount} and {reputation}",
            )


def check(record: Record, findings: Findings) -> None:
    """Hold settlements, balances, reputations and the pool against the events that made them.

    Events come first and the contract's state after them, so a federation that goes on meanwhile seems to
    differ: as long as there are new events, and at most TRIES times, everything is worked out again.
    """
    federation = _Federation.read(record)
    for _ in range(TRIES):
        differences = _differences(record.task, federation)
        if not differences:
            return
        before = federation.events()
        federation = _Federation.read(Record(record.ledger, record.store, record.task))
        if federation.events() == before:
            break
    for difference in differences:
        findings.mismatch(difference)


def _differences(task: int, federation: _Federation) -> list[str]:
    books, record = _Books(federation), federation.tasks[task]
    for member in sorted(books.reputation):
        held = record.ledger.member(member)
        balance, reputation = books.balance.get(member, 0), books.reputation[member]
        books.expect(held.balance == balance, f"{member}: balance {held.balance}, found {balance}")
        books.expect(
            held.reputation == reputation, f"{member}: reputation {held.reputation}, found {reputation}"
        )
    books.expect(*_pool(record))
    return books.differences


def _pool(record: Record) -> tuple[bool, str]:
    """Funded − paid − reserved for open and pending rounds − defunded."""
    task = record.ledger.task(record.task)
    funded = sum(event.amount for event in record.history if isinstance(event, Funded))
    defunded = sum(event.amount for event in record.history if isinstance(event, Defunded))
    paid = sum(round_.settled.paid for round_ in record.rounds if round_.settled)
    waiting = sum(round_.stage in (Stage.NONE, Stage.PENDING) for round_ in record.rounds)
    pool = funded - defunded - paid - waiting * task.reward
    return task.pool == pool, f"pool: the contract holds {task.pool}, events give {pool}"
