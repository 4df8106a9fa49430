"""Weights and validation sets from whoever: refused with a sentence, or arrays that fit into the file."""

from __future__ import annotations

import json
import struct

import numpy as np
from hostile import PIECES, json_mutations, mutations, refusing
from hypothesis import given
from hypothesis import strategies as st
from profiles import effort
from safetensors.numpy import load

from fl import weights
from fl.examples import decode_examples, encode_examples

ARRAYS = {
    "half": np.array([0.5, -0.5], np.float16),
    "matrix": np.array([[0.5, -0.5], [0.25, 1.0]], np.float32),
    "mask": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float64),
    "count": np.array(7, np.int64),
}
FILE = weights.encode(ARRAYS)
EXAMPLES = encode_examples(np.eye(3, dtype=np.float32), np.array([0, 1, 2]))


def header_of(data: bytes) -> bytes:
    return weights.header(data)[8:]


def file_of(header: bytes, data: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


@st.composite
def files(draw: st.DrawFn, valid: bytes) -> bytes:
    """A file that was tampered with: anywhere, in its size, in its header, or in what that says."""
    header = header_of(valid)
    content = valid[8 + len(header) :]
    return draw(
        mutations(valid)
        | st.integers(0, 2**64 - 1).map(lambda size: struct.pack("<Q", size) + valid[8:])
        | mutations(header).map(lambda other: file_of(other, content))
        | json_mutations(header).map(lambda said: file_of(json.dumps(said).encode(), content))
        | st.tuples(st.sampled_from(PIECES), st.just(header)).map(
            lambda both: file_of(b"".join(both), content)
        )
    )


@effort(400, 2_000)
@given(files(FILE))
def test_a_file_is_refused_or_holds_exactly_the_arrays_asked_for(data):
    with refusing():
        assert data.startswith(weights.header(data))
    with refusing():
        arrays = weights.decode(data, tuple(ARRAYS))
        assert list(arrays) == list(ARRAYS)
        assert sum(array.nbytes for array in arrays.values()) <= len(data)
        for array in arrays.values():
            assert array.dtype in weights.DTYPES.values()
            assert array.dtype.kind != "b" or set(array.tobytes()) <= {0, 1}


@effort(400, 2_000)
@given(files(FILE))
def test_a_file_that_is_read_holds_for_the_safetensors_library_what_it_holds_for_us(data):
    with refusing():
        ours = weights.decode(data, tuple(ARRAYS))
        theirs = load(data)
        assert {name: (array.dtype, array.shape) for name, array in ours.items()} == {
            name: (array.dtype, array.shape) for name, array in theirs.items()
        }
        assert all(array.tobytes() == theirs[name].tobytes() for name, array in ours.items())


@effort(200, 2_000)
@given(files(FILE))
def test_a_file_with_the_header_of_the_base_can_always_be_read_but_for_its_booleans(data):
    if weights.same_header(FILE, data):
        with refusing():
            arrays = weights.decode(data, tuple(ARRAYS))
            assert {name: array.shape for name, array in arrays.items()} == {
                name: array.shape for name, array in ARRAYS.items()
            }


@effort(300, 2_000)
@given(files(EXAMPLES))
def test_a_validation_set_is_refused_or_is_finite_numbers_and_classes(data):
    with refusing():
        x, y = decode_examples(data)
        assert (x.dtype, y.dtype) == (np.float32, np.int64)
        assert len(x) == len(y) > 0
        assert np.isfinite(x).all()
        assert y.min() >= 0
