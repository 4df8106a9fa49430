"""Flower's strategies as aggregation rules: checked updates in, an aggregate and the rule's memory out.

A strategy is made anew for every call, so nothing is remembered but what the state says. A rule of one's own
works wherever its instance is at hand: at its aggregator, and at a verifier who names it. It is copied for
every call; what it keeps in attributes other than those of the strategy that it is derived from is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from copy import deepcopy
from typing import cast

from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg, QFedAvg, Strategy

from aggregator import flower
from aggregator.supported import (
    OWN_LOOSE,
    STREAMING,
    SUPPORTED,
    Supported,
    complete,
    demand_same,
    describe,
    family,
    make,
    named,
)
from aggregator.types import Aggregate, Rule, Update
from fl import documents
from fl.canonical import decode_settings
from fl.errors import UsageError
from fl.weights import DTYPES, Arrays

__all__ = [
    "averages_otherwise",
    "build",
    "complete",
    "copied",
    "demand_suitable",
    "describe",
    "exact",
    "loose",
    "make",
]

# --- what terms must allow, and what machines agree on


def demand_suitable(
    rule: documents.Rule,
    tensors: Sequence[documents.Tensor],
    metrics: Sequence[documents.Metric],
    own: Strategy | None = None,
) -> None:
    """Demand that a model of these tensors, and sites that report these metrics, suit the rule.

    Raises UsageError when they do not: every round would fail.
    """
    supported = family(type(own)) if own else named(rule.name)
    if supported.strategy is not QFedAvg:
        return
    for tensor in tensors:
        if DTYPES[tensor.dtype].kind != "f":
            raise UsageError(
                f"{rule.name} works for models of floats only, and {tensor.name} is {tensor.dtype}.",
                "Leave such tensors (BatchNorm's counter is one) out of what the sites exchange.",
            )
    loss = decode_settings(rule.arguments)["train_loss_key"]
    if loss not in {metric.name for metric in metrics}:
        raise UsageError(
            f"{rule.name} weighs updates by the metric {loss!r}, which the terms do not list.",
            "List it among the metrics, or name another as train_loss_key.",
        )


def loose(rule: documents.Rule) -> AbstractSet[str]:
    """Fields of a manifest in which another machine may find other last digits; compared within 1e-6."""
    return SUPPORTED[rule.name].loose if rule.name in SUPPORTED else OWN_LOOSE


def exact(rule: documents.Rule) -> bool:
    """Whether this rule gives the same bits on every machine."""
    return not loose(rule)


def averages_otherwise(strategy: Strategy) -> bool:
    """Whether one of Flower's own strategies has another mean of train metrics, which no rule knows."""
    with flower.quiet():
        usual = FedAvg().train_metrics_aggr_fn
    given = getattr(strategy, "train_metrics_aggr_fn", usual)
    return type(strategy).__name__ in SUPPORTED and given is not usual


# --- aggregating


def build(rule: documents.Rule, own: Strategy | None = None) -> Rule:
    """Build the rule that terms name; `own` is an instance of it where it is somebody's own.

    Raises UsageError for a rule that is not supported, or is not `own`.
    """
    if own is not None:
        demand_same(rule, describe(own))
    if own is None or rule.name in SUPPORTED:
        make(rule)  # whatever is wrong with it is said now
        return _applied(named(rule.name), lambda: make(rule))
    kept = copied(own)
    return _applied(family(type(own)), lambda: deepcopy(kept))


def copied(own: Strategy) -> Strategy:
    """A copy that can change without the original. Raises UsageError for what cannot be copied."""
    try:
        return deepcopy(own)
    except Exception as error:  # somebody else's code, which may hold what cannot be copied
        raise UsageError(
            f"The strategy {type(own).__name__} cannot be copied: {error!r:.200}",
            "Keep open files, connections and locks out of its attributes.",
        ) from error


def _applied(supported: Supported, fresh: Callable[[], FedAvg | Strategy]) -> Rule:
    def apply(base: Arrays, updates: Sequence[Update], state: bytes | None, index: int) -> Aggregate | None:
        with flower.quiet():
            return _aggregate(supported, cast(FedAvg, fresh()), base, updates, state, index)

    return apply


def _aggregate(
    supported: Supported,
    strategy: FedAvg,
    base: Arrays,
    updates: Sequence[Update],
    state: bytes | None,
    index: int,
) -> Aggregate | None:
    supported.memory.restore(strategy, base, state)
    replies = [_reply(update, base, strategy, node) for node, update in enumerate(updates, start=1)]
    record, metrics = _pair(strategy, strategy.aggregate_train(index, replies))
    if record is None:
        return None
    state = supported.memory.save(strategy, base)  # before the record is emptied: a strategy may keep it
    found = {name: record.pop(name).numpy() for name in list(record)}
    arrays = {name: found[name] for name in base} if found.keys() == base.keys() else found
    return Aggregate(arrays, _scalars(metrics), state)


def _pair(strategy: Strategy, returned: object) -> tuple[ArrayRecord | None, MetricRecord | None]:
    """What `aggregate_train` returned, which may be somebody's own."""
    if not (isinstance(returned, tuple) and len(returned) == 2):
        raise UsageError(
            f"{type(strategy).__name__}.aggregate_train returned {type(returned).__name__}, "
            "and a pair (arrays, metrics) is needed."
        )
    return returned


def _reply(update: Update, base: Arrays, strategy: FedAvg, node: int) -> Message:
    """An update as the reply that a strategy expects: tensors in the base's order, which some go by.

    Nodes are numbered in chain order from 1. What was checked wins over a metric of the same name.
    """
    reads_only = type(strategy) in STREAMING  # the others may do their arithmetic in place: q-FedAvg does
    arrays = flower.lazy_record(update.arrays, base, copied=not reads_only)
    metrics = MetricRecord({**update.metrics, strategy.weighted_by_key: update.examples})
    return flower.as_reply(RecordDict({"arrays": arrays, "metrics": metrics}), node)


def _scalars(metrics: MetricRecord | None) -> dict[str, float]:
    """Updates carry single numbers, and so does their average."""
    return {name: float(cast(float, value)) for name, value in (metrics or {}).items()}
