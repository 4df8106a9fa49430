"""Small cooperative games of models: utilities without torch, updates, and terms to score them by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from aggregator.types import Update
from fl.learning.evaluation import log_loss

Floats = np.ndarray[Any, np.dtype[np.float64]]
ROWS, INPUTS, CLASSES = 40, 6, 3


class Modelled:
    """The log loss of a model whose outputs are a function of inputs [rows, inputs] and weights w."""

    def __init__(self, outputs: Callable[[Floats, Floats], Floats], seed: int = 0) -> None:
        chance = np.random.default_rng(seed)
        self.x, self.y = chance.normal(size=(ROWS, INPUTS)), chance.integers(0, CLASSES, ROWS)
        self.model = outputs
        self.measured: list[int] = []

    def __call__(self, coalition: int, arrays: dict[str, Floats], /) -> int:
        return self.outputs(coalition, arrays)[0]

    def outputs(self, coalition: int, arrays: dict[str, Floats], /) -> tuple[int, Floats]:
        self.measured.append(coalition)
        outputs = self.model(self.x, arrays["w"])
        return self.of_outputs(coalition, outputs), outputs

    def of_outputs(self, coalition: int, outputs: Floats, /) -> int:
        return -round(1e6 * log_loss(outputs, self.y))


def linear(x: Floats, w: Floats) -> Floats:
    """A logistic model."""
    return x @ w


def quadratic(x: Floats, w: Floats) -> Floats:
    """Outputs of the second degree in the weights."""
    return x @ w + (x @ w) ** 2 / 3 - (x @ w[:, ::-1]) * (x @ w) / 5


def bent(x: Floats, w: Floats) -> Floats:
    """Outputs of no degree at all, as a network has them."""
    return 3 * np.tanh(x @ w) + np.maximum(x @ w[:, ::-1], 0)


def players(count: int, seed: int = 1, size: float = 0.5) -> tuple[list[Update], dict[str, Floats]]:
    """So many updates of different sizes, and the base that they started from."""
    chance = np.random.default_rng(seed)
    base = {"w": chance.normal(size=(INPUTS, CLASSES)) * 0.1}
    made = [
        Update(
            f"trainer {i}",  # type: ignore[arg-type]  # a name will do
            {"w": base["w"] + chance.normal(size=(INPUTS, CLASSES)) * size},
            int(chance.integers(20, 200)),
            {},
        )
        for i in range(count)
    ]
    return made, base
