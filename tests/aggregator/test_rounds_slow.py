"""Sites that serve slowly: they may be called unavailable, and cost nobody else anything."""

from __future__ import annotations

import pytest

from aggregator.reading import PIECE, PatientReader
from aggregator.record import Record
from aggregator.spool import Spool
from fl.errors import BlobMalformed, BlobUnavailable
from fl.ledger.types import UNAVAILABLE
from fl.store.cid import Cid
from fl.store.layout import cid_of
from fl.store.memory import MemoryStore
from fl.store.port import put_bytes
from fl.waiting import polling

SLOW = 29  # seconds a block


class SlowStore(MemoryStore):
    """Serves some blocks so slowly that the chain's clock moves; remembers what it was asked for."""

    def __init__(self, federation):
        super().__init__(federation.blocks)
        self._chain, self._now = federation.chain, federation.now
        self.slow, self.asked = set(), []

    def _fetch(self, cid):
        self.asked.append(cid)
        if cid.digest in self.slow:
            self._chain.set_time(self._now() + SLOW)
        return super()._fetch(cid)


def parts(package):
    return [cid_of(part).digest for part in (package.receipt, package.update, package.details)]


@pytest.fixture
def store(federation):
    return SlowStore(federation)


# --- rounds


@pytest.mark.parametrize("part", ["receipt", "update", "details"])
def test_a_slow_site_that_holds_something_back_does_not_keep_the_round_from_closing(found, part):
    federation = found(close_window=120)
    store = SlowStore(federation)
    packages = federation.begin()
    store.slow.update(parts(packages[0]))
    late = cid_of(getattr(packages[0], part)).digest
    held_back = federation.blocks.pop(late)
    sealed_at, rounds = federation.now(), federation.rounds(store=store)

    def wait(until, done):
        if not done():
            federation.blocks[late] = held_back  # just before patience ends
            federation.chain.set_time(max(federation.now(), until - 1))

    rounds.wait = wait
    end = rounds.finish()
    assert end.closed
    assert federation.now() <= sealed_at + 120
    assert [line.verdict for line in end.lines[1:]] == ["accepted"] * 2


def test_whoever_comes_after_slow_sites_is_read_however_late_it_is(found):
    federation = found(close_window=200)
    store = SlowStore(federation)
    packages = federation.begin()
    for package in packages[:2]:
        store.slow.update(parts(package))
    sealed_at = federation.now()
    end = federation.rounds(store=store).finish()
    assert federation.now() > sealed_at + 150  # patience was over before the third was asked for
    assert end.lines[2].verdict == "accepted"


def test_slow_content_is_read_once_although_the_round_is_decided_twice(federation, store):
    packages = federation.begin({1: {"withhold": ["details"]}})
    store.slow.update(parts(packages[0]))
    end = federation.rounds(store=store).finish()
    assert [line.quality for line in end.lines] == [10_000, UNAVAILABLE, 10_000]
    assert store.asked.count(cid_of(packages[0].update)) == 1


def test_an_aggregator_that_starts_after_the_patience_is_over_still_reads_what_is_there(federation):
    """It may have been killed: sites that published in time are not called unavailable for that."""
    federation.begin({1: {"withhold": ["update"]}})
    federation.chain.set_time(federation.now() + federation.terms.close_window - 1)
    end = federation.rounds().finish()
    assert [line.verdict for line in end.lines] == ["accepted", "unavailable", "accepted"]
    assert end.closed


# --- what is revealed on the chain while the aggregator waits


@pytest.fixture
def waiting(federation, monkeypatch):
    """Rounds that look every second, as on a real chain; `histories` counts how often all events were read.

    Site 1 keeps its receipt back, and `reveal_at` that second after the round's start.
    """

    class Waiting:
        def __init__(self):
            self.package = federation.begin({1: {"withhold": ["receipt"]}})[1]
            self.start, self.reveal_at, self.histories = federation.now(), None, 0
            self.ledger = federation.ledger(federation.operator)
            history = self.ledger.history
            monkeypatch.setattr(self.ledger, "history", lambda task: self.count() or history(task))
            monkeypatch.setattr("fl.waiting.time.sleep", self.sleep)

        def count(self):
            self.histories += 1

        def sleep(self, _seconds):
            federation.chain.set_time(federation.now() + 1)
            if federation.now() == self.start + (self.reveal_at or 0):
                said = federation.task, 1, self.package.trainer, self.package.receipt
                federation.ledger(federation.owner).reveal(*said)

        def finish(self):
            rounds = federation.rounds(ledger=self.ledger)
            rounds.wait = polling(self.ledger)
            return [line.verdict for line in rounds.finish().lines]

    return Waiting()


@pytest.mark.parametrize("second", [1, 74, 76, 150, 224, 226, 290, 298])
def test_a_receipt_counts_that_is_revealed_while_there_is_patience(waiting, second):
    """Patience is 300 of the 400 seconds: the update can still be read."""
    waiting.reveal_at = second
    assert waiting.finish() == ["accepted"] * 3


def test_the_events_are_not_read_every_second_of_the_wait(waiting):
    assert waiting.finish() == ["accepted", "unavailable", "accepted"]
    assert waiting.histories < 50


# --- the reader


@pytest.fixture
def reader(federation, store):
    """Patience for 300 seconds, a close within 400, three submissions: turns of 44 seconds at first."""
    start = federation.now()

    def record():
        return Record(federation.ledger(), store, federation.task)

    with Spool() as spool:
        yield PatientReader(record, federation.now, start + 300, start + 400, 3, spool)


def slow_blob(store, pieces):
    """Different blocks, each of them slow; the root is not."""
    data = b"".join(bytes([number]) * PIECE for number in range(pieces))
    before = set(store._blocks)
    cid = put_bytes(store, data)
    store.slow.update(set(store._blocks) - before - {cid.digest})
    return cid, data


def test_a_blob_that_comes_too_slowly_waits_until_others_had_their_turn(reader, store):
    cid, data = slow_blob(store, 5)
    quick = put_bytes(store, b"quick")
    with pytest.raises(BlobUnavailable, match="too slowly"):
        reader.read(cid, len(data))
    assert reader.read(quick, 5) == b"quick"
    assert list(reader.missing) == [(cid, len(data))]
    assert reader.retry()
    assert reader.read(cid, len(data)) == data
    assert not reader.missing


def test_one_block_is_taken_however_slowly_it_comes(reader, store):
    cid = put_bytes(store, b"small")
    store.slow.add(cid.digest)
    assert reader.read(cid, 5) == b"small"


def test_what_was_missing_is_not_tried_again_once_patience_is_over(reader, store, federation):
    data = b"late"
    cid = cid_of(data)
    with pytest.raises(BlobUnavailable):
        reader.read(cid, 4)
    federation.chain.set_time(federation.now() + 300)
    put_bytes(store, data)
    assert not reader.retry()
    assert store.asked.count(cid) == 1


def test_a_blob_that_can_never_be_right_is_not_missing_and_not_asked_for_again(reader, store):
    """Its bytes match the CID and are laid out badly: that is a verdict, and no reason to wait."""
    malformed = Cid.dag(put_bytes(store, b"no node").digest)
    for _ in range(2):
        with pytest.raises(BlobMalformed):
            reader.read(malformed, 100)
    assert not reader.missing
    assert store.asked.count(malformed) == 1
