"""A coalition's outputs, guessed from those of the base, of single trainers and of pairs.

Where outputs are a quadratic function of a model's weights, what a coalition's says beyond the base is what
each of its trainers alone says more, and what each of its pairs adds to that: Σ D_i + Σ_{i<j} P_ij, the
expansion in dividends (Harsanyi, 1963) up to pairs. A pair that was not measured is taken to be
P_ij = a_j y_i + a_i y_j, a being the trainers' parts of all examples, which holds where the two updates bend
the outputs in ways of their own; y is fitted to the measured pairs by least squares.

Linear models (every P is 0) and all others whose outputs are linear or quadratic in the weights are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Pair = tuple[int, int]


def choose_pairs(examples: Sequence[int], most: int) -> list[Pair]:
    """At most so many pairs, trainers of similar size first; none where they do not give every y.

    Between a large and a small trainer what the pair adds is small, and tells little of the others.
    """
    players = len(examples)
    order = sorted(range(players), key=lambda player: (examples[player], player))
    pairs = [
        (order[place], order[place + apart])
        for apart in range(1, players)
        for place in range(players - apart)
    ]
    return pairs[:most] if most >= min(len(pairs), 2 * players - 3) else []


class Mixture:
    """How outputs of the base, of trainers alone, and of these pairs, are mixed to those of any coalition."""

    def __init__(self, examples: Sequence[int], pairs: Sequence[Pair]) -> None:
        self._parts = np.array([count / sum(examples) for count in examples])
        self._one, self._other = np.array(pairs, int).reshape(-1, 2).T
        self._ends = self._rows(np.ones(len(pairs)), np.ones(len(pairs)))
        alone = np.eye(len(examples))
        self._unmeasured = (1 - alone) - (self._ends.T @ self._ends) * (1 - alone)
        fit = self._rows(self._parts[self._other], self._parts[self._one])
        self._fit = np.linalg.pinv(fit, rcond=1e-6) if pairs else fit.T  # of every y, from the measured P

    def _rows(self, ones: Floats, others: Floats) -> Floats:
        """A row a pair, with values in the columns of its two trainers."""
        rows, places = np.zeros((len(self._one), len(self._parts))), np.arange(len(self._one))
        rows[places, self._one], rows[places, self._other] = ones, others
        return rows

    def coefficients(self, members: Floats) -> Floats:
        """How much of each measured output makes each coalition's: [coalitions, 1 + trainers + pairs].

        `members` float64 [coalitions, trainers] is 1 for who takes part. Rows add up to 1.
        """
        bends = members[:, self._one] * members[:, self._other]
        bends += (members * ((members * self._parts) @ self._unmeasured)) @ self._fit
        alone = members - bends @ self._ends
        mixed = np.hstack([alone, bends])
        return np.hstack([1 - mixed.sum(axis=1, keepdims=True), mixed])
