"""Money and reputation, worked out again from events: what each settlement must have paid and rated."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.record import Record
from aggregator.verifying.findings import Findings
from fl.ledger.types import (
    FULL_QUALITY,
    INITIAL_REPUTATION,
    UNRATED,
    Address,
    Admitted,
    Defunded,
    Entry,
    Event,
    Funded,
    MemberEvent,
    PayeeSet,
    Removed,
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
    """What every member holds and is, as settlements, withdrawals and the members' own events make it.

    `differences` has a sentence for everything that is not as it must be.
    """

    def __init__(self, federation: _Federation) -> None:
        self.tasks = federation.tasks
        self.reputation: dict[Address, int] = {}
        self.balance: dict[Address, int] = {}
        self.admitted: set[Address] = set()
        self.payee: dict[Address, Address] = {}
        self.differences: list[str] = []
        for event in federation.events():
            if isinstance(event, RoundSettled):
                self._settle(event)
            elif isinstance(event, Withdrawn):
                self._pay(event.member, -event.amount)
            else:
                self._membership(event)

    def expect(self, holds: bool, otherwise: str) -> None:
        """Note a difference unless `holds`."""
        if not holds:
            self.differences.append(otherwise)

    def _membership(self, event: Event | MemberEvent) -> None:
        if isinstance(event, Admitted):
            self.reputation.setdefault(event.member, INITIAL_REPUTATION)
            self.admitted.add(event.member)
        elif isinstance(event, Removed):
            self.admitted.discard(event.member)
        elif isinstance(event, Replaced):
            self.reputation[event.new] = self.reputation.get(event.old, INITIAL_REPUTATION)
            self.admitted = self.admitted - {event.old} | {event.new}
        elif isinstance(event, PayeeSet):
            self.payee[event.member] = event.payee

    def _pay(self, trainer: Address, amount: int) -> None:
        self.balance[trainer] = self.balance.get(trainer, 0) + amount

    def _settle(self, settled: RoundSettled) -> None:
        record = self.tasks.get(settled.task)
        rounds = record.rounds if record else ()
        round_ = next((one for one in rounds if one.number == settled.round), None)
        name = f"task {settled.task}, round {settled.round}"
        if record is None or round_ is None or round_.closed is None:
            self.differences.append(f"{name} was settled, and never closed")
            return
        entries = round_.closed.entries
        amounts = payments(record.created.params.reward, entries)
        self.expect(settled.paid == sum(amounts), f"{name}: paid {settled.paid}, found {sum(amounts)}")
        credited = len(settled.credits)
        self.expect(credited == len(entries), f"{name}: credits {credited} of {len(entries)}")
        for entry, amount, credit in zip(entries, amounts, settled.credits, strict=False):
            self._pay(entry.trainer, amount)
            reputation = rate(self.reputation.get(entry.trainer, INITIAL_REPUTATION), entry.quality)
            self.reputation[entry.trainer] = reputation
            self.expect(
                (credit.amount, credit.reputation) == (amount, reputation),
                f"{name}, {entry.trainer}: credited {credit.amount} and rated {credit.reputation}, "
                f"found {amount} and {reputation}",
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
        for name, holds, found in (
            ("balance", held.balance, books.balance.get(member, 0)),
            ("reputation", held.reputation, books.reputation[member]),
            ("admitted", held.admitted, member in books.admitted),
            ("payee", record.ledger.payee(member), books.payee.get(member, member)),
        ):
            books.expect(holds == found, f"{member}: {name} {holds}, found {found}")
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
