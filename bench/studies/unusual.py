"""Partitions in which the last trainer is honest and unlike the others."""

from __future__ import annotations

from typing import Any

import numpy as np

Rows = np.ndarray[Any, np.dtype[np.intp]]

NINE = 9


def only_one_with_nines(
    y: np.ndarray[Any, np.dtype[np.int64]], trainers: int, chance: np.random.Generator
) -> list[Rows]:
    """The last trainer has every nine, and as many rows of other classes as it would have had of all."""
    others = np.array_split(chance.permutation(np.flatnonzero(y != NINE)), trainers)
    return [*others[:-1], np.concatenate([others[-1], np.flatnonzero(y == NINE)])]


def eight_rows(
    y: np.ndarray[Any, np.dtype[np.int64]], trainers: int, chance: np.random.Generator
) -> list[Rows]:
    """The last trainer has eight rows, the others equal parts of the rest."""
    rows = chance.permutation(len(y))
    return [*np.array_split(rows[8:], trainers - 1), rows[:8]]
