"""GTG-Shapley: Monte Carlo over orders of arrival, guided and truncated.

Liu et al., "GTG-Shapley: Efficient and accurate participant contribution evaluation in federated learning",
ACM TIST (2022). Guided: players take turns in coming first. Truncated: once a coalition is within 1 % of the
round's gain of everybody's utility, those who come later add nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice

from aggregator.scoring.chance import permutations
from aggregator.scoring.shapley import Worth

TRUNCATION = Fraction(1, 100)


def gtg(worth: Worth, players: int, budget: int, seed: bytes) -> list[Fraction]:
    """Values from at most `budget` evaluations, of which the first order needs players + 1.

    Ends with the first order that the budget does not allow to finish, or after `budget` orders.
    """
    walk = _Walk(worth, players, budget)
    sums, count = [0] * players, 0
    for order in islice(_guided(seed, players), budget):
        gains = walk.gains(order)
        if gains is None:
            break
        sums = [total + gain for total, gain in zip(sums, gains, strict=True)]
        count += 1
    return [Fraction(total, count) for total in sums]


def _guided(seed: bytes, players: int) -> Iterator[list[int]]:
    for number, order in enumerate(permutations(seed, players)):
        first = number % players
        yield [first, *(player for player in order if player != first)]


class _Walk:
    """Goes along orders of arrival, and evaluates what it has not met yet."""

    def __init__(self, worth: Worth, players: int, budget: int) -> None:
        everybody = (1 << players) - 1
        self._worth = worth
        self._start, self._end = worth(0), worth(everybody)
        self._met = {0, everybody}
        self._budget = budget

    def gains(self, order: list[int]) -> list[int] | None:
        """Each player's marginal contribution; None where the budget ends."""
        gains, mask, before = [0] * len(order), 0, self._start
        for player in order:
            if abs(self._end - before) < TRUNCATION * abs(self._end - self._start):
                break
            mask |= 1 << player
            if mask not in self._met and len(self._met) >= self._budget:
                return None
            self._met.add(mask)
            after = self._worth(mask)
            gains[player], before = after - before, after
        return gains
