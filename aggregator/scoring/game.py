"""One round's updates as a cooperative game: the model of every coalition, and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from aggregator.scoring.table import Table
from aggregator.types import Outputs, Update, Utility
from fl import weights


def coalition(mask: int, updates: Sequence[Update], base: weights.Arrays) -> weights.Arrays:
    """The examples-weighted mean of all updates, where whoever is not in the coalition stands still.

    It counts with the base in place of its update, so that an update which is the base changes nothing in any
    coalition. Float64 inside, added up in chain order and the base last, then cast to the base's dtypes:
    element-wise, so the same bits everywhere.
    """
    members = [update for i, update in enumerate(updates) if mask >> i & 1]
    if not members:
        return base
    total = sum(update.examples for update in updates)
    still = total - sum(update.examples for update in members)
    mean = {}
    for name in base:
        summed = np.zeros(base[name].shape, np.float64)
        for update in members:
            summed += update.arrays[name].astype(np.float64) * update.examples
        if still:
            summed += base[name].astype(np.float64) * still
        mean[name] = summed / total
    return weights.cast_like(mean, base)


class Game:
    """A round's coalitions: each utility that is asked for is measured once, and stays in the table.

    Holds all updates, and three models more for the coalition's own.
    """

    def __init__(self, updates: Sequence[Update], base: weights.Arrays, utility: Utility) -> None:
        self.examples = tuple(update.examples for update in updates)
        self._updates = [replace(update, arrays=dict(update.arrays)) for update in updates]
        self._base = base
        self._utility = utility
        self._true: dict[int, int] = {}
        self._surrogate: dict[int, int] = {}

    @property
    def players(self) -> int:
        """How many trainers take part."""
        return len(self._updates)

    @property
    def everybody(self) -> int:
        """The coalition of all."""
        return (1 << self.players) - 1

    @property
    def table(self) -> Table:
        """Everything that was measured."""
        return Table(self._true, self._surrogate)

    def __call__(self, mask: int) -> int:
        """The utility of a coalition's model."""
        if mask not in self._true:
            self._true[mask] = self._utility(mask, self._model(mask))
        return self._true[mask]

    def outputs(self, mask: int) -> Outputs:
        """What a coalition's model says of the validation rows, float64 [rows, classes]; measures it too."""
        self._true[mask], outputs = self._utility.outputs(mask, self._model(mask))
        return outputs

    def mixed(self, mask: int, outputs: Outputs) -> int:
        """The utility of outputs that stand in for those of a coalition's model."""
        self._surrogate[mask] = self._utility.of_outputs(mask, outputs)
        return self._surrogate[mask]

    def _model(self, mask: int) -> weights.Arrays:
        return coalition(mask, self._updates, self._base)
