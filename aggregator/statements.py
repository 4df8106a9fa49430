"""What a task's record says in lines that people read: tasks, rounds, updates, payments, balances."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest

from eth_utils.address import is_address, to_checksum_address

from aggregator.record import Record, Round
from fl import members
from fl.documents import Line
from fl.errors import DocumentError, StoreError, UsageError
from fl.ledger.types import (
    FULL_QUALITY,
    UNAVAILABLE,
    UNRATED,
    Address,
    Entry,
    Stage,
    Withdrawn,
)

# --- tasks and rounds


@dataclass(frozen=True)
class TaskLine:
    """A task as it stands; money in the token's smallest unit."""

    task: int
    state: str
    rounds: int
    seats: int
    quorum: int
    reward: int
    pool: int


@dataclass(frozen=True)
class SubmissionLine:
    """One update: who, what became of it, and why. `share` is a part of the round's whole."""

    trainer: Address
    name: str
    verdict: str
    examples: int | None
    share: float
    quality: str
    gas: int


@dataclass(frozen=True)
class RoundLine:
    """One round; `paid` is None until it is settled, `gas` the sum of all its calls."""

    round: int
    state: str
    reason: str
    weights: str
    paid: int | None
    gas: int
    submissions: tuple[SubmissionLine, ...]


def tasks(record: Record) -> list[TaskLine]:
    """Every task of the federation."""
    return [_task(record, number) for number in range(1, record.ledger.task_count() + 1)]


def _task(record: Record, number: int) -> TaskLine:
    task = record.ledger.task(number)
    state = "ended" if task.ended else "round open" if task.open else "idle"
    return TaskLine(number, state, task.round, task.joined, task.quorum, task.reward, task.pool)


def rounds(record: Record) -> list[RoundLine]:
    """Every round of the task, oldest first."""
    names = member_names(record)
    return [_round(record, round_, names) for round_ in record.rounds]


def _round(record: Record, round_: Round, names: dict[Address, str]) -> RoundLine:
    ended = round_.voided or round_.failed
    return RoundLine(
        round=round_.number,
        state="open" if round_.stage is Stage.NONE else round_.stage.value,
        reason=ended.reason.rstrip(b"\0").decode("ascii", "replace") if ended else "",
        weights=round_.closed.weights.hex() if round_.closed else "",
        paid=round_.settled.paid if round_.settled else None,
        gas=round_gas(record, round_),
        submissions=_submissions(record, round_, names),
    )


def round_gas(record: Record, round_: Round) -> int:
    """Gas of every call that the round took, intrinsic gas included."""
    events = (round_.opened, *round_.submissions, round_.closed, round_.settled, round_.voided, round_.failed)
    transactions = {event.at.transaction for event in events if event}
    return sum(map(record.ledger.gas, transactions))


def _submissions(record: Record, round_: Round, names: dict[Address, str]) -> tuple[SubmissionLine, ...]:
    lines, entries, whole = _lines(record, round_), _entries(round_), _whole(round_)
    found = []
    for event in round_.submissions:
        line, entry = lines.get(event.trainer), entries.get(event.trainer)
        found.append(
            SubmissionLine(
                trainer=event.trainer,
                name=names.get(event.trainer, event.trainer),
                verdict=line.verdict if line else "",
                examples=line.examples if line else None,
                share=entry.share / whole if entry else 0.0,
                quality=_quality(entry.quality) if entry else "",
                gas=record.ledger.gas(event.at.transaction),
            )
        )
    return tuple(found)


def _quality(quality: int) -> str:
    words = {FULL_QUALITY: "full", UNAVAILABLE: "unavailable", UNRATED: "unrated"}
    return words.get(quality, str(quality))


def _lines(record: Record, round_: Round) -> dict[Address, Line]:
    """The manifest's lines by trainer; none where there is no manifest, or nobody can fetch it.

    A trainer submits once a round. Receipts name nobody: one can be copied from the chain.
    """
    if not round_.closed:
        return {}
    try:
        return {Address(line.trainer): line for line in record.manifest(round_).submissions}
    except (StoreError, DocumentError):
        return {}


def _entries(round_: Round) -> dict[Address, Entry]:
    """What the contract was told of each trainer."""
    return {entry.trainer: entry for entry in round_.closed.entries} if round_.closed else {}


def _whole(round_: Round) -> int:
    return sum(entry.share for entry in _entries(round_).values()) or 1


# --- rewards


