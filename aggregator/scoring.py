"""What each accepted update was worth: a cooperative game over one round's updates, in exact arithmetic.

The model of a coalition is the examples-weighted mean of its updates, whatever the aggregation rule. Its
utility is an integer in millionths; the table of all utilities used is stored, and shares follow from it.

Shapley, "A value for n-person games" (1953); for federated rounds: Wang et al., "A principled approach to
data valuation for federated learning" (2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import factorial

import numpy as np

from aggregator.types import Update, Utility
from fl import weights
from fl.agreement import needs_utilities
from fl.documents import Terms
from fl.errors import DocumentError, UsageError

MILLION = 10**6
Table = dict[int, int]
"""Coalition (bit i: the i-th accepted trainer in chain order) → utility in millionths."""

_TITLE = "fedledger utilities 1"


def demand_affordable(terms: Terms, trainers: int) -> None:
    """Refuse what exact Shapley values of so many trainers would cost. Raises UsageError."""
    if needs_utilities(terms) and 2**trainers > terms.scoring.budget:
        raise UsageError(
            f"Exact Shapley values of {trainers} trainers take {2**trainers:,} evaluations a round; the "
            f"terms allow {terms.scoring.budget:,}.",
            'Score by "equal" or by "examples", or allow a larger budget.',
        )


# --- the game


def coalition(mask: int, updates: Sequence[Update], base: weights.Arrays) -> weights.Arrays:
    """The examples-weighted mean of the coalition's updates, in chain order; the base for nobody.

    Float64 inside, then cast to the base's dtypes: element-wise, so the same bits everywhere.
    """
    members = [update for i, update in enumerate(updates) if mask >> i & 1]
    if not members:
        return base
    total = sum(update.examples for update in members)
    mean = {}
    for name in base:
        summed = np.zeros(base[name].shape, np.float64)
        for update in members:
            summed += update.arrays[name].astype(np.float64) * update.examples
        mean[name] = summed / total
    return weights.cast_like(mean, base)


def measure(updates: Sequence[Update], base: weights.Arrays, utility: Utility) -> Table:
    """Evaluate every coalition. Holds all updates, and three models more for the coalition's own."""
    updates = [replace(update, arrays=dict(update.arrays)) for update in updates]
    return {mask: utility(mask, coalition(mask, updates, base)) for mask in range(2 ** len(updates))}


def shapley(table: Mapping[int, int], players: int) -> list[Fraction]:
    """Shapley values from the utilities of all coalitions, exactly."""
    weight = [factorial(size) * factorial(players - size - 1) for size in range(players)]
    values = [0] * players
    for mask in range(2**players):
        for player in range(players):
            if not mask >> player & 1:
                gain = table[mask | 1 << player] - table[mask]
                values[player] += weight[mask.bit_count()] * gain
    return [Fraction(value, factorial(players)) for value in values]


# --- shares


def shares(terms: Terms, updates: Sequence[Update], table: Table) -> list[int]:
    """Each accepted trainer's share, by the terms' rule: millionths, or 1 each when all are equal."""
    if terms.scoring.rule == "equal":
        return [1] * len(updates)
    if terms.scoring.rule == "examples":
        return in_proportion([Fraction(update.examples) for update in updates])
    values = shapley(table, len(updates))
    if max(table.values()) - table[0] <= terms.minimum_gain:
        # at convergence differences are noise; what made things worse is still not paid
        return [int(value >= -noise(terms)) for value in values]
    return in_proportion(values)


def in_proportion(values: Sequence[Fraction]) -> list[int]:
    """⌊10^6 · v⁺ / Σ v⁺⌋ for every value; all 0 when none is positive."""
    positive = [max(value, Fraction(0)) for value in values]
    total = sum(positive)
    return [int(MILLION * value / total) if total else 0 for value in positive]


# --- guards


def guarded(terms: Terms, updates: Sequence[Update], table: Table) -> list[Update]:
    """Whom the terms' guard lets into the aggregate, in chain order; nobody: the base stays.

    `positive`: trainers whose Shapley value is not negative. `best`: the coalition of highest utility; of
    equal ones the larger, then the better. What lies within the noise counts as equal.
    """
    if terms.guard == "none":
        return list(updates)
    if terms.guard == "positive":
        values = shapley(table, len(updates))
        return [update for update, value in zip(updates, values, strict=True) if value >= -noise(terms)]
    highest = max(table.values()) - noise(terms)
    good = [mask for mask, utility in table.items() if utility >= highest]
    best = max(good, key=lambda mask: (mask.bit_count(), table[mask], -mask))
    return [update for i, update in enumerate(updates) if best >> i & 1]


def noise(terms: Terms) -> int:
    """By how much a difference of two utilities may be off: the tolerance each. No threshold is finer."""
    return 2 * terms.tolerance


# --- the table as a blob


def encode_table(table: Mapping[int, int]) -> bytes:
    """The table as text: a title, then a line a coalition (hexadecimal, ascending) and its utility."""
    lines = [_TITLE, *(f"{mask:x} {table[mask]}" for mask in sorted(table))]
    return ("\n".join(lines) + "\n").encode("ascii")


def decode_table(data: bytes) -> Table:
    """Read what `encode_table` wrote; any other bytes raise DocumentError."""
    try:
        rows = [line.split(" ") for line in data.decode("ascii").splitlines()[1:]]
        table = {int(mask, 16): int(utility) for mask, utility in rows}
    except ValueError as error:
        raise DocumentError("This is not a table of utilities.") from error
    if encode_table(table) != data:
        raise DocumentError("This table of utilities is not written as it should be.")
    return table
