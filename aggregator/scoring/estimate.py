"""Shapley values from few evaluations: a surrogate game that costs arithmetic, and what it leaves over.

A control variate. The surrogate's utilities are those of outputs mixed from measured ones
(`aggregator.scoring.mixture`), for any coalition; its Shapley values are exact up to 14 trainers, and
sampled above: all small coalitions, and random orders of arrival from there on.
The difference between the true game and the surrogate is small and nearly additive, so that each trainer's
first and last contribution to it is enough.

It takes the base, each trainer alone, everybody, everybody but one, and as many pairs as the budget allows:
all of them with N (N - 1) / 2 + 2 N + 2 evaluations, 67 for 10 trainers and 497 for 30.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from math import comb

import numpy as np
from threadpoolctl import threadpool_limits

from aggregator.scoring.chance import permutations
from aggregator.scoring.game import Game
from aggregator.scoring.mixture import Floats, Mixture, Pair, choose_pairs
from aggregator.scoring.shapley import first_and_last, of_size, sampled, shapley
from aggregator.types import Outputs

MAX_EXACT = 14
"""Trainers up to whom the surrogate is computed for every coalition."""

MAX_SURROGATES = 1 << MAX_EXACT
"""How many coalitions' outputs are mixed at most, but for those that the rest needs."""

LARGEST_OUTPUT = 1e6
_BATCH = 64


def control_variate(game: Game, budget: int, seed: bytes) -> list[Fraction]:
    """Estimated Shapley values from at most `budget` evaluations, which are 2 N + 2 at least."""
    surrogate = Surrogate(game, choose_pairs(game.examples, budget - 2 * game.players - 2))
    found = _of_surrogate(surrogate, game.players, seed)
    rest = first_and_last(lambda mask: game(mask) - surrogate(mask), game.players)
    return [value + left for value, left in zip(found, rest, strict=True)]


def _of_surrogate(surrogate: Surrogate, players: int, seed: bytes) -> list[Fraction]:
    if players <= MAX_EXACT:
        surrogate.mix(range(1, 1 << players))
        return shapley(surrogate, players)
    size, orders = _plan(players, seed)
    small = {mask for fewer in range(1, size + 1) for mask in of_size(players, fewer)}
    surrogate.mix(
        sorted(small | {mask for order in orders for mask in _prefixes(order, size)} | _ends(players))
    )
    return sampled(surrogate, players, size, orders)


class Surrogate:
    """The game of mixed outputs: from those of the base, of trainers alone and of these pairs."""

    def __init__(self, game: Game, pairs: Sequence[Pair]) -> None:
        self._game = game
        self._mixture = Mixture(game.examples, pairs)
        alone = [1 << player for player in range(game.players)]
        together = [1 << one | 1 << other for one, other in pairs]
        measured = np.stack([tamed(game.outputs(mask)) for mask in (0, *alone, *together)])
        # rows that are alike are mixed once: products in other places of a matrix end in other digits
        self._measured, self._place = np.unique(measured, axis=1, return_inverse=True)
        self._utilities = {0: game(0)}

    def __call__(self, mask: int) -> int:
        """The utility of a coalition that was mixed."""
        return self._utilities[mask]

    def mix(self, masks: Sequence[int]) -> None:
        """Find the utilities of these coalitions, nobody's not among them."""
        with threadpool_limits(1, user_api="blas"):  # many small products: threads would wait for each other
            for start in range(0, len(masks), _BATCH):
                self._mix(masks[start : start + _BATCH])

    def _mix(self, masks: Sequence[int]) -> None:
        flat = self._measured.reshape(len(self._measured), -1)
        mixed = self._mixture.coefficients(_members(masks, self._game.players)) @ flat
        for mask, outputs in zip(masks, mixed, strict=True):
            distinct = outputs.reshape(self._measured.shape[1:])
            self._utilities[mask] = self._game.mixed(mask, distinct[self._place])


def tamed(outputs: Outputs) -> Outputs:
    """Outputs that spoil no mixture in which they have no part: NaN says nothing, the rest is bounded."""
    return np.clip(np.nan_to_num(outputs, nan=0.0), -LARGEST_OUTPUT, LARGEST_OUTPUT)


def _members(masks: Sequence[int], players: int) -> Floats:
    return np.array([[mask >> player & 1 for player in range(players)] for mask in masks], np.float64)


def _plan(players: int, seed: bytes) -> tuple[int, list[list[int]]]:
    """Up to which size all coalitions take half of the room at most, and orders for what is left of it.

    Each order comes backwards too: what joins late in one joins early in the other.
    """
    taken, size = players, 1
    while taken + comb(players, size + 1) <= MAX_SURROGATES // 2:
        size += 1
        taken += comb(players, size)
    count = (MAX_SURROGATES - taken) // (2 * players)
    return size, [way for order in islice(permutations(seed, players), count) for way in (order, order[::-1])]


def _prefixes(order: Sequence[int], size: int) -> Iterator[int]:
    """The coalitions that an order goes through, from this size on."""
    mask = sum(1 << player for player in order[:size])
    yield mask
    for player in order[size:]:
        mask |= 1 << player
        yield mask


def _ends(players: int) -> set[int]:
    """The coalitions of one, of all but one, and of all."""
    everybody = (1 << players) - 1
    alone = {1 << player for player in range(players)}
    return alone | {everybody - mask for mask in alone} | {everybody}
