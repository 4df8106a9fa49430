"""Which of Flower's strategies are supported: what terms say of each, and a strategy made of what they say.

A rule in terms is a class and the arguments that decide its aggregate. How metrics are averaged is no part of
it: Flower's own weighted mean is what a manifest has, whatever `train_metrics_aggr_fn` a strategy was given.

A subclass of a supported strategy is a rule of one's own, named `module:Class`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from numbers import Integral, Real
from typing import Any, cast

from flwr.serverapp.strategy import (
    Bulyan,
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedMedian,
    FedProx,
    FedTrimmedAvg,
    FedYogi,
    Krum,
    MultiKrum,
    QFedAvg,
    Strategy,
)
from pydantic import ValidationError

from aggregator import flower
from aggregator.memory import NOTHING, Base, Memory, Moments, Momentum
from fl import documents
from fl.canonical import Setting, decode_settings, encode_settings
from fl.errors import DocumentError, UsageError
from fl.messages import EXAMPLES

WEIGHT_KEY = "weighted_by_key"


@dataclass(frozen=True)
class Supported:
    """What terms say of one strategy, what it remembers, and how far machines agree on its aggregate.

    `arguments`: the constructor's, each with an attribute of its name, and what they are. `streams`: it looks
    at one update after the other. `loose`: fields of a manifest whose last digits may differ between
    machines, because a library may reorder what it adds up; empty for element-wise arithmetic in chain order.
    """

    strategy: type[FedAvg]
    arguments: Mapping[str, type] = field(default_factory=dict)
    memory: Memory = NOTHING
    streams: bool = False
    loose: frozenset[str] = frozenset()


_STEP = {"eta": float, "eta_l": float, "tau": float}
_MOMENTS = {**_STEP, "beta_1": float, "beta_2": float}
_SERVER = {"server_learning_rate": float, "server_momentum": float}
_FAIR = {"client_learning_rate": float, "q": float, "train_loss_key": str}
_MALICIOUS = {"num_malicious_nodes": int}
_WEIGHTS = frozenset({"weights"})
_SELECTED = frozenset({"weights", "metrics"})  # both are added up in the order of selection

SUPPORTED: Mapping[str, Supported] = {
    one.strategy.__name__: one
    for one in (
        Supported(FedAvg, streams=True),  # McMahan et al. (2017), arXiv:1602.05629
        Supported(FedProx, {"proximal_mu": float}, streams=True),  # Li et al. (2020), arXiv:1812.06127
        Supported(FedAvgM, _SERVER, Momentum(), streams=True),  # Hsu et al. (2019), arXiv:1909.06335
        Supported(FedYogi, _MOMENTS, Moments(), streams=True),  # Reddi et al. (2021), arXiv:2003.00295
        Supported(FedAdagrad, _STEP, Moments(), streams=True),
        Supported(
            FedAdam, _MOMENTS, Moments(), streams=True, loose=_WEIGHTS
        ),  # its bias correction is a power
        Supported(QFedAvg, _FAIR, Base(), loose=_WEIGHTS),  # Li et al. (2020), arXiv:1905.10497
        Supported(FedMedian, loose=_WEIGHTS),  # Yin et al. (2018), arXiv:1803.01498
        Supported(FedTrimmedAvg, {"beta": float}, loose=_WEIGHTS),
        Supported(Krum, _MALICIOUS, loose=_WEIGHTS),  # Blanchard et al. (2017), arXiv:1703.02757
        Supported(MultiKrum, {**_MALICIOUS, "num_nodes_to_select": int}, loose=_SELECTED),
        Supported(Bulyan, _MALICIOUS, loose=_SELECTED),  # El Mhamdi et al. (2018), arXiv:1802.07927
    )
}
STREAMING = frozenset(one.strategy for one in SUPPORTED.values() if one.streams)
"""Strategies that read one update after the other, once, and change nothing of it."""
OWN_LOOSE = frozenset({"weights", "state", "metrics"})
"""What a rule of one's own decides: nobody knows how it adds up."""

_REASONS = {
    "FedXgb": "It joins trees, so its model grows with every round, and terms fix every tensor's shape.",
    "DifferentialPrivacy": "It adds noise at the server, which nobody can replay: add it at the sites.",
}
_OLD = "It is of Flower's older interface: take its namesake of flwr.serverapp.strategy."
_SELECTION = Bulyan().selection_rule


# --- a strategy as terms name it, and back


def describe(strategy: Strategy) -> documents.Rule:
    """The rule that a strategy is: its class and the arguments that decide the aggregate.

    Raises UsageError for a strategy that is not supported, and for arguments that no terms can hold.
    """
    kind = type(strategy)
    supported = family(kind)
    if kind is Bulyan and vars(strategy)["selection_rule"] is not _SELECTION:
        raise UsageError("Bulyan with another selection_rule cannot be named in terms.", _SUBCLASS)
    values = {name: getattr(strategy, name) for name in supported.arguments}
    if (key := getattr(strategy, WEIGHT_KEY)) != EXAMPLES:
        values[WEIGHT_KEY] = key
    try:
        return documents.Rule(name=_name(kind, supported), arguments=encode_settings(_plain(kind, values)))
    except DocumentError as error:  # not finite
        raise UsageError(f"{kind.__name__} cannot stand in terms: {error.message}") from error
    except ValidationError as error:
        raise UsageError(f"{kind.__qualname__:.50} cannot stand in terms: its name is too long.") from error


