"""The models that ship with us: logistic regression, a multi-layer perceptron, a small CNN."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from itertools import pairwise
from math import prod

from torch import nn

from fl.canonical import Setting
from fl.errors import UsageError

MAX_LAYERS = 16
MAX_WIDTH = 4096
MAX_CONVOLUTIONS = 4
MAX_CHANNELS = 256
MAX_SIDE = 512
KERNELS = (1, 3, 5, 7)

Settings = Mapping[str, Setting]
Builder = Callable[[Settings, int, int], nn.Module]

BUILDERS: dict[str, Builder] = {}


def builder(name: str) -> Callable[[Builder], Builder]:
    """Make a function available to terms under `name`."""

    def register(function: Builder) -> Builder:
        BUILDERS[name] = function
        return function

    return register


@builder("logistic")
def logistic(settings: Settings, inputs: int, classes: int) -> nn.Module:
    """Multinomial logistic regression; no settings."""
    _only(settings)
    return nn.Sequential(OrderedDict(output=nn.Linear(inputs, classes)))


@builder("mlp")
def mlp(settings: Settings, inputs: int, classes: int) -> nn.Module:
    """A multi-layer perceptron with ReLU.

    `hidden` lists the widths of its hidden layers; `dropout` is what part of each is dropped in training.
    """
    _only(settings, "hidden", "dropout")
    return nn.Sequential(_dense(settings, "mlp", inputs, classes))


@builder("cnn")
def cnn(settings: Settings, inputs: int, classes: int) -> nn.Module:
    """Convolutions with ReLU, each halving the image by max-pooling, then the layers of an `mlp`.

    `image` is the shape of a row as (channels, height, width); `channels` lists the filters of each
    convolution, and `kernel` is the side of each filter. `hidden` and `dropout` are as in an `mlp`.
    """
    _only(settings, "image", "channels", "kernel", "hidden", "dropout")
    depth, *sides = _image(settings.get("image"), inputs)
    filters = _widths(settings.get("channels"), "cnn", "channels", MAX_CONVOLUTIONS, MAX_CHANNELS)
    kernel = _kernel(settings.get("kernel", 3))
    layers: OrderedDict[str, nn.Module] = OrderedDict(image=nn.Unflatten(1, (depth, *sides)))
    for number, (fan_in, fan_out) in enumerate(pairwise((depth, *filters)), start=1):
        layers[f"convolution{number}"] = nn.Conv2d(fan_in, fan_out, kernel, padding=kernel // 2)
        layers[f"relu{number}"] = nn.ReLU()
        layers[f"pool{number}"] = nn.MaxPool2d(2, ceil_mode=True)
        sides = [(side + 1) // 2 for side in sides]
    layers["flat"] = nn.Flatten()
    layers["dense"] = nn.Sequential(_dense(settings, "cnn", filters[-1] * prod(sides), classes))
    return nn.Sequential(layers)


def _dense(settings: Settings, model: str, inputs: int, classes: int) -> OrderedDict[str, nn.Module]:
    widths = (inputs, *_widths(settings.get("hidden"), model, "hidden", MAX_LAYERS, MAX_WIDTH))
    dropout = _dropout(settings.get("dropout", 0.0))
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
        layers[f"hidden{number}"] = nn.Linear(fan_in, fan_out)
        layers[f"relu{number}"] = nn.ReLU()
        if dropout:
            layers[f"dropout{number}"] = nn.Dropout(dropout)
    layers["output"] = nn.Linear(widths[-1], classes)
    return layers


# --- settings


def _only(settings: Settings, *known: str) -> None:
    for name in settings:
        if name not in known:
            allowed = f"Its settings are: {', '.join(known)}." if known else "It has no settings."
            raise UsageError(f"This model has no setting {name!r}.", allowed)


def _widths(value: Setting | None, model: str, name: str, most: int, widest: int) -> tuple[int, ...]:
    widths = value if isinstance(value, tuple) else ()
    good = tuple(width for width in widths if type(width) is int and 1 <= width <= widest)
    if not 1 <= len(widths) <= most or len(good) != len(widths):
        raise UsageError(
            f"The setting {name!r} of the {model} is {value!r}.",
            f"It lists 1 to {most} widths between 1 and {widest}, such as [32, 16].",
        )
    return good


def _dropout(value: Setting) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1:  # type: ignore[operator]  # a number, see left
        raise UsageError(f"The setting 'dropout' is {value!r}.", "It is a number from 0 to below 1.")
    return float(value)  # type: ignore[arg-type]  # as above


def _kernel(value: Setting) -> int:
    if type(value) is not int or value not in KERNELS:
        raise UsageError(
            f"The setting 'kernel' of the cnn is {value!r}.", f"It is one of {', '.join(map(str, KERNELS))}."
        )
    return value


def _image(value: Setting | None, inputs: int) -> tuple[int, ...]:
    shape = value if isinstance(value, tuple) else ()
    good = tuple(side for side in shape if type(side) is int and 1 <= side <= MAX_SIDE)
    if len(good) != 3 or len(shape) != 3:
        raise UsageError(
            f"The setting 'image' of the cnn is {value!r}.",
            f"It is channels, height and width, {MAX_SIDE} each at most, such as [1, 28, 28].",
        )
    if prod(good) != inputs:
        raise UsageError(
            f"Images of {' x '.join(map(str, good))} are {prod(good):,} numbers, and a row has {inputs:,}.",
            "Set model.image to the shape that the rows have.",
        )
    return good
