"""What the chain says of the round that is open: its opening, and whether submissions can still count."""

from __future__ import annotations

from fl.errors import ConsentError
from fl.ledger.port import Ledger
from fl.ledger.types import Address, RoundOpened, Task


def opened_with(chain: Ledger, number: int, announcement: bytes, account: Address) -> RoundOpened:
    """The opening of task `number`'s open round: with this announcement, and a seat in it for `account`.

    Raises ConsentError when it is not so.
    """
    task = chain.task(number)
    if not task.open:
        raise ConsentError(f"No round of task {number} is open, or its opening is not confirmed.")
    opened = opening(chain, number, task)
    if opened is None:
        raise ConsentError(f"The opening of round {task.round} is not mined yet.", "Ask again in a moment.")
    if opened.announcement != announcement:
        raise ConsentError(f"Round {task.round} was not opened with the announcement {announcement.hex()}.")
    if opened.weights != task.weights:
        raise ConsentError(f"Round {task.round} was opened on other weights than the contract holds.")
    seat = chain.seat(number, account)
    if not seat.joined or seat.since > task.round:
        raise ConsentError(f"This site has no seat in round {task.round} of task {number}.")
    return opened


def opening(chain: Ledger, number: int, task: Task) -> RoundOpened | None:
    """The opening of the task's newest round; None while no block holds it."""
    for event in chain.history(number, since=task.opened_at):
        if isinstance(event, RoundOpened) and event.round == task.round:
            return event
    return None


def running(task: Task, round_: int, now: int) -> bool:
    """Whether submissions of this round can still count."""
    return task.open and task.round == round_ and not task.sealed(now)
