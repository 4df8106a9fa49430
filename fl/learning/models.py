"""Models by name: terms say which builder and which settings; a document never brings code.

A new model is one function with `@builder("name")`: it gets its settings, the number of inputs and that of
classes, and returns a module from float32 [n, inputs] to logits [n, classes].
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import nn

from fl.canonical import Setting, decode_settings
from fl.documents import Model
from fl.errors import UsageError
from fl.learning.state import read_state
from fl.weights import Arrays

Builder = Callable[[Mapping[str, Setting], int, int], nn.Module]

MAX_LAYERS = 16
MAX_WIDTH = 4096

_BUILDERS: dict[str, Builder] = {}
_RANDOMNESS = threading.Lock()


def builder(name: str) -> Callable[[Builder], Builder]:
    """Make a function available to terms under `name`."""

    def register(function: Builder) -> Builder:
        _BUILDERS[name] = function
        return function

    return register


def build(model: Model, inputs: int, classes: int) -> nn.Module:
    """Build the model that terms name; its weights mean nothing yet.

    Raises UsageError for a builder that is not installed, or settings that it does not have.
    """
    return _build(model, inputs, classes, seed=0)


def shapes(model: Model, inputs: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a model's state, in order, at no cost: nothing is allocated for its numbers.

    Raises UsageError as `build` does.
    """
    with torch.device("meta"):
        module = build(model, inputs, classes)
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def initial_weights(model: Model, inputs: int, classes: int, seed: int) -> Arrays:
    """The weights that a task starts from: torch's own initialisation, drawn from `seed` (below 2^63)."""
    return read_state(_build(model, inputs, classes, seed))


def _build(model: Model, inputs: int, classes: int, seed: int) -> nn.Module:
    found = _BUILDERS.get(model.builder)
    if found is None:
        raise UsageError(
            f"There is no model {model.builder!r}.", f"There are: {', '.join(sorted(_BUILDERS))}."
        )
    with _seeded(seed):
        return found(decode_settings(model.settings), inputs, classes)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Layers draw from torch's global generator: seed it, then put it back, one thread at a time."""
    with _RANDOMNESS, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@builder("logistic")
def logistic(settings: Mapping[str, Setting], inputs: int, classes: int) -> nn.Module:
    """Multinomial logistic regression; no settings."""
    _only(settings)
    return nn.Sequential(OrderedDict(output=nn.Linear(inputs, classes)))


@builder("mlp")
def mlp(settings: Mapping[str, Setting], inputs: int, classes: int) -> nn.Module:
    """A multi-layer perceptron with ReLU; `hidden` lists the widths of its hidden layers."""
    _only(settings, "hidden")
    widths = (inputs, *_widths(settings.get("hidden")))
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
        layers[f"hidden{number}"] = nn.Linear(fan_in, fan_out)
        layers[f"relu{number}"] = nn.ReLU()
    layers["output"] = nn.Linear(widths[-1], classes)
    return nn.Sequential(layers)


def _only(settings: Mapping[str, Setting], *known: str) -> None:
    for name in settings:
        if name not in known:
            allowed = f"Its settings are: {', '.join(known)}." if known else "It has no settings."
            raise UsageError(f"This model has no setting {name!r}.", allowed)


def _widths(value: Setting | None) -> tuple[int, ...]:
    widths = value if isinstance(value, tuple) else ()
    good = tuple(width for width in widths if type(width) is int and 1 <= width <= MAX_WIDTH)
    if not 1 <= len(widths) <= MAX_LAYERS or len(good) != len(widths):
        raise UsageError(
            f"The setting 'hidden' of an mlp is {value!r}.",
            f"It lists 1 to {MAX_LAYERS} widths between 1 and {MAX_WIDTH}, such as [32, 16].",
        )
    return good
