"""Bytes from somebody who means harm, and what a decoder may do with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st

from fl.errors import FedledgerError

PIECES = (
    b"\x00",
    b"\xff" * 8,
    b"\x80" * 9 + b"\x01",  # a varint of 70 bits
    (2**63).to_bytes(8, "little"),
    (2**31 - 1).to_bytes(4, "little"),
    b"\xed\xa0\x80",  # a surrogate in what is nearly UTF-8
    b"\xef\xbb\xbf",  # a byte order mark
    "\u202e\u2066\u200b".encode(),
    b'"\\ud800"',
    b'"\\u0000"',
    b"[" * 40,
    b'{"a":' * 40,
    b'"' + b'\\"' * 40,
    b"9007199254740992",
    b"-9223372036854775809",
    b"1" * 5000,
    b"1e400",
    b"1E1",
    b"-0",
    b"1.0",
    b"NaN",
    b"-Infinity",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b",",
    b'"__metadata__":{},',
    b'"dtype":"BF16"',
    b'"dtype":"F8_E4M3"',
    b"18446744073709551616",
)
"""What decoders stumble over."""


@st.composite
def mutations(draw: st.DrawFn, *valid: bytes) -> bytes:
    """Valid bytes with a few things done to them: cut, doubled, turned, flipped, something put in between."""
    data = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(1, 3))):
        at, end = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
        piece = draw(
            st.sampled_from(
                [b"", data[at:end] * 2, data[at:end][::-1], bytes(byte ^ 1 for byte in data[at:end])]
            )
            | st.sampled_from(PIECES)
            | st.binary(max_size=4)
        )
        data = data[:at] + piece + data[draw(st.sampled_from([at, end])) :]
    return data


@st.composite
def json_mutations(draw: st.DrawFn, *valid: bytes) -> Any:
    """A valid JSON value in which something, however deep, is another, is gone, or has a new neighbour."""
    value = json.loads(draw(st.sampled_from(valid)))
    *way, last = draw(st.sampled_from(list(_ways(value))))
    parent = value
    for step in way:
        parent = parent[step]
    action = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
    if action == "remove":
        del parent[last]
    elif action == "add" and isinstance(parent, dict):
        parent[draw(st.text(max_size=5))] = draw(VALUES)
    else:
        parent[last] = draw(VALUES)
    return value


def _ways(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of a JSON value but the whole."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*way, key)
        yield from _ways(part, (*way, key))


_NUMBERS = st.sampled_from([0, -1, 1, 2**31, 2**53 - 1, -(2**53) + 1, 0.5, 1e300, 5e-324, -0.5])
_TEXTS = st.text(max_size=8) | st.sampled_from(
    ["", "a" * 129, "a" * 2000, "float:nan", "float:1e400", "0x" + "0" * 40, "ab" * 32, "\x1b[2J", "\u202e"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=5,
)
"""Any JSON value, most of them out of place."""


def refused_or_same(decode: Callable[[Any], Any], encode: Callable[[Any], Any], data: Any) -> None:
    """Only our own exceptions come out; what is read is written in the same bytes again."""
    with refusing():
        assert encode(decode(data)) == data


@contextmanager
def refusing() -> Iterator[None]:
    """An exception of ours may come out, if a terminal and a log can show what it says."""
    refusals = []
    try:
        yield
    except FedledgerError as error:
        refusals.append(error.message)
    assert all(message.isprintable() and len(message) < 400 for message in refusals)
