"""How training rows are divided among trainers: at random, or with label skew."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.datasets import Rows
from fl.errors import UsageError
from fl.examples import IntArray

KINDS = ("iid", "dirichlet")


def partition(kind: str, y: IntArray, trainers: int, seed: int, alpha: float = 0.5) -> list[Rows]:
    """Divide the rows with classes `y` int64 [n] among trainers: positions in `y`, sorted, each row once.

    `alpha` is the skew of "dirichlet". Raises UsageError for an unknown kind, and as that kind does.
    """
    if kind == "iid":
        return iid(y, trainers, seed)
    if kind == "dirichlet":
        return dirichlet(y, trainers, seed, alpha)
    raise UsageError(f"There is no partition {kind!r}.", f"There are: {', '.join(KINDS)}.")


def iid(y: IntArray, trainers: int, seed: int) -> list[Rows]:
    """Shuffle, then cut into equal parts. Raises UsageError for more trainers than rows."""
    _check_counts(y, trainers)
    shuffled = np.random.default_rng(seed).permutation(len(y))
    return [np.sort(part) for part in np.array_split(shuffled, trainers)]


def dirichlet(y: IntArray, trainers: int, seed: int, alpha: float) -> list[Rows]:
    """Give each trainer a share of every class, drawn from Dirichlet(alpha); a small alpha is much skew.

    Hsu, Qi and Brown (2019), arXiv:1909.06335. Raises UsageError for an alpha out of bounds, for more
    trainers than rows, and for a trainer left without rows.
    """
    _check_counts(y, trainers)
    if not 1e-3 <= alpha <= 1e6:
        raise UsageError(f"The skew alpha is {alpha}.", "It lies between 0.001 and 1,000,000.")
    chance = np.random.default_rng(seed)
    pieces = [_deal(np.flatnonzero(y == number), trainers, alpha, chance) for number in np.unique(y)]
    parts = [np.sort(np.concatenate(part)) for part in zip(*pieces, strict=True)]
    _refuse_empty(parts)
    return parts


def _deal(rows: Rows, trainers: int, alpha: float, chance: np.random.Generator) -> list[Rows]:
    shares = chance.dirichlet(np.full(trainers, alpha))
    cuts = np.round(np.cumsum(shares)[:-1] * len(rows)).astype(np.intp)
    return np.split(chance.permutation(rows), cuts)


def _check_counts(y: np.ndarray[Any, Any], trainers: int) -> None:
    if trainers < 1:
        raise UsageError(f"A run with {trainers} trainers cannot be.", "Give at least 1.")
    if trainers > len(y):
        raise UsageError(
            f"There are {trainers} trainers and only {len(y)} training rows.", "Give fewer trainers."
        )


def _refuse_empty(parts: list[Rows]) -> None:
    empty = [number for number, part in enumerate(parts, start=1) if len(part) == 0]
    if empty:
        raise UsageError(
            f"The partition leaves trainer {', '.join(map(str, empty))} without rows.",
            "Choose a larger alpha, fewer trainers or another seed.",
        )
