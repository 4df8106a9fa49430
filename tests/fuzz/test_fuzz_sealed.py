"""Sealed blobs, tables of utilities and whatever else is read in one piece."""

from __future__ import annotations

import pytest
from hostile import mutations, refused_or_same
from hypothesis import given
from hypothesis import strategies as st
from profiles import effort

from aggregator.scoring import Table, decode_table, encode_table
from fl import sealing
from fl.errors import SealError

KEY = bytes(range(32))
WHERE = sealing.additional_data(31337, "0x" + "12" * 20, 1, 3, "0x" + "34" * 20)
UPDATE = sealing.seal_update(KEY, b"an update", WHERE)
DETAILS = sealing.seal_details(KEY, b"some details", WHERE)
OPENERS = [(sealing.open_update, UPDATE, b"an update"), (sealing.open_details, DETAILS, b"some details")]
TABLE = encode_table(Table({0: -700_000, 1: -650_000, 2: 0, 3: 2**60, 0x1F: 12}, {1: 5, 0x1F: -3}))


@pytest.mark.parametrize(("opened", "blob", "content"), OPENERS, ids=["update", "details"])
@effort(150, 2_000)
@given(draw=st.data())
def test_a_sealed_blob_opens_only_as_it_was_sealed(opened, blob, content, draw):
    key = draw.draw(st.just(KEY) | st.binary(max_size=40))
    sealed = draw.draw(st.just(blob) | mutations(UPDATE, DETAILS) | st.binary(max_size=40))
    where = draw.draw(st.just(WHERE) | mutations(WHERE))
    if (key, sealed, where) == (KEY, blob, WHERE):
        assert opened(key, sealed, where) == content
    else:
        with pytest.raises(SealError):
            opened(key, sealed, where)


@effort(100, 2_000)
@given(st.integers(), st.text(max_size=44), st.integers(), st.integers())
def test_a_place_is_refused_or_has_its_one_width(number, address, task, round_):
    try:
        where = sealing.additional_data(number, address, task, round_, address)
    except SealError:
        return
    assert len(where) == len(WHERE)


@effort(300, 2_000)
@given(mutations(TABLE) | st.binary(max_size=60))
def test_a_table_of_utilities_is_refused_or_has_its_one_spelling(data):
    refused_or_same(decode_table, encode_table, data)
