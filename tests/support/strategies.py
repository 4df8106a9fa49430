"""Every supported strategy as an app makes it, and Flower's own runs of them: nothing of ours in between."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, Metadata, MetricRecord, RecordDict
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

from aggregator import flower

Arrays = dict[str, np.ndarray]

MAKERS: Mapping[str, Callable[..., Strategy]] = {
    "FedAvg": FedAvg,
    "FedProx": lambda **more: FedProx(proximal_mu=0.1, **more),
    "FedAvgM": lambda **more: FedAvgM(server_learning_rate=0.7, server_momentum=0.9, **more),
    "FedMedian": FedMedian,
    "FedTrimmedAvg": lambda **more: FedTrimmedAvg(beta=0.3, **more),
    "FedAdam": lambda **more: FedAdam(eta=0.05, tau=0.01, **more),
    "FedYogi": lambda **more: FedYogi(eta=0.05, tau=0.01, **more),
    "FedAdagrad": lambda **more: FedAdagrad(eta=0.05, **more),
    "QFedAvg": lambda **more: QFedAvg(client_learning_rate=0.1, q=0.2, train_loss_key="loss", **more),
    "Krum": lambda **more: Krum(num_malicious_nodes=1, **more),
    "MultiKrum": lambda **more: MultiKrum(num_malicious_nodes=1, num_nodes_to_select=2, **more),
    "Bulyan": Bulyan,
}
FLOATS_ONLY = {"QFedAvg"}
MEMORIES = {"FedAvgM": ("momentum_vector",)} | dict.fromkeys(
    ("FedAdam", "FedYogi", "FedAdagrad"), ("m_t", "v_t")
)


def make(name: str) -> Strategy:
    """The strategy that an app wraps; it asks whoever is there, and says nothing."""
    with flower.quiet():
        return MAKERS[name](fraction_evaluate=0.0, min_train_nodes=2, min_available_nodes=2)


@contextmanager
def quick_collecting() -> Iterator[None]:
    """q-FedAvg and Bulyan have Python collect garbage for every update: what is there now is left out."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@dataclass(frozen=True)
class Reply:
    """What one site sends back."""

    arrays: Arrays
    examples: int
    metrics: Mapping[str, float]

    def message(self, node: int) -> Message:
        """As Flower's server hands it to a strategy."""
        metrics = MetricRecord({"num-examples": self.examples, **self.metrics})
        content = RecordDict({"arrays": record(self.arrays), "metrics": metrics})
        return Message(content, metadata=Metadata(1, "", node, 1, "", "", 0.0, 1.0, "train"))


class Scripted:
    """A grid whose sites answer what they are told to, round after round."""

    def __init__(self, rounds: Sequence[Sequence[Reply]]) -> None:
        flower.adopt_identity(1)  # without which Flower makes no message
        self._nodes = list(range(2, 2 + len(rounds[0])))
        self._rounds = iter(rounds)

    def get_node_ids(self) -> list[int]:
        return self._nodes

    def send_and_receive(self, messages: Sequence[Message], timeout: float | None = None) -> list[Message]:
        if not list(messages):
            return []
        return [reply.message(node) for node, reply in zip(self._nodes, next(self._rounds), strict=True)]


def record(arrays: Arrays) -> ArrayRecord:
    return ArrayRecord({name: Array(np.asarray(array)) for name, array in arrays.items()})


def start(name: str, base: Arrays, rounds: Sequence[Sequence[Reply]]) -> Arrays:
    """What Flower's own `start` ends with, without a cast anywhere."""
    with flower.quiet():
        result = make(name).start(Scripted(rounds), record(base), num_rounds=len(rounds))
    return {name: array.numpy() for name, array in result.arrays.items()}


def drive(
    name: str, base: Arrays, rounds: Sequence[Sequence[Reply]]
) -> list[tuple[Arrays, dict[str, Any], Strategy]]:
    """Weights and metrics after each round, driven as `start` does; what goes out has the base's dtypes.

    And the strategy, as it is at the end.
    """
    strategy, grid, arrays, ends = make(name), Scripted(rounds), base, []
    with flower.quiet():
        for number in range(1, len(rounds) + 1):
            random.seed(number)
            messages = strategy.configure_train(number, record(arrays), ConfigRecord(), grid)
            aggregate, metrics = strategy.aggregate_train(number, grid.send_and_receive(messages))
            arrays = {key: cast(aggregate[key].numpy(), like) for key, like in base.items()}
            ends.append((arrays, dict(metrics), strategy))
    return ends


def cast(array: np.ndarray, like: np.ndarray) -> np.ndarray:
    """To the dtype of `like`: integers to the nearest, the even one of two, and no further than they go."""
    if like.dtype.kind == "f":
        return array.astype(like.dtype)
    low, high = (0, 1) if like.dtype.kind == "b" else (np.iinfo(like.dtype).min, np.iinfo(like.dtype).max)
    return np.clip(np.rint(array), low, high).astype(like.dtype)


def memory(name: str, strategy: Strategy, base: Arrays) -> dict[str, np.ndarray]:
    """What a strategy remembers, as `attribute/tensor`."""
    found = {}
    for attribute in MEMORIES.get(name, ()):
        held = getattr(strategy, attribute)
        by_name = held if isinstance(held, dict) else dict(zip(base, held, strict=True))
        found |= {f"{attribute}/{tensor}": np.asarray(array) for tensor, array in by_name.items()}
    return found