@dataclass(frozen=True)
class PaymentLine:
    """What one round meant for one trainer; amount and reputation are None until it is settled.

    `verdict` is empty where nobody can fetch the manifest.
    """

    verdict: str
    share: float
    amount: int | None
    reputation: int | None


@dataclass(frozen=True)
class Payment:
    """One closed round, by trainer."""

    round: int
    lines: dict[Address, PaymentLine]


@dataclass(frozen=True)
class AccountLine:
    """A member's money, in the token's smallest unit, over all tasks."""

    member: Address
    name: str
    payee: Address
    earned: int
    withdrawn: int
    balance: int
    reputation: int


@dataclass(frozen=True)
class Rewards:
    """Who earned what, and by which rule."""

    why: str
    names: dict[Address, str]
    rounds: tuple[Payment, ...]
    accounts: tuple[AccountLine, ...] = field(default=())


_WHY = {
    "shapley": "share: Shapley value of the update for {measured}; an estimate of it in rounds that accepted "
    "more than {exact} updates",
    "gtg": "share: an estimate (GTG-Shapley) of the update's Shapley value for {measured}",
    "leave_one_out": "share: what all updates together lose in {measured} without this one",
    "equal": "share: equal among accepted updates",
    "examples": "share: by number of examples",
}


def rewards(record: Record) -> Rewards:
    """What the task's rounds paid, and what its trainers hold."""
    scoring = record.terms().scoring
    trainers = sorted({event.trainer for round_ in record.rounds for event in round_.submissions})
    names = member_names(record)
    shown = dict(sorted(((one, names.get(one, one)) for one in trainers), key=lambda pair: pair[1]))
    payments = tuple(_payment(record, round_) for round_ in record.rounds if round_.closed)
    accounts = tuple(_account(record, member, name) for member, name in shown.items())
    why = _WHY[scoring.rule].format(
        measured=f"{scoring.utility.replace('_', ' ')} on the public validation set",
        exact=scoring.budget.bit_length() - 1,  # all coalitions of so many fit
    )
    return Rewards(why, shown, payments, accounts)


def _payment(record: Record, round_: Round) -> Payment:
    lines, whole = _lines(record, round_), _whole(round_)
    credits = round_.settled.credits if round_.settled else ()
    found = {}
    for (trainer, entry), credit in zip_longest(_entries(round_).items(), credits):
        verdict = lines[trainer].verdict if trainer in lines else ""
        amount, reputation = (credit.amount, credit.reputation) if credit else (None, None)
        found[trainer] = PaymentLine(verdict, entry.share / whole, amount, reputation)
    return Payment(round_.number, found)


def _account(record: Record, member: Address, name: str) -> AccountLine:
    ledger = record.ledger
    held = ledger.member(member)
    withdrawn = sum(
        event.amount
        for event in ledger.member_history()
        if isinstance(event, Withdrawn) and event.member == member
    )
    return AccountLine(
        member, name, ledger.payee(member), held.balance + withdrawn, withdrawn, held.balance, held.reputation
    )


def member_names(record: Record) -> dict[Address, str]:
    """What everybody who ever was a member calls itself; its address where the profile cannot be had."""
    return members.names(record.ledger, record)


# --- withdrawing


@dataclass(frozen=True)
class Payout:
    """What one withdrawal sent."""

    member: Address
    name: str
    payee: Address
    amount: int


def withdraw(record: Record, who: str | None) -> list[Payout]:
    """Send the balance of one member (address or name), or of everybody, to the payees.

    Members that were removed or replaced keep what they earned. Raises UsageError for nobody of that name,
    or when there is nothing to pay.
    """
    names = member_names(record)
    sought = to_checksum_address(who) if who and is_address(who) else who
    chosen = [member for member, name in names.items() if sought in (None, member, name)]
    if not chosen:
        known = ", ".join(sorted(names.values()))
        raise UsageError(f"There is no member {who!r}.", f"There are: {known}.")
    paid = [_withdraw(record, member, names[member]) for member in chosen if _balance(record, member)]
    if not paid:
        raise UsageError("There is nothing to withdraw.", "A round pays once it is settled.")
    return paid


def _balance(record: Record, member: Address) -> int:
    return record.ledger.member(member).balance


def _withdraw(record: Record, member: Address, name: str) -> Payout:
    amount, payee = _balance(record, member), record.ledger.payee(member)
    record.ledger.withdraw(member)
    return Payout(member, name, payee, amount)
