"""What a strategy starts from and what it remembers: put into its attributes before a round, taken out after.

Memory is a file of arrays, as weights are: `m_t/conv.weight` is what the attribute `m_t` holds of the tensor
`conv.weight`, in the strategy's own dtype. A state that does not belong to the base's tensors is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from flwr.app import Array, ArrayRecord

from fl import weights
from fl.errors import WeightsError
from fl.weights import Arrays

_Parts = Mapping[str, Mapping[str, Any]]
"""What each attribute holds, by tensor: an array, or a numpy scalar for a tensor without axes."""


class Memory(Protocol):
    """How base and memory of one family of strategies are put in, and its memory taken out."""

    def restore(self, strategy: Any, base: Arrays, state: bytes | None) -> None:
        """Make `strategy` start from `base`, with the memory of the last closed round (None: with none).

        Raises WeightsError for a state that does not belong to this strategy and these tensors.
        """

    def save(self, strategy: Any, base: Arrays) -> bytes | None:
        """What the strategy remembers for the next round; None for nothing.

        Raises WeightsError when that is not finite: the next round could not go on from it.
        """


class Nothing:
    """Looks at the replies of one round and at nothing else; a state that it never wrote is not read."""

    def restore(self, strategy: object, base: Arrays, state: bytes | None) -> None:
        """See `Memory`."""

    def save(self, strategy: object, base: Arrays) -> None:  # noqa: ARG002 - Memory's signature
        """See `Memory`."""
        return None


NOTHING = Nothing()


class Base(Nothing):
    """Starts from the base and remembers nothing: q-FedAvg."""

    def restore(self, strategy: Any, base: Arrays, state: bytes | None) -> None:  # noqa: ARG002 - Memory's signature
        """See `Memory`."""
        strategy.current_arrays = _record(base)


class Momentum:
    """FedAvgM: a momentum for each tensor by position, and current arrays that it never reads back.

    Those differ from the base where the base has integers: Flower goes on from the float64 before the cast.
    """

    def restore(self, strategy: Any, base: Arrays, state: bytes | None) -> None:
        """See `Memory`."""
        parts = _decode(state, base, ("momentum_vector", "current_arrays"))
        momentum = _whole(parts["momentum_vector"], base)
        strategy.momentum_vector = list(momentum.values()) if momentum else None
        strategy.current_arrays = _record({**base, **parts["current_arrays"]})

    def save(self, strategy: Any, base: Arrays) -> bytes | None:
        """See `Memory`."""
        vector = strategy.momentum_vector
        current = {name: array.numpy() for name, array in strategy.current_arrays.items()}
        other = {name: array for name, array in current.items() if array.dtype != base[name].dtype}
        momentum = {} if vector is None else dict(zip(base, vector, strict=True))
        return _encode({"momentum_vector": momentum, "current_arrays": other})


class Moments:
    """The FedOpt family: first and second moments of each tensor, by name."""

    def restore(self, strategy: Any, base: Arrays, state: bytes | None) -> None:
        """See `Memory`."""
        parts = _decode(state, base, ("m_t", "v_t"))
        strategy.current_arrays = dict(base)
        strategy.m_t = _whole(parts["m_t"], base)
        strategy.v_t = _whole(parts["v_t"], base)

    def save(self, strategy: Any, base: Arrays) -> bytes | None:  # noqa: ARG002 - Memory's signature
        """See `Memory`."""
        return _encode({"m_t": strategy.m_t or {}, "v_t": strategy.v_t or {}})


def _record(arrays: Arrays) -> ArrayRecord:
    return ArrayRecord({name: Array(array) for name, array in arrays.items()})


# --- bytes


def _encode(parts: _Parts) -> bytes | None:
    arrays = {
        f"{part}/{name}": np.asarray(array) for part, held in parts.items() for name, array in held.items()
    }
    if not weights.all_finite(arrays):
        raise WeightsError("What the rule remembers is not finite.")
    return weights.encode(arrays) if arrays else None


def _decode(state: bytes | None, base: Arrays, parts: Sequence[str]) -> dict[str, Arrays]:
    """What each of the strategy's attributes held, by tensor."""
    held: dict[str, Arrays] = {part: {} for part in parts}
    found = weights.decode(state, weights.names(state)) if state is not None else {}
    for name, array in found.items():
        part, _, tensor = name.partition("/")
        if part not in held or tensor not in base or array.shape != base[tensor].shape:
            raise WeightsError(f"The rule's memory holds {name!r:.100}, which does not belong there.")
        held[part][tensor] = array
    if not weights.all_finite(found):
        raise WeightsError("The rule's memory is not finite.")
    return held


def _whole(held: Arrays, base: Arrays) -> Arrays | None:
    """What an attribute held, in the base's order; None for nothing."""
    if held and held.keys() != base.keys():
        raise WeightsError("The rule's memory leaves out a tensor.")
    return {name: held[name] for name in base} if held else None
