"""Canonical bytes: one spelling for every JSON value, and a refusal for every other."""

from __future__ import annotations

import hashlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl import canonical
from fl.errors import DocumentError

SAFE = 2**53 - 1
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-SAFE, SAFE) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT_SETTING = TEXT.filter(lambda text: not text.startswith("float:"))
SCALAR_SETTING = st.booleans() | st.integers(-SAFE, SAFE) | FINITE | TEXT_SETTING
SETTINGS = st.dictionaries(TEXT, SCALAR_SETTING | st.lists(SCALAR_SETTING, max_size=3).map(tuple), max_size=4)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


# --- what is read is what was written


@given(VALUES)
def test_a_value_comes_back_from_its_canonical_bytes(value):
    assert canonical.load(canonical.dump(value)) == value


@given(st.dictionaries(TEXT, st.integers(-SAFE, SAFE)))
def test_the_order_in_which_keys_were_put_in_changes_nothing(value):
    backwards = dict(reversed(value.items()))
    assert canonical.dump(backwards) == canonical.dump(value)


def test_the_example_of_rfc_8785_is_written_as_the_rfc_writes_it():
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '\u20ac$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical.dump(value) == expected.encode()


def test_the_digest_is_sha256():
    assert canonical.sha256(b"x") == hashlib.sha256(b"x").digest()


@given(st.floats(-SAFE, SAFE))
def test_a_float_is_read_back_exactly(value):
    assert canonical.load(canonical.dump(value)) == value


# --- what is refused

OTHER_SPELLINGS = {
    "a key twice": b'{"a":1,"a":1}',
    "a key twice, deep inside": b'[{"b":{"a":1,"a":2}}]',
    "a space": b'{"a": 1}',
    "a space around": b' {"a":1}',
    "a line break at the end": b'{"a":1}\n',
    "keys out of order": b'{"b":1,"a":1}',
    "an integer as a float": b"1.0",
    "an exponent where none is needed": b"1e2",
    "a capital exponent": b"1E+30",
    "minus zero": b"-0",
    "minus zero as a float": b"-0.0",
    "more digits than needed": b"0.1000000000000000055",
    "a leading zero": b"01",
    "a leading plus": b"+1",
    "a bare point": b".5",
    "hexadecimal": b"0x10",
    "NaN": b"NaN",
    "infinity": b"Infinity",
    "minus infinity, inside": b'{"a":-Infinity}',
    "a float beyond the range": b"1e400",
    "the integer 2^53": b"9007199254740992",
    "the integer -2^53": b"-9007199254740992",
    "an integer of 10,000 digits": b"9" * 10_000,
    "an escape where none is needed": b'"\\u0041"',
    "an escaped slash": b'"\\/"',
    "a capital escape": b'"\\u000F"',
    "a lone surrogate, escaped": b'"\\ud800"',
    "a lone surrogate in a key": b'{"\\udfff":1}',
    "a lone surrogate in UTF-8": b'"\xed\xa0\x80"',
    "an overlong encoding": b'"\xc0\xaf"',
    "Latin-1": b'"\xe9"',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "a raw control character": b'"\x01"',
    "a raw line break in a string": b'"\n"',
    "single quotes": b"{'a':1}",
    "a trailing comma": b"[1,]",
    "a comment": b"[1/*x*/]",
    "two values": b"1 2",
    "nothing": b"",
    "an open bracket": b"[",
    "a closing bracket": b"]",
    "an open string": b'"',
    "a null byte at the end": b"1\x00",
}


@pytest.mark.parametrize("data", OTHER_SPELLINGS.values(), ids=OTHER_SPELLINGS.keys())
def test_every_other_spelling_is_refused(data):
    with pytest.raises(DocumentError):
        canonical.load(data)


def test_the_largest_safe_integers_are_read():
    assert canonical.load(b"[9007199254740991,-9007199254740991]") == [SAFE, -SAFE]


@pytest.mark.parametrize("value", [2**53, -(2**53), math.nan, math.inf, "\ud800", {1: 2}, {1, 2}, b"x"])
def test_what_json_cannot_say_is_not_written(value):
    with pytest.raises(DocumentError):
        canonical.dump(value)


def test_sixteen_levels_are_read_and_seventeen_refused():
    assert canonical.load(nested(16))
    with pytest.raises(DocumentError, match="deeper than 16"):
        canonical.load(nested(17))


@pytest.mark.parametrize(
    "data",
    [nested(100_000), b"[" * 200_000, b'{"a":' * 40_000, b'["' + b"\\" * 200_001],
    ids=["lists", "never closed", "objects", "an endless escape"],
)
def test_a_hundred_thousand_levels_are_refused_and_do_not_exhaust_the_stack(data):
    with pytest.raises(DocumentError):
        canonical.load(data)


def test_brackets_inside_strings_are_no_levels():
    text = "[" * 1_000 + '\\"{' * 100
    assert canonical.load(canonical.dump([text])) == [text]


def test_256_kib_are_read_and_one_byte_more_is_refused():
    largest = canonical.dump("x" * (canonical.MAX_DOCUMENT_BYTES - 2))
    assert len(largest) == 256 * 1024
    assert canonical.load(largest)
    with pytest.raises(DocumentError, match="at most 262144 bytes"):
        canonical.load(canonical.dump("x" * (canonical.MAX_DOCUMENT_BYTES - 1)))


@given(VALUES)
def test_what_another_json_writer_spells_differently_is_refused(value):
    data = json.dumps(value, indent=1).encode()
    if data == canonical.dump(value):
        assert canonical.load(data) == value
    else:
        with pytest.raises(DocumentError):
            canonical.load(data)


# --- floats as settings


@given(FINITE)
def test_a_float_setting_comes_back_bit_for_bit(value):
    assert canonical.untag_float(canonical.tag_float(value)).hex() == value.hex()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_setting_that_is_not_finite_is_not_written(value):
    with pytest.raises(DocumentError, match="not finite"):
        canonical.tag_float(value)


@pytest.mark.parametrize(
    "text",
    [
        "0.1",
        "float:",
        "float:0.10",
        "float:.1",
        "float:1",
        "float:+1.0",
        "float: 1.0",
        "float:1.0 ",
        "float:1_0.0",
        "float:1E5",
        "float:1e5",
        "float:nan",
        "float:inf",
        "float:1e999",
        "float:0.1000000000000000055",
        "float:float:0.1",
        "float:٣.0",
        "Float:0.1",
    ],
)
def test_a_float_setting_spelled_oddly_is_refused(text):
    with pytest.raises(DocumentError):
        canonical.untag_float(text)


@given(SETTINGS)
def test_settings_come_back_from_a_document_with_the_same_types(settings):
    written = canonical.load(canonical.dump(canonical.encode_settings(settings)))
    read = canonical.decode_settings(written)
    assert read == settings
    assert [type(value) for value in read.values()] == [type(settings[name]) for name in read]


def test_a_text_setting_cannot_pass_for_a_float():
    with pytest.raises(DocumentError, match="may not begin with"):
        canonical.encode_settings({"note": "float:0.1"})


@pytest.mark.parametrize("value", [None, 0.5, {"a": 1}, [[1]], [None], ["float:0.10"]])
def test_a_document_cannot_bring_in_what_is_no_setting(value):
    with pytest.raises(DocumentError):
        canonical.decode_settings({"x": value})
