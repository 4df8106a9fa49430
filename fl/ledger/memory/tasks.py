"""Tasks, their money and who takes part: the model of the contract's calls between rounds."""

from __future__ import annotations

from dataclasses import replace

from fl.ledger.memory.state import NO_TASK, NOBODY, ZERO, State, require
from fl.ledger.memory.token import Token
from fl.ledger.types import (
    MAX_TRAINERS,
    Address,
    AggregatorSet,
    Defunded,
    Funded,
    Joined,
    Left,
    RoundSealed,
    Seat,
    Task,
    TaskCreated,
    TaskEnded,
    TaskParams,
    WeightsReset,
)


class Tasks:
    """One method a call; `sender` is Solidity's `msg.sender`."""

    def __init__(self, state: State, token: Token) -> None:
        self._state = state
        self._token = token

    # --- the owner's calls

    def set_paused(self, sender: Address, paused: bool) -> None:
        """Stops and restarts new rounds, joins and tasks; nothing else."""
        self._state.only_owner(sender)
        self._state.paused = paused

    def create_task(self, sender: Address, params: TaskParams) -> int:
        """Every parameter but the aggregator is final."""
        state = self._state
        state.only_owner(sender)
        require(not state.paused, "IsPaused")
        require(self._sensible(params), "BadParams")
        task = len(state.tasks) + 1
        state.tasks[task] = replace(NO_TASK, **vars(params), created_at=state.block)
        state.emit(TaskCreated(state.here(), task, params))
        return task

    def _sensible(self, params: TaskParams) -> bool:
        return (
            ZERO not in (params.terms, params.weights)
            and 0 < params.quorum <= MAX_TRAINERS
            and params.window > 0
            and params.close_window > 1
            and params.sponsor not in (NOBODY, self._state.contract)
        )

    def set_aggregator(self, sender: Address, task: int, aggregator: Address) -> None:
        """An open round and its deadline stay and become the new one's to close."""
        state = self._state
        state.only_owner(sender)
        state.tasks[task] = replace(state.known(task), aggregator=aggregator)
        state.emit(AggregatorSet(state.here(), task, aggregator))

    def reset_weights(self, sender: Address, task: int, weights: bytes, reason: bytes) -> None:
        """The next round starts from these weights."""
        state = self._state
        state.only_owner(sender)
        known = state.known(task)
        require(not known.open, "StillOpen")
        require(weights != ZERO, "BadParams")
        state.tasks[task] = replace(known, weights=weights)
        state.emit(WeightsReset(state.here(), task, weights, reason))

    def end_task(self, sender: Address, task: int) -> None:
        """No further round, join or funding; open and pending rounds run out and are paid."""
        state = self._state
        known = state.known(task)
        require(sender in (state.owner, known.sponsor), "NotSponsor")
        require(not known.ended, "TaskHasEnded")
        state.tasks[task] = replace(known, ended=True)
        state.emit(TaskEnded(state.here(), task))

    # --- money

    def fund(self, sender: Address, task: int, amount: int) -> None:
        """The federation's whole balance stays below 2^128."""
        state, token = self._state, self._token
        known = state.known(task)
        require(not known.ended, "TaskHasEnded")
        token.demand_from(state.contract, sender, amount)
        require(token.balance(state.contract) + amount < 2**128, "WrongAmount")
        token.transfer_from(state.contract, sender, state.contract, amount)
        state.tasks[task] = replace(known, pool=known.pool + amount)
        state.emit(Funded(state.here(), task, sender, amount))

    def defund(self, sender: Address, task: int) -> None:  # noqa: ARG002 - anyone may
        """An ended task's free pool goes to its sponsor."""
        state = self._state
        known = state.known(task)
        require(known.ended, "NotEnded")
        require(known.pool != 0, "NothingToPay")
        state.tasks[task] = replace(known, pool=0)
        state.emit(Defunded(state.here(), task, known.sponsor, known.pool))
        self._token.transfer(state.contract, known.sponsor, known.pool)

    # --- taking part

    def join_task(self, sender: Address, task: int, terms: bytes, policy: bytes) -> None:
        """Consent to exactly these terms; counts from the next round that opens."""
        state = self._state
        require(not state.paused, "IsPaused")
        known, seat = state.known(task), state.seat(task, sender)
        require(not known.ended, "TaskHasEnded")
        require(terms == known.terms, "WrongTerms")
        require(state.member(sender).admitted, "NotAdmitted")
        require(not seat.joined, "AlreadyJoined")
        require(known.joined < MAX_TRAINERS, "TaskFull")
        since = known.round + 1
        state.tasks[task] = replace(known, joined=known.joined + 1)
        state.seats[task, sender] = replace(seat, joined=True, since=since)
        state.emit(Joined(state.here(), task, sender, terms, policy, since))

    def leave_task(self, sender: Address, task: int) -> None:
        """Always possible."""
        self._leave(task, sender, by=sender)

    def unseat(self, sender: Address, task: int, member: Address) -> None:
        """A removed member's seat is taken away, as if it had left."""
        require(not self._state.member(member).admitted, "NotRemovable")
        self._leave(task, member, by=sender)

    def _leave(self, task: int, member: Address, by: Address) -> None:
        state = self._state
        known, seat = state.task(task), state.seat(task, member)
        require(seat.joined, "NotJoined")
        state.tasks[task] = replace(known, joined=known.joined - 1)
        state.seats[task, member] = replace(seat, joined=False)
        state.emit(Left(state.here(), task, member, by))
        if self._awaited(known, seat):
            self._expect_one_less(task)

    def _awaited(self, known: Task, seat: Seat) -> bool:
        in_time = self._state.time <= known.deadline
        return known.open and in_time and seat.since <= known.round and seat.last != known.round

    def _expect_one_less(self, task: int) -> None:
        state = self._state
        known = state.tasks[task]
        known = replace(known, expected=known.expected - 1)
        state.tasks[task] = known
        if known.expected == known.submitted:
            state.tasks[task] = replace(known, deadline=state.time)
            state.emit(RoundSealed(state.here(), task, known.round))
