"""Weights: arrays ↔ safetensors bytes, the header comparison, and arithmetic with the same bits everywhere.

A weights file is named by the SHA-256 of its bytes, so equal arrays must give equal bytes: no metadata,
arrays C-contiguous, and tensors in the order in which the safetensors library writes them. The format is
https://github.com/huggingface/safetensors (header size, JSON, data). Both directions are done here, because
models are large: writing makes no copy but the file, and what is read are views on the file.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fl.canonical import check_depth
from fl.errors import DocumentError, WeightsError

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = dict[str, Array]
"""Arrays by name; insertion order is the terms' order."""

MAX_HEADER_BYTES = 1024 * 1024
"""More than the tensors that terms of 256 KiB can list need; parsing takes some 25 times as much memory."""

DTYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "I16": np.dtype(np.int16),
    "U16": np.dtype(np.uint16),
    "F16": np.dtype(np.float16),
    "I32": np.dtype(np.int32),
    "U32": np.dtype(np.uint32),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
    "I64": np.dtype(np.int64),
    "U64": np.dtype(np.uint64),
}
"""The dtypes that terms may name, as safetensors spells them, in its order: a file begins with the last."""

_METADATA = "__metadata__"
_SIZE_BYTES = 8
_ALIGNMENT = 8
_MAX_AXES = 64
"""What numpy can hold."""

_BLOCK = 1 << 20
_RANKS = {name: rank for rank, name in enumerate(DTYPES)}


def digest(data: bytes) -> bytes:
    """SHA-256 of a weights file: the 32 bytes that name it on the chain."""
    return hashlib.sha256(data).digest()


# --- bytes


def encode(arrays: Mapping[str, Array]) -> bytes:
    """Write arrays as safetensors without metadata; equal arrays give equal bytes.

    Raises WeightsError for a dtype that terms cannot name.
    """
    dtypes = {name: dtype_name(array, name) for name, array in arrays.items()}
    if _METADATA in arrays:
        raise WeightsError(f"No tensor can be called {_METADATA}: safetensors keeps that name for itself.")
    order = sorted(arrays, key=lambda name: (-_RANKS[dtypes[name]], name))
    entries, end = {}, 0
    for name in order:
        start, end = end, end + arrays[name].nbytes
        shape = list(arrays[name].shape)
        entries[name] = {"dtype": dtypes[name], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % _ALIGNMENT)
    plain = (_plain(arrays[name]) for name in order)
    return b"".join([len(text).to_bytes(_SIZE_BYTES, "little"), text, *plain])


def _plain(array: Array) -> memoryview:
    """The bytes that a file has for an array; a copy only where memory holds others."""
    # asarray, because ascontiguousarray makes a scalar one-dimensional
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C").data


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


def names(data: bytes) -> tuple[str, ...]:
    """The tensors of a weights file, as its header lists them. Raises WeightsError for no such header."""
    return tuple(_entries(header(data)[_SIZE_BYTES:]))


def decode(data: bytes, order: Sequence[str]) -> Arrays:
    """Read safetensors into arrays in `order`, which must name exactly the tensors that are there.

    The arrays are read-only views on `data`: whoever changes one makes a copy. Raises WeightsError: no
    safetensors, metadata, other names, a dtype that terms cannot name (BF16), a boolean that is neither 0
    nor 1.
    """
    raw = header(data)
    entries = _entries(raw[_SIZE_BYTES:])
    if len(entries) != len(order) or set(entries) != set(order):
        raise WeightsError("These weights hold other tensors than the terms list.")
    tensors = {name: _tensor(name, entry) for name, entry in entries.items()}
    _check_whole(tensors, len(data) - len(raw))
    return {name: _view(name, tensors[name], data, len(raw)) for name in order}


