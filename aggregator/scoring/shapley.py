"""Values of a cooperative game in exact arithmetic: Shapley's, and a trainer's first and last contribution.

Shapley, "A value for n-person games" (1953); for federated rounds: Wang et al., "A principled approach to
data valuation for federated learning" (2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations
from math import comb, factorial

Worth = Callable[[int], int]
"""A coalition as a bit mask → its utility."""


def shapley(worth: Worth, players: int) -> list[Fraction]:
    """Shapley values from the utilities of all coalitions."""
    weight = [factorial(size) * factorial(players - size - 1) for size in range(players)]
    utilities = [worth(mask) for mask in range(2**players)]
    values = [0] * players
    for mask in range(2**players):
        for player in range(players):
            if not mask >> player & 1:
                values[player] += weight[mask.bit_count()] * (utilities[mask | 1 << player] - utilities[mask])
    return [Fraction(value, factorial(players)) for value in values]


def of_size(players: int, size: int) -> Iterator[int]:
    """Every coalition of so many players."""
    return (sum(1 << player for player in members) for members in combinations(range(players), size))


def sampled(worth: Worth, players: int, size: int, orders: Sequence[Sequence[int]]) -> list[Fraction]:
    """Shapley values from all coalitions of up to `size` players, and the rest of these orders of arrival.

    Whoever comes early adds most, and most differently from order to order: those places are exact. The sum
    is shifted to the whole.
    """
    early, late = _early(worth, players, size), _late(worth, players, size, orders)
    values = [first + then for first, then in zip(early, late, strict=True)]
    shift = (worth((1 << players) - 1) - worth(0) - sum(values)) / Fraction(players)
    return [value + shift for value in values]


def _early(worth: Worth, players: int, size: int) -> list[Fraction]:
    """What each adds on average as one of the first `size`, times the chance to be one of them."""
    values = [Fraction(0)] * players
    for place in range(1, size + 1):
        sums = [0] * players
        for mask in of_size(players, place):
            for player in range(players):
                sums[player] += worth(mask) if mask >> player & 1 else 0
        for mask in of_size(players, place - 1):
            for player in range(players):
                sums[player] -= 0 if mask >> player & 1 else worth(mask)
        count = players * comb(players - 1, place - 1)
        values = [value + Fraction(total, count) for value, total in zip(values, sums, strict=True)]
    return values


def _late(worth: Worth, players: int, size: int, orders: Sequence[Sequence[int]]) -> list[Fraction]:
    """The mean of what each adds in these orders, nothing where it is one of the first `size`."""
    sums = [0] * players
    for order in orders:
        mask = sum(1 << player for player in order[:size])
        before = worth(mask)
        for player in order[size:]:
            mask |= 1 << player
            after = worth(mask)
            sums[player] += after - before
            before = after
    return [Fraction(total, len(orders)) for total in sums]


def leave_one_out(worth: Worth, players: int) -> list[Fraction]:
    """What everybody together lose without each."""
    everybody = (1 << players) - 1
    return [Fraction(worth(everybody) - worth(everybody & ~(1 << i))) for i in range(players)]


def first_and_last(worth: Worth, players: int) -> list[Fraction]:
    """The mean of what each adds to nobody and to everybody else, shifted so that they add up to the whole.

    It is the least-squares fit of an additive game to the coalitions of one and of all but one (kernel SHAP
    with these two sizes: Lundberg and Lee, 2017), and exact where nothing interacts, or pairs only.
    """
    everybody = (1 << players) - 1
    last = leave_one_out(worth, players)
    means = [Fraction(worth(1 << i) - worth(0) + last[i], 2) for i in range(players)]
    shift = (worth(everybody) - worth(0) - sum(means)) / Fraction(players)
    return [mean + shift for mean in means]
