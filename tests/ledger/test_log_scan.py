"""Logs are read in pieces that the node is willing to serve, and those that cannot have changed only once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.errors import LedgerUnavailable
from fl.ledger.answers import Log
from fl.ledger.logs import CHUNK, renewed, scan
from fl.ledger.node import NodeRefused


def log_at(block, index, block_hash=bytes(32)):
    return Log(block, index, block_hash, bytes(32), "0x" + "11" * 20, (bytes(32),), b"")


class Logbook:
    """Two logs a block, newest first, for at most `willing` blocks a request."""

    def __init__(self, willing):
        self.willing = willing
        self.asked = []

    def __call__(self, first, last):
        self.asked.append((first, last))
        if last - first + 1 > self.willing:
            raise NodeRefused("query returned more than 10000 results")
        return [log_at(block, index) for block in range(last, first - 1, -1) for index in (1, 0)]


def positions(logs):
    return [(log.block, log.log_index) for log in logs]


def expected(first, last):
    return [(block, index) for block in range(first, last + 1) for index in (0, 1)]


def test_no_request_covers_more_blocks_than_a_chunk():
    book = Logbook(willing=10**9)
    assert len(list(scan(book, 5, 25_004))) == 50_000
    assert book.asked == [(5, 10_004), (10_005, 20_004), (20_005, 25_004)]
    assert max(last - first + 1 for first, last in book.asked) == CHUNK


def test_a_node_that_refuses_is_asked_for_half_and_never_for_so_much_again():
    book = Logbook(willing=3)
    assert positions(scan(book, 0, 15, chunk=16)) == expected(0, 15)
    served = [(first, last) for first, last in book.asked if last - first < 3]
    assert book.asked == [(0, 15), (0, 7), (0, 3), *served]


def test_a_node_that_refuses_a_single_block_is_not_asked_again():
    book = Logbook(willing=0)
    with pytest.raises(LedgerUnavailable, match="more than 10000 results"):
        list(scan(book, 7, 8))
    assert book.asked == [(7, 8), (7, 7)]


def test_there_is_nothing_to_read_before_the_first_block():
    assert list(scan(Logbook(willing=0), 8, 7)) == []


@given(
    first=st.integers(0, 50), length=st.integers(0, 60), chunk=st.integers(1, 70), willing=st.integers(1, 70)
)
def test_every_log_is_read_once_and_in_chain_order_however_little_a_node_serves(
    first, length, chunk, willing
):
    logs = scan(Logbook(willing), first, first + length, chunk)
    assert positions(logs) == expected(first, first + length)


# --- reading again


class Branch:
    """A chain of blocks with one log or none each; `fork` is where it left the other branches."""

    def __init__(self, name, fork, loud):
        self.hashes = ["trunk" if number < fork else name for number in range(len(loud))]
        self.logs = [
            log_at(number, 0, f"{self.hashes[number]} {number}".encode())
            for number, speaks in enumerate(loud)
            if speaks
        ]
        self.asked = []

    def __call__(self, first, last):
        self.asked.append(first)
        return [log for log in self.logs if first <= log.block <= last]


@st.composite
def branches(draw):
    """Two branches that are the same up to a fork, the second as a node that may lag behind has it."""
    fork = draw(st.integers(0, 12))
    trunk = draw(st.lists(st.booleans(), min_size=fork, max_size=fork))
    ends = draw(st.tuples(st.lists(st.booleans(), max_size=8), st.lists(st.booleans(), max_size=8)))
    return [Branch(name, fork, trunk + end) for name, end in zip(("one", "other"), ends, strict=True)]


@given(branches(), st.integers(0, 3), st.integers(0, 25), st.integers(0, 25))
def test_what_is_read_again_is_what_the_chain_has_now_whatever_a_reorg_did(pair, first, before, now):
    one, other = pair
    known = renewed((), one, first, before)
    assert renewed(known, other, first, now) == list(scan(other, first, now))


def test_only_the_newest_known_block_and_what_follows_is_read_again():
    chain = Branch("trunk", 0, [True] * 30)
    known = renewed((), chain, 0, 19)
    assert renewed(known, chain, 0, 29) == chain.logs
    assert chain.asked == [0, 19]