class _Tensor(NamedTuple):
    """An entry of a header; offsets count from the end of the header."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    stop: int


def _entries(raw: bytes) -> dict[str, object]:
    try:
        check_depth(raw)
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_int=_natural)
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


def _natural(text: str) -> int:
    if text.startswith("-"):
        raise ValueError("it has a number below zero")
    return int(text)


def _tensor(name: str, entry: object) -> _Tensor:
    spelled = entry.get("dtype") if isinstance(entry, dict) else None
    if not isinstance(spelled, str) or spelled not in DTYPES:
        raise WeightsError(
            f"Tensor {name!r:.100} has the dtype {spelled!r:.50}; weights hold {', '.join(DTYPES)}."
        )
    match entry:
        case {"shape": [*shape], "data_offsets": [start, stop], **more} if more.keys() == {"dtype"}:
            if len(shape) <= _MAX_AXES and all(type(number) is int for number in (*shape, start, stop)):
                return _Tensor(DTYPES[spelled].newbyteorder("<"), tuple(shape), start, stop)
    raise WeightsError(f"The header of these weights does not describe tensor {name!r:.100}.")


def _check_whole(tensors: Mapping[str, _Tensor], size: int) -> None:
    """Every byte after the header belongs to exactly one tensor."""
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        start, end = end, end + math.prod(tensor.shape) * tensor.dtype.itemsize
        if (tensor.start, tensor.stop) != (start, end):
            raise WeightsError(f"Tensor {name!r:.100} does not lie where the one before it ends.")
    if end != size:
        raise WeightsError(f"These weights have {size} bytes of tensors; their header speaks of {end}.")


def _view(name: str, tensor: _Tensor, data: bytes, offset: int) -> Array:
    try:
        array: Array = np.ndarray(tensor.shape, tensor.dtype, buffer=data, offset=offset + tensor.start)
    except (ValueError, OverflowError) as error:  # no elements, but more than numpy can count along an axis
        raise WeightsError(f"Tensor {name!r:.100} has a shape that no array can have.") from error
    if array.dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:  # numpy leaves open what it is
        raise WeightsError(f"Tensor {name!r} has a boolean that is neither 0 nor 1.")
    if not array.flags.aligned:  # the header has a length of its own: slow, and not for everybody's code
        array = array.copy()
    array.setflags(write=False)
    return array


# --- back to the base's dtypes


def cast_like(arrays: Mapping[str, Array], base: Mapping[str, Array]) -> Arrays:
    """Give `arrays` the dtypes and the order of `base`: strategies turn most of them into float64.

    Into integers and booleans: half to even, saturating. What has its dtype already is not copied. Raises
    WeightsError for other names or shapes, for what is no real number, and for NaN or infinity where an
    integer is due.
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
    if array.dtype == dtype:
        return array
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
    return all(bool(np.isfinite(block).all()) for array in arrays.values() for block in _blocks(array))


def within(array: Array, low: float | None, high: float | None) -> bool:
    """Whether every element lies in [low, high]; None is no bound. NaN lies in no bounds."""
    return all(
        (low is None or bool((block >= low).all())) and (high is None or bool((block <= high).all()))
        for block in _blocks(array)
    )


def _blocks(array: Array) -> Iterator[Array]:
    """An array's elements in C order, 2^20 at a time: what is asked of a block takes little memory."""
    elements = array.reshape(-1)
    for start in range(0, elements.size, _BLOCK):
        yield elements[start : start + _BLOCK]


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
    update: Mapping[str, Array], base: Mapping[str, Array], measure: np.ufunc, join: np.ufunc
) -> Array:
    # an infinite difference is beyond every limit, as it should be
    with np.errstate(over="ignore", invalid="ignore"):
        values = [_pairwise(measure(block, out=block), join) for block in _differences(update, base)]
    return np.array(values, np.float64)


def _differences(update: Mapping[str, Array], base: Mapping[str, Array]) -> Iterator[Array]:
    _check_alike(update, base)
    for name, like in base.items():
        for ours, theirs in zip(_blocks(update[name]), _blocks(like), strict=True):
            yield np.subtract(ours, theirs, dtype=np.float64)


def _pairwise(values: Array, join: np.ufunc) -> float:
    """Join float64 values by halving a zero-padded array: a fixed order, unlike a library's own sum.

    `values` is written over.
    """
    size = 1 << max(0, len(values) - 1).bit_length()
    padded = values if len(values) == size else np.pad(values, (0, size - len(values)))
    with np.errstate(over="ignore"):
        while size > 1:
            size //= 2
            join(padded[:size], padded[size : 2 * size], out=padded[:size])
    return float(padded[0])
