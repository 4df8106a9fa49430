"""Contents put aside: what goes in comes out, from memory or from the temporary file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aggregator.spool import IN_MEMORY, Spool
from fl.weights import DTYPES

contents = st.lists(st.lists(st.binary(max_size=64), max_size=4), max_size=8)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
arrays = st.sampled_from(list(DTYPES.values())).flatmap(lambda dtype: hnp.arrays(dtype, shapes))


@given(contents, st.sampled_from([b"", bytes(IN_MEMORY + 1)]))
def test_contents_come_back_whole_and_as_streams(contents, first):
    with Spool() as spool:
        spool.put([first])
        places = [spool.put(pieces) for pieces in contents]
        for pieces, place in zip(contents, places, strict=True):
            content = b"".join(pieces)
            assert spool.read(place) == content
            with spool.open(place) as stream, spool.open(place) as other:
                assert (stream.read(3), other.read(), stream.read()) == (content[:3], content, content[3:])


@given(st.dictionaries(st.text(max_size=4), arrays, max_size=4), st.sampled_from([0, IN_MEMORY + 1]))
def test_arrays_come_back_in_their_order_with_their_bits(given_arrays, before):
    with Spool() as spool:
        spool.put([bytes(before)])
        kept = spool.put_arrays(given_arrays)
        assert list(kept) == list(given_arrays)
        assert len(kept) == len(given_arrays)
        for name, array in given_arrays.items():
            assert name in kept
            assert (kept[name].dtype, kept[name].shape) == (array.dtype, array.shape)
            assert kept[name].tobytes() == array.tobytes()


def test_whoever_asks_gets_an_array_of_its_own():
    with Spool() as spool:
        kept = spool.put_arrays({"a": np.arange(3)})
        kept["a"].fill(9)
        assert kept["a"].tolist() == [0, 1, 2]


def test_an_array_turned_around_in_memory_comes_back_in_its_order():
    with Spool() as spool:
        kept = spool.put_arrays({"a": np.arange(6).reshape(2, 3).T[::-1]})
        assert kept["a"].tolist() == [[2, 5], [1, 4], [0, 3]]


def test_of_pieces_that_raise_nothing_is_kept():
    def pieces():
        yield b"half of "
        raise RuntimeError

    with Spool() as spool:
        first = spool.put([b"first"])
        with pytest.raises(RuntimeError):
            spool.put(pieces())
        second = spool.put([b"second"])
        assert (spool.read(first), spool.read(second)) == (b"first", b"second")
        assert second.start == first.size
