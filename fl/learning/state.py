"""A module's state as plain arrays, in the order of its `state_dict`, buffers included."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from fl.errors import WeightsError
from fl.weights import Arrays

_RANDOMNESS = threading.RLock()


def read_state(module: nn.Module) -> Arrays:
    """Copy a module's parameters and buffers out, with their own dtypes."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()}


def load_state(module: nn.Module, arrays: Arrays) -> None:
    """Copy arrays into a module, in the dtypes that it has.

    Raises WeightsError for other names or shapes than the module's.
    """
    state = module.state_dict()
    if set(state) != set(arrays):
        raise WeightsError(f"The model has the tensors {', '.join(state)}; these arrays have other names.")
    with torch.no_grad():
        for name, tensor in state.items():
            if tensor.shape != arrays[name].shape:
                raise WeightsError(
                    f"Tensor {name!r} has shape {arrays[name].shape} instead of {tuple(tensor.shape)}."
                )
            # a fresh copy: torch shares memory, and takes neither read-only nor reversed arrays
            tensor.copy_(torch.from_numpy(np.array(arrays[name], order="C")))


def one_thread() -> None:
    """Compute in one thread from here on: sums split over threads differ in the last bits.

    Anything in the process may change the setting, so whoever trains or measures asks for it again.
    """
    torch.set_num_threads(1)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's global generator as `seed` (below 2^63) says, and leave it as it was found.

    Layers draw from it when they are made, and dropout whenever it is trained. One thread at a time.
    """
    with _RANDOMNESS, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
