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
    Funded,
    Replaced,
    RoundSettled,
    Stage,
    Withdrawn,
)


def rate(reputation: int, quality: int) -> int:
    """Reputation after one settled round: r − ⌊r/8⌋ + ⌊quality/8⌋; unavailable counts as 0."""
    if quality == UNRATED:
        return reputation
    return reputation - reputation // 8 + (FULL_QUALITY // 8 if quality == FULL_QUALITY else 0)


def payments(reward: int, entries: tuple[Entry, ...]) -> list[int]:
    """What each entry earns of a round's reward: ⌊reward · share / Σ share⌋, nothing when all are 0."""
    total = sum(entry.share for entry in entries)
    return [reward * entry.share // total if total else 0 for entry in entries]


@dataclass
class _Books:
    """Reputation and balance of every member, as settlements and withdrawals make them."""

    reputation: dict[Address, int]
    balance: dict[Address, int]

    def rated(self, trainer: Address, quality: int) -> int:
        self.reputation[trainer] = rate(self.reputation.get(trainer, INITIAL_REPUTATION), quality)
        return self.reputation[trainer]

    def paid(self, trainer: Address, amount: int) -> None:
        self.balance[trainer] = self.balance.get(trainer, 0) + amount


def check(record: Record, findings: Findings) -> None:
    """Hold settlements, balances, reputations and the pool against the events that made them."""
    books = _Books({}, {})
    _walk(record, books, findings)
    for member in sorted(books.reputation):
        held = record.ledger.member(member)
        balance, reputation = books.balance.get(member, 0), books.reputation[member]
        findings.expect(held.balance == balance, f"{member}: balance {held.balance}, found {balance}")
        findings.expect(
            held.reputation == reputation, f"{member}: reputation {held.reputation}, found {reputation}"
        )
    _pool(record, findings)


def _walk(record: Record, books: _Books, findings: Findings) -> None:
    """Follow the federation's events in chain order: a reputation and a balance span all tasks."""
    ledger = record.ledger
    records = {
        task: record if task == record.task else Record(ledger, record.store, task)
        for task in range(1, ledger.task_count() + 1)
    }
    events = [event for one in records.values() for event in one.history] + list(ledger.member_history())
    for event in sorted(events, key=lambda event: event.at):
        if isinstance(event, RoundSettled):
            _settlement(records[event.task], event, books, findings)
        elif isinstance(event, Withdrawn):
            books.paid(event.member, -event.amount)
        elif isinstance(event, Replaced):
            books.reputation[event.new] = books.reputation.get(event.old, INITIAL_REPUTATION)


def _settlement(record: Record, settled: RoundSettled, books: _Books, findings: Findings) -> None:
    round_ = next((one for one in record.rounds if one.number == settled.round), None)
    if round_ is None or round_.closed is None:
        findings.mismatch(f"round {settled.round} was settled, and never closed")
        return
    entries = round_.closed.entries
    expected = payments(record.created.params.reward, entries)
    findings.expect(settled.paid == sum(expected), f"round {round_.number}: paid {settled.paid}")
    credited = len(settled.credits)
    findings.expect(credited == len(entries), f"round {round_.number}: credits {credited} of {len(entries)}")
    for entry, amount, credit in zip(entries, expected, settled.credits, strict=False):
        books.paid(entry.trainer, amount)
        reputation = books.rated(entry.trainer, entry.quality)
        findings.expect(
            (credit.amount, credit.reputation) == (amount, reputation),
            f"round {round_.number}, {entry.trainer}: credited {credit.amount} and rated "
            f"{credit.reputation}, found {amount} and {reputation}",
        )


def _pool(record: Record, findings: Findings) -> None:
    """Funded − paid − reserved for open and pending rounds − defunded."""
    task = record.ledger.task(record.task)
    funded = sum(event.amount for event in record.history if isinstance(event, Funded))
    defunded = sum(event.amount for event in record.history if isinstance(event, Defunded))
    paid = sum(round_.settled.paid for round_ in record.rounds if round_.settled)
    waiting = sum(round_.stage in (Stage.NONE, Stage.PENDING) for round_ in record.rounds)
    pool = funded - defunded - paid - waiting * task.reward
    findings.expect(task.pool == pool, f"pool: the contract holds {task.pool}, events give {pool}")
