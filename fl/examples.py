"""Examples: the numbers that a model is trained or measured on, and the blob that a validation set is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fl.errors import DocumentError, WeightsError
from fl.weights import decode, encode

FloatArray = np.ndarray[Any, np.dtype[np.float32]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]


class Examples(NamedTuple):
    """Inputs float32 [n, d] and class numbers int64 [n]."""

    x: FloatArray
    y: IntArray


def encode_examples(x: FloatArray, y: IntArray) -> bytes:
    """Write examples as safetensors; equal examples give equal bytes.

    Raises DocumentError for other dtypes or shapes, no rows, a number that is not finite, or a class below 0.
    """
    _check(x, y)
    return encode({"x": x, "y": y})


def decode_examples(data: bytes) -> Examples:
    """Read what `encode_examples` wrote; raises DocumentError for anything else."""
    try:
        arrays = decode(data, ("x", "y"))
    except WeightsError as error:
        raise DocumentError(f"These bytes are no examples: {error.message}") from error
    _check(arrays["x"], arrays["y"])
    return Examples(arrays["x"], arrays["y"])


def _check(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> None:
    if x.dtype != np.float32 or y.dtype != np.int64 or x.ndim != 2 or y.shape != x.shape[:1]:
        raise DocumentError(
            f"Examples are float32 [n, d] and int64 [n], not {x.dtype} {x.shape} and {y.dtype} {y.shape}."
        )
    if len(y) == 0:
        raise DocumentError("A set of examples needs at least one row.")
    if not np.isfinite(x).all() or y.min() < 0:
        raise DocumentError("Examples hold finite numbers and classes from 0.")
