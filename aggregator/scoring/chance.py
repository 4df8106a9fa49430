"""Orders of arrival that nobody chose: they follow from the round's final accumulator."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from fl.canonical import sha256


def permutations(seed: bytes, players: int) -> Iterator[list[int]]:
    """Endless random orders: the n-th ranks players by SHA-256(seed ‖ n ‖ player), numbers of 8 bytes."""
    for number in count():
        prefix = seed + number.to_bytes(8, "big")
        ranks = [sha256(prefix + player.to_bytes(8, "big")) for player in range(players)]
        yield sorted(range(players), key=ranks.__getitem__)
