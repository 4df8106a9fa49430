"""What a decision is made from and what it results in; no I/O, no Flower, no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fl.documents import Announcement, Line, Manifest
from fl.ledger.types import Address, Entry
from fl.own import Fault
from fl.store.cid import Cid
from fl.weights import Array, Arrays


@dataclass(frozen=True)
class Context:
    """Which round this is. `accumulator` is the final one: the seed of whatever needs chance.

    The announcement is the document whose id the round was opened with.
    """

    chain_id: int
    contract: Address
    task: int
    round: int
    announcement: Announcement
    accumulator: bytes


@dataclass(frozen=True)
class Submission:
    """What the chain says of one update: who, and the SHA-256 of the receipt."""

    trainer: Address
    receipt: bytes


@dataclass(frozen=True)
class Update:
    """A checked update: arrays in the terms' order, listed metrics only.

    In a decision, `arrays` reads a tensor each time it is asked for one, and holds none: whoever needs many
    at once makes a dict of it. It ends with the decision.
    """

    trainer: Address
    arrays: Mapping[str, Array]
    examples: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Aggregate:
    """What a rule makes of the checked updates; `state` is its memory for the next closed round."""

    arrays: Arrays
    metrics: Mapping[str, float]
    state: bytes | None = None


Rule = Callable[[Arrays, Sequence[Update], bytes | None, int], Aggregate | None]
"""(base, updates in chain order, state of the last closed round, closed rounds + 1) → aggregate or None."""

Outputs = np.ndarray[Any, np.dtype[np.float64]]
"""What a model says of validation rows: [rows, classes], perhaps not finite."""


class Utility(Protocol):
    """What a coalition's model is worth, in integer millionths; more is better.

    A coalition is a bit mask over the accepted trainers in chain order.
    """

    def __call__(self, coalition: int, arrays: Arrays, /) -> int:
        """The utility of a model."""
        ...

    def outputs(self, coalition: int, arrays: Arrays, /) -> tuple[int, Outputs]:
        """The utility of a model, and what it says of rows from which mixtures are made."""
        ...

    def of_outputs(self, coalition: int, outputs: Outputs, /) -> int:
        """The utility of mixed outputs of those rows."""
        ...


Keep = Callable[[Mapping[str, Array]], Mapping[str, Array]]
"""An accepted update's arrays → the same, kept wherever they are kept; each is read when it is asked for.

Raises StoreUnavailable where they cannot be kept or read. `dict` keeps them in memory.
"""

Read = Callable[[Cid, int], bytes]
"""(CID, most bytes) → content. Raises BlobUnavailable, BlobMalformed, BlobTooLarge."""


@dataclass(frozen=True)
class Closed:
    """A round that closes: everything that has to be stored, then put on the chain."""

    manifest: Manifest
    weights: bytes
    state: bytes | None
    utilities: bytes | None
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Failed:
    """A round that ends without a new model. `reason` fits 31 ASCII characters.

    `fault` is what the rule raised, where that is why: for whoever runs it, and on no chain.
    """

    reason: str
    lines: tuple[Line, ...] = ()
    fault: Fault | None = field(default=None, compare=False)

    @property
    def told(self) -> str:
        """The reason, and what the rule raised."""
        return f"{self.reason}: {self.fault.said}" if self.fault else self.reason
