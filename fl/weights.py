"""Weights: arrays ↔ safetensors bytes, the header comparison, and arithmetic with the same bits everywhere.

A weights file is named by the SHA-256 of its bytes, so equal arrays must give equal bytes: no metadata,
arrays C-contiguous. The format is https://github.com/huggingface/safetensors (header size, JSON, data).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fl.canonical import check_depth
from fl.errors import DocumentError, WeightsError

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = dict[str, Array]
"""Arrays by name; insertion order is the terms' order."""

MAX_HEADER_BYTES = 1024 * 1024
"""More than the tensors that terms of 256 KiB can list need; parsing takes some 25 times as much memory."""

DTYPES: Mapping[str, np.dtype[Any]] = {
    "F16": np.dtype(np.float16),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
    "I8": np.dtype(np.int8),
    "I16": np.dtype(np.int16),
    "I32": np.dtype(np.int32),
    "I64": np.dtype(np.int64),
    "U8": np.dtype(np.uint8),
    "U16": np.dtype(np.uint16),
    "U32": np.dtype(np.uint32),
    "U64": np.dtype(np.uint64),
    "BOOL": np.dtype(np.bool_),
}
"""The dtypes that terms may name, as safetensors spells them."""

_METADATA = "__metadata__"
_SIZE_BYTES = 8
_BLOCK = 1 << 20


def digest(data: bytes) -> bytes:
    """SHA-256 of a weights file: the 32 bytes that name it on the chain."""
    return hashlib.sha256(data).digest()


# --- bytes


def encode(arrays: Mapping[str, Array]) -> bytes:
    """Write arrays as safetensors without metadata; equal arrays give equal bytes.

    Raises WeightsError for a dtype that terms cannot name.
    """
    for name, array in arrays.items():
        dtype_name(array, name)
    if _METADATA in arrays:
        raise WeightsError(f"No tensor can be called {_METADATA}: safetensors keeps that name for itself.")
    # asarray, because ascontiguousarray makes a scalar one-dimensional
    return bytes(save({name: np.asarray(array, order="C") for name, array in arrays.items()}))


def dtype_name(array: Array, name: str = "array") -> str:
    """How terms and safetensors call the dtype of `array`; raises WeightsError when they do not."""
    for spelled, dtype in DTYPES.items():
        if array.dtype.newbyteorder("=") == dtype:
            return spelled
    raise WeightsError(
        f"Tensor {name!r} has dtype {array.dtype}, which weights cannot hold.",
        f"Convert it to one of {', '.join(DTYPES)}.",
    )


def header(data: bytes) -> bytes:
    """The raw header, its 8 bytes of size included. Nothing is parsed.

    Raises WeightsError when the size is missing, beyond 1 MiB or beyond the file.
    """
    if len(data) < _SIZE_BYTES:
        raise WeightsError(f"These {len(data)} bytes are too few to be weights.")
    size = int.from_bytes(data[:_SIZE_BYTES], "little")
    if size > min(MAX_HEADER_BYTES, len(data) - _SIZE_BYTES):
        raise WeightsError(f"These weights claim a header of {size} bytes; they cannot have one.")
    return data[: _SIZE_BYTES + size]


def same_header(base: bytes, update: bytes) -> bool:
    """Whether `update` has the size and, byte for byte, the header of `base`; `update` is not parsed."""
    return len(base) == len(update) and update.startswith(header(base))


def decode(data: bytes, order: Sequence[str]) -> Arrays:
    """Read safetensors into arrays in `order`, which must name exactly the tensors that are there.

    Raises WeightsError: no safetensors, metadata, other names, a dtype that terms cannot name (BF16), a
    boolean that is neither 0 nor 1.
    """
    entries = _entries(header(data)[_SIZE_BYTES:])
    if len(entries) != len(order) or set(entries) != set(order):
        raise WeightsError("These weights hold other tensors than the terms list.")
    for name, entry in entries.items():
        _check_dtype(name, entry)
    try:
        found = load(data)
    except (SafetensorError, ValueError, OverflowError) as error:  # the latter: shapes that numpy cannot hold
        raise WeightsError(f"These weights are not valid safetensors: {str(error)!r:.100}") from error
    for name in order:
        _check_booleans(name, found[name])
    return {name: found[name] for name in order}


