"""How good weights are on examples: log loss, accuracy and AUC, always finite, and utilities as integers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from fl.errors import UsageError
from fl.examples import FloatArray, IntArray
from fl.learning import faults
from fl.learning.state import load_state, one_thread, read_state
from fl.weights import Arrays

Logits = np.ndarray[Any, np.dtype[np.float64]]
Kind = Literal["log_loss", "auc", "accuracy"]

MAX_LOG_LOSS = 100.0
"""In nats. Log loss is cut off here, so that one absurd model cannot outweigh everything else."""

_ROWS, _IMAGES = 1 << 14, 1 << 9  # at a time: what the layers hold meanwhile grows with them

WORST: dict[Kind, int] = {"log_loss": -100_000_000, "auc": 0, "accuracy": 0}
"""The utility of a model whose outputs are not finite."""


def metrics(module: nn.Module, arrays: Arrays, x: FloatArray, y: IntArray) -> dict[str, float]:
    """`log_loss` (nats, at most 100), `accuracy` and `auc` of weights on x float32 [n, d], y int64 [n].

    The module is left with these weights. Raises WeightsError when they are not its own.
    """
    outputs = logits(module, arrays, torch.tensor(x))
    return {"log_loss": log_loss(outputs, y), "accuracy": accuracy(outputs, y), "auc": auc(outputs, y)}


class Utility:
    """The utility of weights in integer millionths: negative log loss, AUC or accuracy; more is better.

    Outputs that are not finite count as WORST. It has its own module, for one thread at a time. Raises
    UsageError, at once, for examples of classes that the module does not tell apart.
    """

    def __init__(self, module: nn.Module, x: FloatArray, y: IntArray, kind: Kind) -> None:
        with faults.named(module):
            self._module = copy.deepcopy(module)
        self._inputs, self._y = torch.tensor(x), y
        self._kind: Kind = kind
        classes = logits(self._module, read_state(self._module), self._inputs[:1]).shape[1]
        if y.max() >= classes:
            raise UsageError(
                f"These examples have a class {y.max()}; the model tells classes 0 to {classes - 1}."
            )

    def __call__(self, arrays: Arrays) -> int:
        """The utility of weights."""
        return self.of_outputs(self.outputs(arrays))

    def outputs(self, arrays: Arrays) -> Logits:
        """What a model of these weights says of every row: float64 [n, classes], perhaps not finite."""
        return logits(self._module, arrays, self._inputs)

    def of_outputs(self, outputs: Logits, step: int = 1) -> int:
        """The utility of outputs of every row, or of every `step`-th."""
        if not np.isfinite(outputs).all():
            return WORST[self._kind]
        return round(1e6 * _MEASURES[self._kind](outputs, self._y[::step]))


def logits(module: nn.Module, arrays: Arrays, x: torch.Tensor) -> Logits:
    """What the model says of every row: float64 [n, classes], perhaps not finite."""
    one_thread()
    with faults.named(module):
        load_state(module, arrays)
        module.eval()
        with torch.inference_mode():
            parts = torch.split(x, _IMAGES if _convolves(module) else _ROWS)
            outputs: Logits = torch.cat([module(rows).double() for rows in parts]).numpy()
    return outputs


def _convolves(module: nn.Module) -> bool:
    """Whether a row may become as many numbers as it has pixels and a layer has filters."""
    return any(isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d) for layer in module.modules())


def log_loss(outputs: Logits, y: IntArray) -> float:
    """Mean negative log likelihood in nats, cut off at 100."""
    with np.errstate(over="ignore", invalid="ignore"):
        top = outputs.max(axis=1, keepdims=True)
        log_total = np.log(np.exp(outputs - top).sum(axis=1)) + top[:, 0]
        loss = float(np.mean(log_total - outputs[np.arange(len(y)), y]))
    return min(loss, MAX_LOG_LOSS) if np.isfinite(loss) else MAX_LOG_LOSS


def accuracy(outputs: Logits, y: IntArray) -> float:
    """The part of rows whose highest output is their class; outputs that are not finite are wrong."""
    right = (outputs.argmax(axis=1) == y) & np.isfinite(outputs).all(axis=1)
    return float(np.count_nonzero(right)) / len(y)


def auc(outputs: Logits, y: IntArray) -> float:
    """Area under the ROC curve, the plain mean of each class against the rest; ties count half.

    A class without rows, or with all of them, is left out; with none left it is 0.5. Outputs that are not
    finite give 0.
    """
    if not np.isfinite(outputs).all():
        return 0.0
    counts = np.bincount(y, minlength=outputs.shape[1])
    areas = [
        _area(_against_rest(outputs, number), y == number)
        for number, count in enumerate(counts)
        if 0 < count < len(y)
    ]
    return sum(areas) / len(areas) if areas else 0.5


def _against_rest(outputs: Logits, number: int) -> Logits:
    """The log odds of one class: unlike its probability, they do not run into 1."""
    rest: Logits = np.logaddexp.reduce(np.delete(outputs, number, axis=1), axis=1)
    return outputs[:, number] - rest


def _area(scores: Logits, positive: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    """Mann and Whitney's U by mid-ranks, doubled so that all but the last division is in integers."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    doubled_ranks = (2 * np.cumsum(counts) - counts + 1)[place]
    positives = int(np.count_nonzero(positive))
    negatives = len(scores) - positives
    doubled_u = int(doubled_ranks[positive].sum()) - positives * (positives + 1)
    return doubled_u / (2 * positives * negatives)


def _negative_log_loss(outputs: Logits, y: IntArray) -> float:
    return -log_loss(outputs, y)


_MEASURES: dict[Kind, Callable[[Logits, IntArray], float]] = {
    "log_loss": _negative_log_loss,
    "auc": auc,
    "accuracy": accuracy,
}
