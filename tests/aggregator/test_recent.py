"""What an aggregator remembers between two rounds: the weights that it made, as the next round's base."""

from __future__ import annotations

import pytest

from aggregator.recent import Recent
from fl.documents import Reference
from fl.store.layout import cid_of
from fl.store.memory import MemoryStore

WEIGHTS = b"weights"
REFERENCE = Reference.of(cid_of(WEIGHTS), WEIGHTS)


class Noting(MemoryStore):
    """Notes what it is asked for."""

    def __init__(self, blocks):
        super().__init__(blocks)
        self.opened = []

    def open(self, cid, limit):
        self.opened.append(cid)
        return super().open(cid, limit)


@pytest.fixture
def recent():
    recent = Recent()
    recent.put(REFERENCE, WEIGHTS)
    return recent


def test_the_weights_that_a_round_made_are_not_read_for_the_next_one(federation):
    store = Noting(federation.blocks)
    rounds = federation.rounds(store=store)
    federation.begin()
    made = rounds.finish().manifest.weights
    federation.submit_all(rounds.open())
    assert rounds.finish().closed
    assert made.parsed() not in store.opened


def test_a_successor_reads_what_it_did_not_make(federation):
    federation.play()
    federation.begin()
    store = Noting(federation.blocks)
    rounds = federation.rounds(store=store)
    made = rounds.record().heritage().weights
    assert rounds.finish().closed
    assert store.opened.count(made.parsed()) == 1


def test_what_was_read_is_remembered(recent):
    other = REFERENCE.model_copy(update={"sha256": "00" * 32})
    assert recent.get(other, lambda: b"other") == b"other"
    assert recent.get(other, lambda: pytest.fail("it was read again")) == b"other"


@pytest.mark.parametrize("change", [{"cid": "bafkother"}, {"size": 8}, {"sha256": "00" * 32}])
def test_a_reference_that_says_anything_else_is_read(recent, change):
    """Others may find nothing there, so it cannot be decided from what is remembered."""
    assert (
        recent.get(REFERENCE.model_copy(update=change), lambda: b"as others read it") == b"as others read it"
    )


def test_what_could_not_be_read_leaves_nothing_remembered(recent):
    other = REFERENCE.model_copy(update={"sha256": "00" * 32})
    with pytest.raises(OSError, match="gone"):
        recent.get(other, lambda: (_ for _ in ()).throw(OSError("gone")))
    assert recent.get(REFERENCE, lambda: b"read") == b"read"
