"""Models by name: terms say which builder and which settings; a document never brings code.

A new model is one function: it gets its settings, the number of inputs and that of classes, and returns a
module from float32 [n, inputs] to logits [n, classes]. One that ships with us has `@builder("name")` in
`fl.learning.architectures`; one of a person's own is named `module:attribute` by that person (`name_own`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import cast

import torch
from torch import nn

from fl import own
from fl.canonical import Setting, decode_settings
from fl.documents import Model
from fl.errors import UsageError
from fl.learning import architectures, faults
from fl.learning.architectures import Builder
from fl.learning.state import read_state, seeded
from fl.weights import Arrays

OWN_HINT = "Name a function (settings, inputs, classes) that returns a torch module: module:function."


def name_own(name: str, called: str | None = None) -> None:
    """Make the function `module:attribute` available to terms that call it so, or `called`.

    Runs the module's code, so `name` must be what somebody typed, never what a document says. Raises
    UsageError when there is no such function, and for a `called` that is an installed model's.
    """
    if called and not own.is_own(called):
        raise UsageError(f"The model is the installed {called!r}, and {name} cannot take its place.")
    found = own.find(name, "a model", OWN_HINT)
    if not callable(found):
        raise UsageError(f"{name} is no function, but {type(found).__name__}.", OWN_HINT)
    architectures.BUILDERS[called or name] = _guarded(name, cast(Builder, found))


def _guarded(name: str, function: Builder) -> Builder:
    """Somebody else's function, whose mistakes become sentences."""

    def build_own(settings: Mapping[str, Setting], inputs: int, classes: int) -> nn.Module:
        try:
            module = function(settings, inputs, classes)
        except (Exception, SystemExit) as error:  # somebody else's code may raise anything
            raise UsageError(f"The model {name} cannot be built: {own.said(error)}.", OWN_HINT) from error
        if not isinstance(module, nn.Module):
            raise UsageError(f"{name} returns no torch module, but {type(module).__name__}.", OWN_HINT)
        faults.mark(module, name)
        return module

    return build_own


def build(model: Model, inputs: int, classes: int) -> nn.Module:
    """Build the model that terms name; its weights mean nothing yet.

    Raises UsageError for a builder that is not installed, or settings that it does not have.
    """
    return _build(model, inputs, classes, seed=0)


def shapes(model: Model, inputs: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a model's state, in order. Raises UsageError as `build` does.

    It costs nothing: no numbers are allocated, except by a person's own function, which may work with them.
    """
    with nullcontext() if own.is_own(model.builder) else torch.device("meta"):
        module = build(model, inputs, classes)
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def initial_weights(model: Model, inputs: int, classes: int, seed: int) -> Arrays:
    """The weights that a task starts from: torch's own initialisation, drawn from `seed` (below 2^63)."""
    return read_state(_build(model, inputs, classes, seed))


def demand_usable(model: Model, inputs: int, classes: int) -> None:
    """Try a model on two rows of zeros. Raises UsageError unless it gives float32 logits [2, classes]."""
    module = build(model, inputs, classes).eval()
    if not module.state_dict():
        raise UsageError(f"The model {model.builder} has nothing to train.")
    try:
        with torch.inference_mode():
            found = _shape(module(torch.zeros(2, inputs)))
    except Exception as error:  # somebody else's code may raise anything
        sentence = f"The model {model.builder} cannot be used on rows of {inputs} numbers: {own.said(error)}."
        raise UsageError(sentence, OWN_HINT) from error
    if found != (expected := f"a float32 tensor of shape {(2, classes)}"):
        raise UsageError(
            f"For 2 rows and {classes} classes the model {model.builder} must return {expected}: "
            f"for each row, a number for each class. It returns {found}."
        )


def _shape(found: object) -> str:
    if not isinstance(found, torch.Tensor):
        return f"no tensor, but {type(found).__name__}"
    return f"a {str(found.dtype).removeprefix('torch.')} tensor of shape {tuple(found.shape)}"


def _build(model: Model, inputs: int, classes: int, seed: int) -> nn.Module:
    found = architectures.BUILDERS.get(model.builder)
    if found is None:
        raise _unknown(model.builder)
    with seeded(seed):  # layers draw from torch's global generator
        return found(decode_settings(model.settings), inputs, classes)


def _unknown(name: str) -> UsageError:
    if own.is_own(name):
        return UsageError(
            f"The model {name} is somebody's own, and is not at hand.",
            "To verify with it, pass --model module:function.",
        )
    known = ", ".join(sorted(known for known in architectures.BUILDERS if not own.is_own(known)))
    return UsageError(f"There is no model {name!r}.", f"There are: {known}.")
