import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fl.errors import DocumentError
from fl.examples import decode_examples, encode_examples
from fl.weights import encode

X, Y = np.ones((3, 2), np.float32), np.array([0, 1, 2])


@given(st.integers(1, 5), st.integers(1, 4), st.data())
def test_examples_come_back_from_their_bytes(rows, width, data):
    x = data.draw(hnp.arrays(np.float32, (rows, width), elements=st.floats(-1e9, 1e9, width=32)))
    y = data.draw(hnp.arrays(np.int64, rows, elements=st.integers(0, 99)))
    found = decode_examples(encode_examples(x, y))
    assert found.x.tobytes() == x.tobytes()
    assert found.y.tolist() == y.tolist()


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X.astype(np.float64), Y),
        (X, Y.astype(np.int32)),
        (X, Y[:2]),
        (X[0], Y),
        (X, Y[:, None]),
        (X[:0], Y[:0]),
        (X * np.float32("nan"), Y),
        (X, Y - 1),
    ],
)
def test_what_is_no_set_of_examples_is_neither_written_nor_read(x, y):
    with pytest.raises(DocumentError):
        encode_examples(x, y)
    with pytest.raises(DocumentError):
        decode_examples(encode({"x": x, "y": y}))


@pytest.mark.parametrize("data", [b"", b"\0" * 16, encode({"x": X}), encode({"x": X, "y": Y, "z": Y})])
def test_other_bytes_are_no_examples(data):
    with pytest.raises(DocumentError, match="no examples"):
        decode_examples(data)
