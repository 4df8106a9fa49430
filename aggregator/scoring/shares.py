"""What values mean: each trainer's share of the reward, and whom a guard lets into the aggregate."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from aggregator.scoring.score import Scored
from aggregator.types import Update
from fl.documents import Terms

MILLION = 10**6


def shares(terms: Terms, updates: Sequence[Update], scored: Scored) -> list[int]:
    """Each accepted trainer's share, by the terms' rule: millionths, or 1 each when all are equal."""
    if terms.scoring.rule == "equal":
        return [1] * len(updates)
    if terms.scoring.rule == "examples":
        return in_proportion([Fraction(update.examples) for update in updates])
    utilities = scored.table.true
    if max(utilities.values()) - utilities[0] <= terms.minimum_gain:
        # at convergence differences are noise; what made things worse is still not paid
        return [int(value >= -scored.doubt) for value in scored.values]
    return in_proportion(scored.values)


def in_proportion(values: Sequence[Fraction]) -> list[int]:
    """⌊10^6 · v⁺ / Σ v⁺⌋ for every value; all 0 when none is positive."""
    positive = [max(value, Fraction(0)) for value in values]
    total = sum(positive)
    return [int(MILLION * value / total) if total else 0 for value in positive]


def guarded(terms: Terms, updates: Sequence[Update], scored: Scored) -> list[Update]:
    """Whom the terms' guard lets into the aggregate, in chain order; nobody: the base stays.

    `positive`: trainers whose value is positive. `best`: of the coalitions that were evaluated, the one of
    highest utility; of equal ones the smaller, then the better: who adds nothing only shortens the step. A
    value within the doubt is none, and utilities within two tolerances are equal.
    """
    if terms.guard == "none":
        return list(updates)
    if terms.guard == "positive":
        pairs = zip(updates, scored.values, strict=True)
        return [update for update, value in pairs if value > scored.doubt]
    utilities = scored.table.true
    highest = max(utilities.values()) - 2 * terms.tolerance
    good = [mask for mask, utility in utilities.items() if utility >= highest]
    best = max(good, key=lambda mask: (-mask.bit_count(), utilities[mask], -mask))
    return [update for i, update in enumerate(updates) if best >> i & 1]
