"""Flower strategies as aggregation rules: checked updates in, an aggregate and the rule's memory out.

A strategy is made anew for every call, so nothing is remembered but what the state says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg, Strategy

from aggregator import flower
from aggregator.types import Aggregate, Rule, Update
from fl import documents
from fl.errors import UsageError
from fl.messages import EXAMPLES
from fl.weights import Arrays


@dataclass(frozen=True)
class Supported:
    """How one strategy is made with its memory put back, and its memory taken out afterwards.

    `make` gets the base and the state of the last closed round (None at first).
    """

    make: Callable[[Arrays, bytes | None], Strategy]
    memory: Callable[[Strategy], bytes | None]


def _fedavg(_base: Arrays, _state: bytes | None) -> Strategy:
    return FedAvg()


def _no_memory(_strategy: Strategy) -> None:
    return None


SUPPORTED: Mapping[str, Supported] = {
    "FedAvg": Supported(_fedavg, _no_memory),  # McMahan et al. (2017), arXiv:1602.05629
}


def build(rule: documents.Rule) -> Rule:
    """Build the rule that terms name.

    Raises UsageError for one that is not supported, and for arguments, which none of them has yet.
    """
    supported = SUPPORTED.get(rule.name)
    if supported is None:
        raise UsageError(
            f"The aggregation rule {rule.name!r} is not supported.", f"Supported: {', '.join(SUPPORTED)}."
        )
    if rule.arguments:
        raise UsageError(
            f"{rule.name} takes no arguments here, and the terms give {', '.join(rule.arguments)}."
        )

    def apply(base: Arrays, updates: Sequence[Update], state: bytes | None, index: int) -> Aggregate | None:
        with flower.quiet():
            return _aggregate(supported, base, updates, state, index)

    return apply


def _aggregate(
    supported: Supported, base: Arrays, updates: Sequence[Update], state: bytes | None, index: int
) -> Aggregate | None:
    strategy = supported.make(base, state)
    replies = [_reply(update, node) for node, update in enumerate(updates, start=1)]
    record, metrics = strategy.aggregate_train(index, replies)
    if record is None:
        return None
    found = {name: array.numpy() for name, array in record.items()}
    arrays = {name: found[name] for name in base} if found.keys() == base.keys() else found
    return Aggregate(arrays, _scalars(metrics), supported.memory(strategy))


def _reply(update: Update, node: int) -> Message:
    """An update as the reply that a strategy expects; nodes are numbered in chain order from 1."""
    arrays = ArrayRecord({name: Array(array) for name, array in update.arrays.items()})
    metrics = MetricRecord({**update.metrics, EXAMPLES: update.examples})  # what was checked wins
    return flower.as_reply(RecordDict({"arrays": arrays, "metrics": metrics}), node)


def _scalars(metrics: MetricRecord | None) -> dict[str, float]:
    """Updates carry single numbers, and so does their average."""
    return {name: float(cast(float, value)) for name, value in (metrics or {}).items()}