def complete(name: str, arguments: Mapping[str, Setting]) -> documents.Rule:
    """The rule of a supported class with these arguments, and Flower's defaults for the others.

    Raises UsageError for a class that is not supported, and for arguments that it refuses.
    """
    return describe(_construct(name, arguments))


def make(rule: documents.Rule, **sampling: Any) -> FedAvg:
    """A strategy of this rule; `sampling`: arguments that do not decide the aggregate.

    Raises UsageError for a rule that is not supported, and for terms that leave out an argument.
    """
    strategy = _construct(rule.name, decode_settings(rule.arguments), **sampling)
    demand_same(rule, describe(strategy))
    return strategy


def _construct(name: str, arguments: Mapping[str, Setting], **sampling: Any) -> FedAvg:
    kind = named(name).strategy
    plain = _plain(kind, arguments)
    if missing := [needed for needed in _needed(kind) if needed not in plain]:
        raise UsageError(f"{name} needs its argument {', '.join(missing)}.")
    try:
        with flower.quiet():
            return kind(**cast(dict[str, Any], plain), **sampling)
    except ValueError as error:
        raise UsageError(f"{name} refuses its arguments: {error}") from error


def _needed(kind: type[FedAvg]) -> list[str]:
    parameters = signature(kind).parameters
    return [name for name in family(kind).arguments if parameters[name].default is Parameter.empty]


def named(name: str) -> Supported:
    """The supported strategy of this class name. Raises UsageError for any other name."""
    supported = SUPPORTED.get(name)
    if supported is None and ":" in name:
        raise UsageError(
            f"The aggregation rule {name} is somebody's own, and is not at hand.",
            "To verify with it, pass --strategy module:attr.",
        )
    if supported is None:
        raise UsageError(f"The aggregation rule {name!r} is not supported. {_reason(name)}".rstrip(), _KNOWN)
    return supported


def family(kind: type) -> Supported:
    """The supported strategy that `kind` is, or is derived from. Raises UsageError when there is none."""
    theirs = next((one for one in kind.__mro__ if one.__module__.startswith("flwr.")), object)
    supported = SUPPORTED.get(theirs.__name__)
    if supported is None or supported.strategy is not theirs:
        reason = _OLD if supported else _reason(theirs.__name__)
        raise UsageError(f"The strategy {kind.__name__} is not supported. {reason}".rstrip(), _KNOWN)
    return supported


def _reason(name: str) -> str:
    return next((reason for start, reason in _REASONS.items() if name.startswith(start)), "")


_KNOWN = f"Take {', '.join(SUPPORTED)}, or a class of your own that is derived from one of them."
_SUBCLASS = "Derive a class of your own from it, at the top level of a module that others can import."


def _name(kind: type, supported: Supported) -> str:
    if kind is supported.strategy:
        return kind.__name__
    if kind.__module__ == "__main__" or "<" in kind.__qualname__:
        raise UsageError(f"Nobody else could find the class {kind.__qualname__} to verify with.", _SUBCLASS)
    return f"{kind.__module__}:{kind.__qualname__}"


_KINDS: Mapping[type, tuple[type, str]] = {
    float: (Real, "a number"),
    int: (Integral, "a whole number"),
    str: (str, "a text"),
}


def _plain(kind: type, values: Mapping[str, Any]) -> dict[str, Setting]:
    """Arguments in the one type that each has in a document: 1 is 1.0 where a number may have a fraction."""
    types, plain = {**family(kind).arguments, WEIGHT_KEY: str}, dict[str, Setting]()
    for name, value in values.items():
        if name not in types:
            raise UsageError(
                f"{kind.__name__} takes no argument {name}.", f"It takes {', '.join(sorted(types))}."
            )
        wanted, words = _KINDS[types[name]]
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise UsageError(f"{name} of {kind.__name__} must be {words}, and it is {value!r:.100}.")
        plain[name] = types[name](value)
    return plain


def demand_same(rule: documents.Rule, found: documents.Rule) -> None:
    """Terms name every argument, in its one spelling: what they leave out, defaults would decide."""
    if rule != found:
        raise UsageError(
            f"The terms name the rule {_shown(rule)}, and the strategy is {_shown(found)}.",
            "They must be the same, argument by argument.",
        )


def _shown(rule: documents.Rule) -> str:
    return f"{rule.name}({', '.join(f'{name}={value!r}' for name, value in sorted(rule.arguments.items()))})"
