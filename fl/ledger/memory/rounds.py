"""Rounds, from their opening to what they end in: the model of the contract's calls on a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fl.ledger import digests, signing
from fl.ledger.memory.settlement import credits_of, rated
from fl.ledger.memory.state import ZERO, State, require
from fl.ledger.types import (
    FULL_QUALITY,
    REFUSED_QUALITY,
    UNAVAILABLE,
    UNRATED,
    Address,
    Entry,
    Outcome,
    ReceiptRevealed,
    Result,
    RoundClosed,
    RoundFailed,
    RoundOpened,
    RoundSealed,
    RoundSettled,
    RoundVoided,
    Stage,
    Task,
    UpdateSubmitted,
)


class Rounds:
    """One method a call; `sender` is Solidity's `msg.sender`."""

    def __init__(self, state: State) -> None:
        self._state = state

    # --- while a round is open

    def open_round(self, sender: Address, task: int, round_: int, base: bytes, announcement: bytes) -> None:
        """Reserves the reward, snapshots who is expected, sets the deadline, seeds the accumulator."""
        state = self._state
        known = state.task(task)
        self._may_open(known, sender, round_, base)
        known = replace(
            known,
            round=round_,
            deadline=state.time + known.window,
            open=True,
            expected=known.joined,
            submitted=0,
            opened_at=state.block,
            pool=known.pool - known.reward,
            accumulator=self._seed(task, round_, announcement),
        )
        state.tasks[task] = known
        facts = (round_, base, announcement, known.deadline, known.expected)
        state.emit(RoundOpened(state.here(), task, *facts))

    def _may_open(self, known: Task, sender: Address, round_: int, base: bytes) -> None:
        require(sender == known.aggregator, "NotAggregator")
        require(not self._state.paused, "IsPaused")
        require(not known.ended, "TaskHasEnded")
        require(not known.open, "StillOpen")
        require(round_ == known.round + 1, "WrongRound")
        require(base == known.weights, "WrongBase")
        require(known.joined >= known.quorum, "NotEnoughTrainers")
        require(known.pool >= known.reward, "NotFunded")

    def submit_update(self, sender: Address, task: int, round_: int, receipt: bytes) -> None:
        """Folds (trainer, receipt) into the accumulator; the last one expected seals the round."""
        self._submit(sender, task, round_, receipt)

    def submit_update_for(
        self,
        sender: Address,  # noqa: ARG002 - anyone may
        trainer: Address,
        task: int,
        round_: int,
        receipt: bytes,
        signature: bytes,
    ) -> None:
        """As `submit_update`, with the trainer's signature; the contract accepts ERC-1271 signers too."""
        state = self._state
        message = signing.submission(state.chain_id, state.contract, trainer, task, round_, receipt)
        require(signing.signer(message, signature) == trainer, "BadSignature")
        self._submit(trainer, task, round_, receipt)

    def _submit(self, trainer: Address, task: int, round_: int, receipt: bytes) -> None:
        state = self._state
        known = self._open_at(task, round_)
        self._may_submit(known, task, trainer)
        state.seats[task, trainer] = replace(state.seat(task, trainer), last=round_)
        known = replace(
            known,
            submitted=known.submitted + 1,
            accumulator=digests.fold(known.accumulator, trainer, receipt),
        )
        state.tasks[task] = known
        state.emit(UpdateSubmitted(state.here(), task, round_, trainer, receipt))
        if known.submitted == known.expected:
            state.tasks[task] = replace(known, deadline=state.time)
            state.emit(RoundSealed(state.here(), task, round_))

    def _may_submit(self, known: Task, task: int, trainer: Address) -> None:
        seat = self._state.seat(task, trainer)
        require(self._state.time <= known.deadline, "Late")
        require(self._state.member(trainer).admitted, "NotAdmitted")
        require(seat.joined, "NotJoined")
        require(seat.since <= known.round, "NotExpected")
        require(seat.last != known.round, "AlreadySubmitted")

    # --- once it is sealed

    def reveal(self, sender: Address, task: int, round_: int, trainer: Address, receipt: bytes) -> None:  # noqa: ARG002 - anyone may
        """An event only: gives a receipt a time that nobody can dispute."""
        state = self._state
        known = state.task(task)
        require(0 < round_ <= known.round, "WrongRound")
        running = round_ == known.round and known.open and not known.sealed(state.time)
        require(not running, "TooEarly")
        state.emit(ReceiptRevealed(state.here(), task, round_, trainer, receipt))

    def close_round(self, sender: Address, task: int, round_: int, result: Result) -> None:
        """Accepts exactly the submissions in their order, with enough accepted entries."""
        state = self._state
        require(sender == state.task(task).aggregator, "NotAggregator")
        known = self._open_at(task, round_)
        require(known.sealed(state.time), "TooEarly")
        require(state.time <= known.close_by(), "Late")
        self._check_result(known, task, result)
        settle_after = state.time + known.settle_delay
        digest = digests.outcome_digest(settle_after, result.entries)
        state.tasks[task] = replace(known, open=False, weights=result.weights)
        state.outcomes[task, round_] = Outcome(Stage.PENDING, digest)
        facts = (round_, result.weights, result.manifest, settle_after, tuple(result.entries))
        state.emit(RoundClosed(state.here(), task, *facts))

    def _check_result(self, known: Task, task: int, result: Result) -> None:
        entries = result.entries
        require(len(entries) == len(result.receipts) == known.submitted, "Incomplete")
        for index, entry in enumerate(entries):
            require(_well_formed(entry), "BadEntry", index)
        submissions = zip((entry.trainer for entry in entries), result.receipts, strict=True)
        start = self._seed(task, known.round, result.announcement)
        require(digests.accumulate(start, submissions) == known.accumulator, "Incomplete")
        qualities = [entry.quality for entry in entries]
        require(qualities.count(FULL_QUALITY) >= known.quorum, "BelowQuorum")
        require(result.weights != ZERO, "BadParams")
        late = self._state.time > known.deadline + known.close_window // 2
        require(late or UNAVAILABLE not in qualities, "UnavailableTooEarly")

    def settle_round(
        self,
        sender: Address,  # noqa: ARG002 - anyone may
        task: int,
        round_: int,
        settle_after: int,
        entries: Sequence[Entry],
    ) -> None:
        """Pays `reward × share / Σ share` and rates; what is left returns to the pool."""
        state = self._state
        outcome = state.outcome(task, round_)
        require(outcome.stage is Stage.PENDING, "NotPending")
        require(outcome.digest == digests.outcome_digest(settle_after, entries), "WrongEntries")
        require(state.time >= settle_after, "TooEarly")
        known = state.task(task)
        credits_ = credits_of(state, entries, known.reward)
        for entry, credit in zip(entries, credits_, strict=True):
            state.members[entry.trainer] = rated(state.member(entry.trainer), credit)
        paid = sum(credit.amount for credit in credits_)
        state.tasks[task] = replace(known, pool=known.pool + known.reward - paid)
        state.outcomes[task, round_] = Outcome(Stage.SETTLED)
        state.emit(RoundSettled(state.here(), task, round_, paid, credits_))

    # --- rounds that pay nobody

    def void_round(self, sender: Address, task: int, round_: int, reason: bytes) -> None:
        """Owner, an open or pending round; a closed round's weights stay in force."""
        state = self._state
        state.only_owner(sender)
        known = state.known(task)
        running = known.open and known.round == round_
        require(running or state.outcome(task, round_).stage is Stage.PENDING, "NotPending")
        self._return_reward(task, round_, Outcome(Stage.VOID), still_open=known.open and not running)
        state.emit(RoundVoided(state.here(), task, round_, reason))

    def fail_round(self, sender: Address, task: int, round_: int, reason: bytes) -> None:
        """Aggregator once sealed, anyone after the close window; the weights stay."""
        state = self._state
        known = self._open_at(task, round_)
        require(known.sealed(state.time), "TooEarly")
        require(sender == known.aggregator or state.time > known.close_by(), "TooEarly")
        self._return_reward(task, round_, Outcome(Stage.FAILED), still_open=False)
        state.emit(RoundFailed(state.here(), task, round_, reason, sender))

    def _return_reward(self, task: int, round_: int, outcome: Outcome, *, still_open: bool) -> None:
        known = self._state.tasks[task]
        self._state.outcomes[task, round_] = outcome
        self._state.tasks[task] = replace(known, open=still_open, pool=known.pool + known.reward)

    # --- small questions

    def _open_at(self, task: int, round_: int) -> Task:
        known = self._state.task(task)
        require(known.open, "NotOpen")
        require(known.round == round_, "WrongRound")
        return known

    def _seed(self, task: int, round_: int, announcement: bytes) -> bytes:
        return digests.seed(self._state.chain_id, self._state.contract, task, round_, announcement)


def _well_formed(entry: Entry) -> bool:
    """Shares go to accepted entries only."""
    unpaid = entry.quality in (REFUSED_QUALITY, UNAVAILABLE, UNRATED) and entry.share == 0
    return entry.quality == FULL_QUALITY or unpaid
