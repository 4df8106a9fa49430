"""How training rows are divided among trainers.

| kind | who gets what |
| --- | --- |
| `iid` | equal parts at random |
| `dirichlet` | of every class a share, drawn from Dirichlet(`alpha`): small alphas skew labels |
| `sizes` | rows at random, as many as a share drawn from Dirichlet(`alpha`): small alphas skew sizes |
| `shards` | `shards` pieces of the rows in the order of their classes: few classes for each |
| `column` | neighbouring values of a `column`; one for each where there are as many as trainers |
| `module:function` | what somebody's own function says |
"""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.datasets import Rows
from experiments.learning_config import DataConfig
from fl import own
from fl.errors import FedledgerError, UsageError
from fl.examples import IntArray

Values = np.ndarray[Any, Any]
"""A column's numbers or texts [n]."""

OWN_HINT = (
    "Name a function (y, trainers, chance), chance being a numpy generator, that returns for each trainer "
    "the positions of its rows in y: a list of arrays of whole numbers."
)


def partition(
    config: DataConfig, y: IntArray, trainers: int, seed: int, values: Values | None = None
) -> list[Rows]:
    """Divide rows with classes `y` int64 [n] among trainers: positions in `y`, sorted, none twice.

    `values` are those of the column that the configuration names. Raises UsageError for a trainer that is
    left without rows, and as each kind does.
    """
    if not 1 <= trainers <= len(y):
        raise UsageError(
            f"{trainers} trainers cannot divide {len(y)} training rows.", "Each of them needs one."
        )
    chance = np.random.default_rng(seed)
    match config.partition:
        case "iid":
            parts = iid(y, trainers, chance)
        case "dirichlet":
            parts = dirichlet(y, trainers, chance, config.alpha)
        case "sizes":
            parts = sizes(y, trainers, chance, config.alpha)
        case "shards":
            parts = shards(y, trainers, chance, config.shards)
        case "column":
            assert values is not None, "the configuration names the column"
            parts = by_value(values, trainers)
        case name:
            parts = _own(name, y, trainers, chance)
    _refuse_empty(parts)
    return [np.sort(part) for part in parts]


def iid(y: IntArray, trainers: int, chance: np.random.Generator) -> list[Rows]:
    """Shuffle, then cut into equal parts."""
    return np.array_split(chance.permutation(len(y)), trainers)


def dirichlet(y: IntArray, trainers: int, chance: np.random.Generator, alpha: float) -> list[Rows]:
    """Give each trainer a share of every class, drawn from Dirichlet(alpha).

    Hsu, Qi and Brown (2019), arXiv:1909.06335.
    """
    pieces = [_deal(np.flatnonzero(y == number), trainers, alpha, chance) for number in np.unique(y)]
    return [np.concatenate(part) for part in zip(*pieces, strict=True)]


def sizes(y: IntArray, trainers: int, chance: np.random.Generator, alpha: float) -> list[Rows]:
    """Give each trainer a share of all rows, drawn from Dirichlet(alpha): quantity skew.

    Li, Diao, Chen and He (2022), arXiv:2102.02079.
    """
    return _deal(np.arange(len(y)), trainers, alpha, chance)


def _deal(rows: Rows, trainers: int, alpha: float, chance: np.random.Generator) -> list[Rows]:
    shares = chance.dirichlet(np.full(trainers, alpha))
    cuts = np.round(np.cumsum(shares)[:-1] * len(rows)).astype(np.intp)
    return np.split(chance.permutation(rows), cuts)


def shards(y: IntArray, trainers: int, chance: np.random.Generator, each: int) -> list[Rows]:
    """Sort the rows by class, cut them into equal shards, and deal so many to `each` trainer.

    McMahan, Moore, Ramage, Hampson and Agüera y Arcas (2017), arXiv:1602.05629. Raises UsageError for more
    shards than rows.
    """
    if trainers * each > len(y):
        raise UsageError(
            f"{trainers} trainers with {each} shards each need {trainers * each:,} rows, "
            f"and there are {len(y):,} to train on.",
            "Set data.shards lower, or have fewer trainers.",
        )
    shuffled = chance.permutation(len(y))  # which rows of a class come together is chance too
    pieces = np.array_split(shuffled[np.argsort(y[shuffled], kind="stable")], trainers * each)
    dealt = chance.permutation(trainers * each).reshape(trainers, each)
    return [np.concatenate([pieces[shard] for shard in own_shards]) for own_shards in dealt]


def by_value(values: Values, trainers: int) -> list[Rows]:
    """Cut the rows, in the order of a column's values, where a value ends and next to equal parts.

    Raises UsageError for fewer values than trainers.
    """
    found, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(found) < trainers:
        raise UsageError(
            f"The column has {len(found)} different values, too few for {trainers} trainers.",
            "Have at most a trainer for each value.",
        )
    ends, cuts = np.cumsum(counts), [0]
    for number in range(1, trainers):
        nearest = int(np.abs(ends - number * len(values) / trainers).argmin()) + 1
        cuts.append(min(max(nearest, cuts[-1] + 1), len(found) - trainers + number))
    return [
        np.flatnonzero((places >= low) & (places < high))
        for low, high in zip(cuts, [*cuts[1:], len(found)], strict=True)
    ]


def _own(name: str, y: IntArray, trainers: int, chance: np.random.Generator) -> list[Rows]:
    function = own.find(name, "a partition", OWN_HINT)
    try:
        found = [np.asarray(part) for part in function(y.copy(), trainers, chance)]  # type: ignore[operator]  # what is no function fails here
    except FedledgerError:
        raise
    except (Exception, SystemExit) as error:  # somebody else's code may raise anything
        raise UsageError(f"{name} cannot divide these rows: {own.said(error)}.", OWN_HINT) from error
    _check_own(name, found, len(y), trainers)
    return [part.astype(np.intp) for part in found]


def _check_own(name: str, parts: list[Values], rows: int, trainers: int) -> None:
    if len(parts) != trainers:
        raise UsageError(
            f"{name} returns {_counted(len(parts), 'part')} for {_counted(trainers, 'trainer')}.", OWN_HINT
        )
    if any(part.ndim != 1 or (part.size and part.dtype.kind not in "iu") for part in parts):
        raise UsageError(f"{name} returns parts that are no lists of whole numbers.", OWN_HINT)
    everything = np.concatenate(parts)
    if everything.size and (everything.min() < 0 or everything.max() >= rows):
        raise UsageError(f"{name} returns positions outside of the {rows:,} rows, from 0.", OWN_HINT)
    if len(np.unique(everything)) < len(everything):
        raise UsageError(f"{name} gives a row to a trainer twice, or to two of them.", OWN_HINT)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _refuse_empty(parts: list[Rows]) -> None:
    empty = [str(number) for number, part in enumerate(parts, start=1) if len(part) == 0]
    if empty:
        raise UsageError(
            f"The partition leaves trainer {', '.join(empty)} without rows.",
            "Choose a larger alpha, fewer trainers or another seed.",
        )
