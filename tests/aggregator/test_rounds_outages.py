"""Stores that are full or away while a round is closed, sites that have to be asked twice."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

import pytest

from aggregator.verifying.findings import mismatches
from fl.errors import LedgerUnavailable, StoreError
from fl.ledger.types import UNAVAILABLE, RoundFailed, Stage
from fl.store.memory import MemoryStore
from fl.store.port import put_bytes


class FullStore(MemoryStore):
    """Takes nothing while it is full."""

    full = True

    def put(self, stream):
        if self.full:
            raise StoreError("The disk is full.")
        return super().put(stream)


@pytest.fixture
def full(federation):
    return FullStore(federation.blocks)


def rounds_on(federation, store, wait):
    rounds = federation.rounds(store=store)
    rounds.wait = wait
    return rounds


@pytest.mark.parametrize("faults", [{}, {1: {"details": {"examples": 0}}}], ids=["accepted", "refused"])
def test_a_store_that_takes_nothing_for_a_while_costs_the_round_nothing(federation, full, faults):
    federation.begin(faults)

    def wait(_until, done):
        if not done():
            full.full = False
            assert done()

    assert rounds_on(federation, full, wait).finish().closed
    assert mismatches(federation.verify()) == []


def test_a_store_that_takes_nothing_until_the_close_window_is_over_fails_the_round(federation, full):
    federation.begin()
    close_by = federation.ledger().task(federation.task).close_by()
    end = rounds_on(federation, full, federation.wait).finish()
    assert (end.closed, end.reason) == (False, "close_window_missed")
    assert federation.now() == close_by
    [failed] = [one for one in federation.ledger().history(federation.task) if isinstance(one, RoundFailed)]
    assert failed.reason.rstrip(b"\0") == b"close_window_missed"
    assert federation.play().closed


def test_a_full_store_does_not_keep_a_round_from_failing(federation, full):
    """Nothing need be stored for that."""
    federation.begin({index: {"details": {"examples": 0}} for index in range(3)})
    end = rounds_on(federation, full, federation.wait).finish()
    assert (end.closed, end.reason) == (False, "below_quorum")


@pytest.mark.parametrize("withheld", ["receipt", "update", "details"])
def test_a_site_that_could_not_publish_at_first_is_asked_again(federation, withheld):
    package = federation.begin({1: {"withhold": [withheld]}})[1]
    asked = []

    def remind():
        asked.append(federation.now())
        if len(asked) == 2:
            put_bytes(federation.store, getattr(package, withheld))

    end = federation.rounds().finish(remind)
    assert end.closed
    assert [line.verdict for line in end.lines] == ["accepted"] * 3
    assert len(asked) == 2


def test_a_site_that_never_publishes_is_asked_a_few_times_and_then_unavailable(federation):
    federation.begin({1: {"withhold": ["receipt"]}})
    sealed_at, asked = federation.now(), []
    end = federation.rounds().finish(lambda: asked.append(federation.now()))
    assert [line.quality for line in end.lines] == [10_000, UNAVAILABLE, 10_000]
    assert asked == [sealed_at + quarter * 75 for quarter in range(4)]


def test_nobody_is_asked_again_when_everything_is_there(federation):
    federation.begin()
    assert federation.rounds().finish(lambda: pytest.fail("asked")).closed


# --- a chain's node that is away


class AwayOnce:
    """A ledger that does not answer its n-th call; what it was asked to send arrives all the same, or not."""

    def __init__(self, inner, away_at, arrives):
        self._inner, self.left, self._arrives = inner, away_at, arrives

    def confirmed(self):
        return self

    def __getattr__(self, name):
        attribute = getattr(self._inner, name)
        if not callable(attribute):
            return attribute

        def call(*arguments):
            self.left -= 1
            if self.left == 0 and self._arrives:
                attribute(*arguments)
            if self.left == 0:
                raise LedgerUnavailable("The node is away.")
            return attribute(*arguments)

        return call


@pytest.mark.parametrize("arrives", [True, False])
def test_a_node_that_is_away_at_any_call_costs_the_round_nothing(found, arrives):
    for away_at in count(1):
        federation = found()
        ledger = AwayOnce(federation.ledger(federation.operator), away_at, arrives)
        rounds = federation.rounds(ledger)
        for _ in range(2):
            with suppress(LedgerUnavailable):
                if rounds.ended() == 0:
                    federation.submit_all(rounds.open())
                    rounds.finish()
                rounds.settle_all()
        assert [one.stage for one in federation.record().rounds] == [Stage.SETTLED], f"at call {away_at}"
        if ledger.left > 0:
            break
    assert away_at > 20
