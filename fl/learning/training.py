"""Local training: stochastic gradient descent on one site's examples, the same for the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields

import torch
from torch import nn
from torch.optim.sgd import sgd

from fl.canonical import Setting
from fl.errors import UsageError
from fl.examples import FloatArray, IntArray
from fl.learning import faults
from fl.learning.evaluation import metrics
from fl.learning.state import load_state, one_thread, read_state, seeded
from fl.weights import Arrays


@dataclass(frozen=True)
class Training:
    """How one round is trained at a site; the `training` settings of the terms."""

    learning_rate: float
    epochs: int = 1
    batch_size: int = 32
    momentum: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        self._demand("learning_rate", "a number above 0", lambda value: value > 0)
        self._demand("momentum", "a number from 0 to below 1", lambda value: 0 <= value < 1)
        self._demand("weight_decay", "0 or more", lambda value: value >= 0)
        for name in ("epochs", "batch_size"):
            self._demand(name, "a whole number from 1", lambda value: type(value) is int and value >= 1)

    def _demand(self, name: str, expected: str, good: Callable[[float], bool]) -> None:
        value = getattr(self, name)
        if type(value) not in (int, float) or not math.isfinite(value) or not good(value):
            raise UsageError(f"The training setting {name} is {value!r}.", f"It must be {expected}.")

    @classmethod
    def of(cls, settings: Mapping[str, Setting]) -> Training:
        """Read settings; raises UsageError for an unknown or missing one, or a value that makes no sense."""
        known = [field.name for field in fields(cls)]
        for name in settings:
            if name not in known:
                raise UsageError(
                    f"Training has no setting {name!r}.", f"Its settings are: {', '.join(known)}."
                )
        if "learning_rate" not in settings:
            raise UsageError("The training settings have no learning_rate.")
        return cls(**dict(settings))  # type: ignore[arg-type]  # each value is checked above


def train(
    module: nn.Module, arrays: Arrays, x: FloatArray, y: IntArray, settings: Training, seed: int
) -> tuple[Arrays, dict[str, float]]:
    """Train from `arrays` on x float32 [n, d], y int64 [n]; return new arrays and metrics on the same rows.

    The metrics are `loss` (nats, at most 100) and `accuracy` after training. The module is left with the new
    weights. `seed` (below 2^63) draws the batches, and what dropout leaves out; torch's global generator is
    left as it was found.
    Raises UsageError without rows, WeightsError when the arrays are not the module's, OwnCodeError for what
    a module of somebody's own raises.
    """
    if len(y) == 0:
        raise UsageError("There are no rows to train on.")
    one_thread()
    with faults.named(module):
        load_state(module, arrays)
        with seeded(seed ^ 1):  # for what the model itself draws: another stream than that of the batches
            _descend(module, torch.tensor(x), torch.tensor(y), settings, seed)
        trained = read_state(module)
    measured = metrics(module, trained, x, y)
    return trained, {"loss": measured["log_loss"], "accuracy": measured["accuracy"]}


def _descend(module: nn.Module, x: torch.Tensor, y: torch.Tensor, settings: Training, seed: int) -> None:
    module.train()
    moving: _Momenta = dict.fromkeys(module.parameters())
    for rows in _batches(len(y), settings, seed):
        module.zero_grad()
        nn.functional.cross_entropy(module(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        _step(moving, settings)


_Momenta = dict[nn.Parameter, torch.Tensor | None]


def _step(momenta: _Momenta, settings: Training) -> None:
    """A step of torch.optim.SGD, by its functional form: the class imports the whole compiler of torch."""
    parameters = [parameter for parameter in momenta if parameter.grad is not None]
    buffers = [momenta[parameter] for parameter in parameters]
    with torch.no_grad():
        sgd(
            [*parameters],
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            buffers,
            foreach=False,
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
    momenta.update(zip(parameters, buffers, strict=True))


def _batches(count: int, settings: Training, seed: int) -> Iterator[torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    for _ in range(settings.epochs):
        yield from torch.split(torch.randperm(count, generator=chance), settings.batch_size)