def _entries(raw: bytes) -> dict[str, object]:
    try:
        check_depth(raw)
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, DocumentError) as error:  # bad UTF-8, bad JSON, a key twice, nested too deep
        raise WeightsError(f"The header of these weights is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise WeightsError("The header of these weights is not a JSON object.")
    if _METADATA in value:
        raise WeightsError("These weights carry metadata, which weights may not.")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it names one key twice")
    return found


def _check_dtype(name: str, entry: object) -> None:
    spelled = entry.get("dtype") if isinstance(entry, dict) else None
    if not isinstance(spelled, str) or spelled not in DTYPES:
        raise WeightsError(
            f"Tensor {name!r:.100} has the dtype {spelled!r:.50}; weights hold {', '.join(DTYPES)}."
        )


def _check_booleans(name: str, array: Array) -> None:
    if array.dtype.kind == "b" and (array.view(np.uint8) > 1).any():  # what such a one is, numpy leaves open
        raise WeightsError(f"Tensor {name!r} has a boolean that is neither 0 nor 1.")


# --- back to the base's dtypes


def cast_like(arrays: Mapping[str, Array], base: Mapping[str, Array]) -> Arrays:
    """Give `arrays` the dtypes and the order of `base`: strategies turn most of them into float64.

    Into integers and booleans: half to even, saturating. Raises WeightsError for other names or shapes, for
    what is no real number, and for NaN or infinity where an integer is due.
    """
    _check_alike(arrays, base)
    return {name: _cast(name, arrays[name], like.dtype) for name, like in base.items()}


def _check_alike(arrays: Mapping[str, Array], base: Mapping[str, Array]) -> None:
    if set(arrays) != set(base):
        raise WeightsError("These arrays have other names than the base weights.")
    for name, like in base.items():
        if arrays[name].shape != like.shape:
            raise WeightsError(f"Tensor {name!r} has shape {arrays[name].shape} instead of {like.shape}.")


def _cast(name: str, array: Array, dtype: np.dtype[Any]) -> Array:
    if array.dtype.kind not in "biuf":
        raise WeightsError(f"Tensor {name!r} has dtype {array.dtype}, which is no real number.")
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # beyond the range is infinite, which the caller refuses
            return array.astype(dtype)
    low, high = _bounds(dtype)
    if array.dtype.kind != "f":
        return _saturate_integers(array, low, high).astype(dtype)
    if not np.isfinite(array).all():
        raise WeightsError(f"Tensor {name!r} is not finite, and {dtype} cannot hold that.")
    return _saturate_floats(np.rint(array.astype(np.float64)), low, high, dtype)


def _bounds(dtype: np.dtype[Any]) -> tuple[int, int]:
    if dtype.kind == "b":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _saturate_integers(array: Array, low: int, high: int) -> Array:
    own_low, own_high = _bounds(array.dtype)
    numbers = array.astype(np.uint8) if array.dtype.kind == "b" else array
    clipped: Array = np.clip(numbers, max(low, own_low), min(high, own_high))
    return clipped


def _saturate_floats(rounded: Array, low: int, high: int, dtype: np.dtype[Any]) -> Array:
    # as a float, high may be rounded up to the power of two above it: what reaches that saturates too
    too_low, too_high = rounded < float(low), rounded >= float(high)
    inside = np.where(too_low | too_high, 0.0, rounded).astype(dtype)
    return np.where(too_low, np.array(low, dtype), np.where(too_high, np.array(high, dtype), inside))


# --- questions that verdicts ask


def all_finite(arrays: Mapping[str, Array]) -> bool:
    """Whether no element is NaN or infinite."""
    return all(bool(np.isfinite(array).all()) for array in arrays.values())


def within(array: Array, low: float | None, high: float | None) -> bool:
    """Whether every element lies in [low, high]; None is no bound. NaN lies in no bounds."""
    above = low is None or bool((array >= low).all())
    return above and (high is None or bool((array <= high).all()))


def largest_difference(update: Mapping[str, Array], base: Mapping[str, Array]) -> float:
    """The largest absolute element of `update - base` in float64; 0 without elements, NaN where one is.

    Raises WeightsError for other names or shapes.
    """
    return _pairwise(_block_values(update, base, np.abs, np.maximum), np.maximum)


def difference_norm(update: Mapping[str, Array], base: Mapping[str, Array]) -> float:
    """The L2 norm of `update - base` over all tensors in float64, the same bits on every machine.

    In base order, each tensor (C order) is cut into blocks of 2^20 elements. A block's squares are padded
    with zeros to a power of two, then the second half is added to the first until one number is left; the
    sums of all blocks are added in the same way. Raises WeightsError for other names or shapes.
    """
    return math.sqrt(_pairwise(_block_values(update, base, np.square, np.add), np.add))


def _block_values(
    update: Mapping[str, Array],
    base: Mapping[str, Array],
    measure: Callable[[Array], Array],
    join: Callable[[Array, Array], Array],
) -> Array:
    # an infinite difference is beyond every limit, as it should be
    with np.errstate(over="ignore", invalid="ignore"):
        values = [_pairwise(measure(block), join) for block in _differences(update, base)]
    return np.array(values, np.float64)


def _differences(update: Mapping[str, Array], base: Mapping[str, Array]) -> Iterator[Array]:
    _check_alike(update, base)
    for name, like in base.items():
        ours, theirs = update[name].reshape(-1), like.reshape(-1)
        for start in range(0, ours.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            yield ours[block].astype(np.float64) - theirs[block].astype(np.float64)


def _pairwise(values: Array, join: Callable[[Array, Array], Array]) -> float:
    """Join float64 values by halving a zero-padded array: a fixed order, unlike a library's own sum."""
    size = 1 << max(0, len(values) - 1).bit_length()
    padded = np.zeros(size, np.float64)
    padded[: len(values)] = values
    with np.errstate(over="ignore"):
        while size > 1:
            size //= 2
            padded = join(padded[:size], padded[size:])
    return float(padded[0])
