"""A module's state as plain arrays, in the order of its `state_dict`, buffers included."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from fl.errors import WeightsError
from fl.weights import Arrays


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
