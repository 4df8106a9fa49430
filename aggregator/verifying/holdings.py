"""What the contract holds of a task, worked out again from its events: a node that lies in one is found.

Whoever serves both can invent a whole history; who asks several nodes is not fooled by one.
"""

from __future__ import annotations

from collections.abc import Iterator

from aggregator.record import Record, Round
from aggregator.verifying.findings import Findings
from fl.ledger import digests
from fl.ledger.types import (
    Address,
    AggregatorSet,
    Event,
    Joined,
    Left,
    Outcome,
    RoundClosed,
    RoundOpened,
    Stage,
    TaskEnded,
    WeightsReset,
)

TRIES = 3

_Difference = tuple[int | None, str]
"""About one round, or None for the task as a whole; and the sentence."""


def check(record: Record, findings: Findings) -> None:
    """Hold the task and the outcome of every round against the events.

    Events come first and the contract's state after them: as long as there are new events, and at most
    TRIES times, everything is worked out again.
    """
    found: list[_Difference] = []
    for _ in range(TRIES):
        found = list(_differences(record))
        if not found:
            return
        again = Record(record.ledger, record.store, record.task)
        if again.history == record.history:
            break
        record = again
    for round_, text in found:
        with findings.about(round_, "contract"):
            findings.mismatch(text)


def _differences(record: Record) -> Iterator[_Difference]:
    task = record.ledger.task(record.task)
    for name, given in _expected(record).items():
        held = getattr(task, name)
        if held != given:
            yield None, f"{name}: the contract holds {_shown(held)}, its events give {_shown(given)}"
    yield from _course(record)
    for round_ in record.rounds:
        yield from ((round_.number, text) for text in _round(record, round_))


def _expected(record: Record) -> dict[str, object]:
    """The task's fields as its events give them; the pool is left to the accounts."""
    history, last = record.history, record.rounds[-1] if record.rounds else None
    expected: dict[str, object] = {
        **vars(record.created.params),
        "weights": _weights(record.created.params.weights, history),
        "aggregator": _aggregator(record.created.params.aggregator, history),
        "ended": any(isinstance(event, TaskEnded) for event in history),
        "joined": sum(isinstance(event, Joined) - isinstance(event, Left) for event in history),
        "round": last.number if last else 0,
        "open": last is not None and not last.ended,
    }
    return expected | _last_round(record, last) if last else expected


def _course(record: Record) -> Iterator[_Difference]:
    """Whether each event is what the contract would have said after those before it."""
    params, joined, number = record.created.params, 0, 0
    for event in record.history:
        if isinstance(event, Joined):
            joined += 1
            if (event.terms, event.since) != (params.terms, number + 1):
                yield None, f"{event.member}: joined from round {event.since} on terms {event.terms.hex()}"
        elif isinstance(event, Left):
            joined -= 1
        elif isinstance(event, RoundOpened):
            number += 1
            expected = (number, joined, event.at.time + params.window)
            if (event.round, event.expected, event.deadline) != expected:
                yield event.round, _other("opened", event, ("round", "expected", "deadline"), expected)
        elif isinstance(event, RoundClosed) and event.settle_after != event.at.time + params.settle_delay:
            due = (event.at.time + params.settle_delay,)
            yield event.round, _other("closed", event, ("settle_after",), due)


def _other(verb: str, event: Event, names: tuple[str, ...], expected: tuple[int, ...]) -> str:
    said = ", ".join(f"{name} {getattr(event, name)}" for name in names)
    found = ", ".join(f"{name} {value}" for name, value in zip(names, expected, strict=True))
    return f"{verb} with {said}; found {found}"


def _last_round(record: Record, last: Round) -> dict[str, object]:
    """What the contract remembers of the last round only."""
    ledger, opened = record.ledger, last.opened
    seed = digests.seed(ledger.chain_id, ledger.contract, record.task, last.number, opened.announcement)
    submissions = [(event.trainer, event.receipt) for event in last.submissions]
    return {
        "submitted": len(submissions),
        "deadline": last.sealed.at.time if last.sealed else opened.deadline,
        "accumulator": digests.accumulate(seed, submissions),
    }


def _weights(weights: bytes, history: tuple[Event, ...]) -> bytes:
    for event in history:
        if isinstance(event, RoundClosed | WeightsReset):
            weights = event.weights
    return weights


def _aggregator(aggregator: Address, history: tuple[Event, ...]) -> Address:
    for event in history:
        if isinstance(event, AggregatorSet):
            aggregator = event.aggregator
    return aggregator


def _round(record: Record, round_: Round) -> Iterator[str]:
    """Whether the round has come to what its events say, and was closed with exactly its submissions."""
    held, given = record.ledger.outcome(record.task, round_.number), _outcome(round_)
    if held.stage is not given.stage:
        yield f"the contract says that it is {_stage(held)}, its events that it is {_stage(given)}"
    elif held.digest != given.digest:
        yield "the contract holds the digest of another settlement than the round was closed with"
    if round_.closed:
        submitted = [event.trainer for event in round_.submissions]
        told = [entry.trainer for entry in round_.closed.entries]
        if submitted != told:
            yield f"closed with the submissions of {told}, and {submitted} submitted"


def _outcome(round_: Round) -> Outcome:
    if round_.stage is not Stage.PENDING or round_.closed is None:
        return Outcome(round_.stage)
    closed = round_.closed
    return Outcome(Stage.PENDING, digests.outcome_digest(closed.settle_after, closed.entries))


def _stage(outcome: Outcome) -> str:
    return "open" if outcome.stage is Stage.NONE else outcome.stage.value


def _shown(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
