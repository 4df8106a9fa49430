"""Who is asked to train in a round that asks only some: a draw that follows from the chain alone.

A member's position is the ordinal, from 1, of its first join of the task among all first joins; it keeps it
when it leaves and joins again. Ranked by SHA-256(terms' id, 32 bytes ‖ round ‖ position, both 32 bytes and
big-endian), the lowest are drawn. So nobody chooses who trains: an aggregator says how many, and over the
seats of which block between the end of the round before and the opening.

Seats are those that the task's events show: who was removed from the federation keeps one, and can be drawn,
until somebody takes it away (`unseat`, which anyone may call). A replaced key is a new member.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fl.canonical import sha256
from fl.documents import Announcement
from fl.ledger.types import (
    Address,
    Event,
    Joined,
    Left,
    RoundClosed,
    RoundFailed,
    RoundOpened,
    RoundVoided,
    TaskParams,
)

Seats = Mapping[int, Address]
"""Members by their position."""


def members(history: Iterable[Event]) -> set[Address]:
    """Who has a seat after these events."""
    seated: set[Address] = set()
    for event in history:
        if isinstance(event, Joined):
            seated.add(event.member)
        elif isinstance(event, Left):
            seated.discard(event.member)
    return seated


class Seating:
    """Who had a seat when, and when each round ended: the task's events in chain order, read once."""

    def __init__(self, history: Sequence[Event]) -> None:
        self._changes = [event for event in history if isinstance(event, Joined | Left)]
        self._created = history[0].at.block
        self._ended: dict[int, int] = {}
        for event in history:
            if isinstance(event, RoundClosed | RoundFailed | RoundVoided):
                self._ended.setdefault(event.round, event.at.block)  # what was closed may be voided later

    def seats(self, block: int, round_: int) -> Seats:
        """Who had a seat for the round once all of the block's events had happened."""
        positions: dict[Address, int] = {}
        since: dict[Address, int] = {}
        for event in self._changes:
            if event.at.block > block:
                break
            if isinstance(event, Joined):
                positions.setdefault(event.member, len(positions) + 1)
                since[event.member] = event.since
            else:
                since.pop(event.member, None)
        return {positions[member]: member for member, first in since.items() if first <= round_}

    def earliest(self, round_: int) -> int:
        """The first block over which the round may be drawn: in it the round before ended.

        Before the first round, the task's creation.
        """
        return self._ended.get(round_ - 1, self._created)


def draw(terms: bytes, round_: int, seats: Seats, count: int) -> tuple[Address, ...]:
    """The lowest `count` ranks, in the order of their positions; `terms` is the id of the task's terms."""

    def rank(position: int) -> bytes:
        return sha256(terms + round_.to_bytes(32, "big") + position.to_bytes(32, "big"))

    drawn = sorted(seats, key=rank)[:count]
    return tuple(seats[position] for position in sorted(drawn))


# --- afterwards


def differences(
    announcement: Announcement, opened: RoundOpened, seating: Seating, task: TaskParams
) -> Iterator[str]:
    """In what an opened round's invitation is not the draw; nothing for a round that asks everybody."""
    invited, block = announcement.invited, announcement.drawn_at
    if invited is None or block is None:  # both or neither
        return
    earliest, latest = seating.earliest(opened.round), opened.at.block
    if not earliest <= block <= latest:
        yield f"drawn over block {block}, and only blocks {earliest} to {latest} could be drawn over"
    right = draw(task.terms, opened.round, seating.seats(block, opened.round), len(invited))
    if invited != right:
        yield f"others are invited than were drawn over block {block}: {_others(invited, right)}"


def _others(invited: Sequence[str], right: Sequence[str]) -> str:
    parts = [f"{trainer} was drawn and is left out" for trainer in Counter(right) - Counter(invited)]
    parts += [f"{trainer} was not drawn" for trainer in Counter(invited) - Counter(right)]
    return "; ".join(parts) or "they are in another order"
