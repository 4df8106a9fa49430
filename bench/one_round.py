"""One round's updates, and what every coalition of them is worth, as a bench of scoring needs them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from torch import nn

from aggregator import scoring
from aggregator.scoring.game import Game
from aggregator.types import Outputs, Update
from aggregator.utilities import Measured
from fl.examples import FloatArray, IntArray
from fl.learning.evaluation import Kind, Utility
from fl.learning.state import read_state
from fl.learning.training import Training, train
from fl.weights import Arrays

TRAINING = Training(learning_rate=0.1, epochs=2, batch_size=16)
ALPHA, FEWEST_ROWS = 0.5, 3
DATA = {"digits": load_digits, "breast cancer": load_breast_cancer}


def model(name: str, columns: int, classes: int) -> nn.Module:
    """An MLP, a deep MLP, or a CNN for images of 8 by 8; the same initial weights every time."""
    torch.manual_seed(0)
    if name == "MLP":
        return nn.Sequential(nn.Linear(columns, 64), nn.ReLU(), nn.Linear(64, classes))
    if name == "deep MLP":
        first, last = nn.Linear(columns, 128), nn.Linear(64, classes)
        return nn.Sequential(first, nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), last)
    convolutions = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    convolutions += [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *convolutions, nn.Flatten(), nn.Linear(128, classes))


class OneRound:
    """The updates of one round, `before` rounds of FedAvg after the first; the first `flipping` mislabel.

    A quarter of the rows is for scoring, the rest is divided by Dirichlet(0.5) label skew.
    """

    def __init__(
        self,
        data: str,
        kind: str,
        *,
        seed: int,
        trainers: int,
        before: int = 0,
        flipping: int = 0,
        utility: Kind = "log_loss",
    ) -> None:
        x, y = _rows(data, seed)
        held_out = len(y) // 4
        self._seed, self._x, self._y = seed, x[held_out:], y[held_out:]
        self._parts = _label_skew(self._y, trainers, seed)
        self._flipping = flipping
        self._classes = int(y.max()) + 1
        self._module = model(kind, x.shape[1], self._classes)
        measured = Measured(Utility(self._module, x[:held_out], y[:held_out], utility), step=1)
        self.utility = Remembered(measured)
        self.base = read_state(self._module)
        for number in range(before):
            self.base = scoring.coalition(2**trainers - 1, self._updates(number), self.base)
        self.updates = self._updates(before)

    def game(self) -> Game:
        """The round as a game of which nothing was asked yet."""
        return Game(self.updates, self.base, self.utility)

    def _updates(self, number: int) -> list[Update]:
        return [self._update(trainer, number) for trainer in range(len(self._parts))]

    def _update(self, trainer: int, number: int) -> Update:
        rows = self._parts[trainer]
        y = (self._y[rows] + (trainer < self._flipping)) % self._classes
        seed = (self._seed * 1000 + number) * 1000 + trainer
        arrays, _ = train(self._module, self.base, self._x[rows], y, TRAINING, seed)
        return Update(f"trainer {trainer}", arrays, len(rows), {})


class Remembered:
    """A utility that measures a coalition once, however many games ask."""

    def __init__(self, utility: Measured) -> None:
        self._utility = utility
        self._known: dict[int, tuple[int, Outputs]] = {}
        self.of_outputs = utility.of_outputs

    def __call__(self, coalition: int, arrays: Arrays, /) -> int:
        """The utility of a model."""
        return self.outputs(coalition, arrays)[0]

    def outputs(self, coalition: int, arrays: Arrays, /) -> tuple[int, Outputs]:
        """The utility of a model, and what it says."""
        if coalition not in self._known:
            self._known[coalition] = self._utility.outputs(coalition, arrays)
        return self._known[coalition]


def _rows(data: str, seed: int) -> tuple[FloatArray, IntArray]:
    """Rows in random order, columns centred and scaled."""
    x, y = DATA[data](return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(y))
    scaled = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-6)
    return scaled[order].astype(np.float32), y[order].astype(np.int64)


def _label_skew(y: IntArray, trainers: int, seed: int) -> Sequence[IntArray]:
    """Positions by trainer, drawn again until everybody has some rows."""
    chance = np.random.default_rng(seed)
    while True:
        pieces = [_deal(np.flatnonzero(y == label), trainers, chance) for label in np.unique(y)]
        parts = [np.concatenate(part) for part in zip(*pieces, strict=True)]
        if min(map(len, parts)) >= FEWEST_ROWS:
            return parts


def _deal(rows: IntArray, trainers: int, chance: np.random.Generator) -> list[IntArray]:
    cuts = (np.cumsum(chance.dirichlet([ALPHA] * trainers)) * len(rows)).astype(int)[:-1]
    return np.split(chance.permutation(rows), cuts)
