"""The contract's logs about tasks and members, as our events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from eth_abi.exceptions import DecodingError
from eth_utils.abi import event_abi_to_log_topic

from fl.errors import LedgerUnavailable
from fl.ledger.abi import FEDERATION, artifact, event_arguments, fields_of
from fl.ledger.answers import Log
from fl.ledger.types import (
    Address,
    Admitted,
    AggregatorSet,
    Credit,
    Defunded,
    Entry,
    Event,
    Funded,
    Joined,
    Left,
    MemberEvent,
    PayeeSet,
    Position,
    ReceiptRevealed,
    Removed,
    Replaced,
    RoundClosed,
    RoundFailed,
    RoundOpened,
    RoundSealed,
    RoundSettled,
    RoundVoided,
    TaskCreated,
    TaskEnded,
    TaskParams,
    UpdateSubmitted,
    WeightsReset,
    Withdrawn,
)

Arguments = Mapping[str, Any]


@lru_cache
def _topics_of_all() -> dict[bytes, str]:
    abi: Any = artifact(FEDERATION).abi
    return {event_abi_to_log_topic(item): item["name"] for item in abi if item["type"] == "event"}


def topics(names: Collection[str]) -> dict[bytes, str]:
    """The events of these names, by the first topic of their logs."""
    return {topic: name for topic, name in _topics_of_all().items() if name in names}


def task_event(name: str, log: Log, time: int) -> Event:
    """One log of a federation as the event of that name; `time` is its block's.

    Raises LedgerUnavailable for a log that no federation could have written.
    """
    with _written_by_a_federation(name, log):
        said = _arguments(name, log)
        return TASK_EVENTS[name](_position(log, time), said["task"], said)


def member_event(name: str, log: Log, time: int) -> MemberEvent:
    """As `task_event`, for an event about a member."""
    with _written_by_a_federation(name, log):
        return MEMBER_EVENTS[name](_position(log, time), _arguments(name, log))


def _arguments(name: str, log: Log) -> Arguments:
    return event_arguments(name, log.topics, log.data)


@contextmanager
def _written_by_a_federation(name: str, log: Log) -> Iterator[None]:
    try:
        yield
    except (DecodingError, OverflowError) as error:  # the second for an entry whose address is none
        place = f"log {log.log_index} of block {log.block}"
        raise LedgerUnavailable(f"The node gave a {name} that no federation writes, {place}.") from error


def _position(log: Log, time: int) -> Position:
    return Position(log.block, log.log_index, time, log.transaction)


# --- tasks


def _task_created(at: Position, task: int, said: Arguments) -> Event:
    return TaskCreated(at, task, TaskParams(**fields_of(said["params"])))


def _aggregator_set(at: Position, task: int, said: Arguments) -> Event:
    return AggregatorSet(at, task, Address(said["aggregator"]))


def _task_ended(at: Position, task: int, said: Arguments) -> Event:  # noqa: ARG001 - says nothing else
    return TaskEnded(at, task)


def _funded(at: Position, task: int, said: Arguments) -> Event:
    return Funded(at, task, Address(said["from"]), said["amount"])


def _defunded(at: Position, task: int, said: Arguments) -> Event:
    return Defunded(at, task, Address(said["to"]), said["amount"])


def _joined(at: Position, task: int, said: Arguments) -> Event:
    return Joined(at, task, Address(said["member"]), said["terms"], said["policy"], said["since"])


def _left(at: Position, task: int, said: Arguments) -> Event:
    return Left(at, task, Address(said["member"]), Address(said["by"]))


def _round_opened(at: Position, task: int, said: Arguments) -> Event:
    facts = (said["weights"], said["announcement"], said["deadline"], said["expected"])
    return RoundOpened(at, task, said["round"], *facts)


def _update_submitted(at: Position, task: int, said: Arguments) -> Event:
    return UpdateSubmitted(at, task, said["round"], Address(said["trainer"]), said["receipt"])


def _round_sealed(at: Position, task: int, said: Arguments) -> Event:
    return RoundSealed(at, task, said["round"])


def _receipt_revealed(at: Position, task: int, said: Arguments) -> Event:
    return ReceiptRevealed(at, task, said["round"], Address(said["trainer"]), said["receipt"])


def _round_closed(at: Position, task: int, said: Arguments) -> Event:
    entries = tuple(Entry.unpack(word) for word in said["entries"])
    facts = (said["weights"], said["manifest"], said["settleAfter"], entries)
    return RoundClosed(at, task, said["round"], *facts)


def _round_settled(at: Position, task: int, said: Arguments) -> Event:
    credits_ = tuple(Credit(word >> 16, word & 0xFFFF) for word in said["credits"])
    return RoundSettled(at, task, said["round"], said["paid"], credits_)


def _round_voided(at: Position, task: int, said: Arguments) -> Event:
    return RoundVoided(at, task, said["round"], said["reason"])


def _round_failed(at: Position, task: int, said: Arguments) -> Event:
    return RoundFailed(at, task, said["round"], said["reason"], Address(said["by"]))


def _weights_reset(at: Position, task: int, said: Arguments) -> Event:
    return WeightsReset(at, task, said["weights"], said["reason"])


TASK_EVENTS: dict[str, Callable[[Position, int, Arguments], Event]] = {
    "TaskCreated": _task_created,
    "AggregatorSet": _aggregator_set,
    "TaskEnded": _task_ended,
    "Funded": _funded,
    "Defunded": _defunded,
    "Joined": _joined,
    "Left": _left,
    "RoundOpened": _round_opened,
    "UpdateSubmitted": _update_submitted,
    "RoundSealed": _round_sealed,
    "ReceiptRevealed": _receipt_revealed,
    "RoundClosed": _round_closed,
    "RoundSettled": _round_settled,
    "RoundVoided": _round_voided,
    "RoundFailed": _round_failed,
    "WeightsReset": _weights_reset,
}


# --- members


def _admitted(at: Position, said: Arguments) -> MemberEvent:
    return Admitted(at, Address(said["member"]), said["profile"])


def _removed(at: Position, said: Arguments) -> MemberEvent:
    return Removed(at, Address(said["member"]))


def _replaced(at: Position, said: Arguments) -> MemberEvent:
    return Replaced(at, Address(said["old"]), Address(said["next"]), said["profile"])


def _payee_set(at: Position, said: Arguments) -> MemberEvent:
    return PayeeSet(at, Address(said["member"]), Address(said["payee"]))


def _withdrawn(at: Position, said: Arguments) -> MemberEvent:
    return Withdrawn(at, Address(said["member"]), Address(said["payee"]), said["amount"])


MEMBER_EVENTS: dict[str, Callable[[Position, Arguments], MemberEvent]] = {
    "Admitted": _admitted,
    "Removed": _removed,
    "Replaced": _replaced,
    "PayeeSet": _payee_set,
    "Withdrawn": _withdrawn,
}
