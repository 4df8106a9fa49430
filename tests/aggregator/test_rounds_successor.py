"""An honest aggregator takes over from one that lied or lost things: the task always goes on."""

from __future__ import annotations

import pytest

from aggregator.decision import decide
from aggregator.types import Aggregate
from fl.canonical import sha256
from fl.documents import Announcement, Reference
from fl.errors import StoreError
from fl.ledger.types import Result, RoundFailed
from fl.store.port import put_bytes


def announcement(federation, **changes):
    usual = {
        "chain_id": federation.ledger().chain_id,
        "contract": federation.ledger().contract,
        "task": federation.task,
        "round": federation.ledger().task(federation.task).round + 1,
        "base": federation.terms.weights,
        "settings": {},
        "invited": None,
    }
    return Announcement(**(usual | changes))


def open_with(federation, announced):
    """A predecessor opens the next round, on the contract's weights as it must."""
    put_bytes(federation.store, announced.encode())
    task = federation.ledger().task(federation.task)
    aggregator = federation.ledger(federation.operator)
    aggregator.open_round(federation.task, task.round + 1, task.weights, announced.id)


def close_with(federation, weights_digest, manifest_id):
    """A predecessor closes the open round with what it likes."""
    record = federation.record()
    round_ = record.rounds[-1]
    decision = decide(record.facts(round_), federation.rule, federation.rounds().utility, record.read)
    receipts = tuple(event.receipt for event in round_.submissions)
    result = Result(round_.opened.announcement, weights_digest, manifest_id, decision.entries, receipts)
    federation.ledger(federation.operator).close_round(federation.task, round_.number, result)


def stored(federation, data):
    return Reference.of(put_bytes(federation.store, data), data)


def reset(federation):
    initial = bytes.fromhex(federation.terms.weights.sha256)
    federation.ledger(federation.owner).reset_weights(federation.task, initial, bytes(32))


def failures(federation):
    history = federation.ledger().history(federation.task)
    return [event.reason.rstrip(b"\0") for event in history if isinstance(event, RoundFailed)]


# --- a bad opening


OTHERS = {
    "base": lambda federation: {"base": federation.terms.scoring.validation},
    "round": lambda federation: {"round": 7},
    "task": lambda federation: {"task": 7},
    "contract": lambda federation: {"contract": federation.owner.address},
    "chain": lambda federation: {"chain_id": 7},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_a_round_announced_as_another_is_failed_when_it_is_over_and_the_next_one_opens(federation, other):
    opened_at = federation.now()
    open_with(federation, announcement(federation, **other(federation)))
    assert federation.rounds().open().round == 2
    assert federation.now() == opened_at + federation.terms.window + 1
    assert failures(federation) == [b"bad_announcement"]
    assert federation.play().closed


def test_a_bad_round_that_the_owner_voids_meanwhile_is_not_failed_and_the_next_one_opens(federation):
    open_with(federation, announcement(federation, round=7))
    rounds = federation.rounds()

    def wait(until, done):
        federation.ledger(federation.owner).void_round(federation.task, 1, bytes(32))
        assert done()

    rounds.wait = wait
    assert rounds.open().round == 2
    assert failures(federation) == []


def test_a_round_whose_base_nobody_has_is_failed_after_all_patience(federation):
    sealed_at = federation.now()
    federation.begin()
    lost = federation.blocks.pop(bytes.fromhex(federation.terms.weights.sha256))
    end = federation.rounds().finish()
    assert (end.closed, end.reason, end.lines) == (False, "undecidable", ())
    assert failures(federation) == [b"undecidable"]
    assert federation.now() == sealed_at + federation.terms.close_window * 3 // 4
    put_bytes(federation.store, lost)
    assert federation.play().closed


def test_a_base_that_is_served_while_the_aggregator_waits_is_in_time(federation):
    federation.begin()
    base = federation.blocks.pop(bytes.fromhex(federation.terms.weights.sha256))
    rounds, sealed_at = federation.rounds(), federation.now()

    def wait(until, done):
        federation.chain.set_time(sealed_at + 10)
        assert not done()
        put_bytes(federation.store, base)
        assert done()

    rounds.wait = lambda until, done: None if done() else wait(until, done)
    assert rounds.finish().closed


def test_a_round_on_weights_that_are_none_fails_until_they_are_reset(federation):
    """The predecessor closed with rubbish, under a manifest that says so."""
    federation.begin()
    rubbish = b"rubbish".ljust(federation.terms.weights.size)
    record = federation.record()
    honest = decide(record.facts(record.round(1)), federation.rule, federation.rounds().utility, record.read)
    manifest = honest.manifest.model_copy(update={"weights": stored(federation, rubbish)})
    put_bytes(federation.store, manifest.encode())
    close_with(federation, sha256(rubbish), manifest.id)
    federation.rounds().open()
    assert federation.rounds().finish().reason == "undecidable"
    reset(federation)
    assert federation.play().closed


# --- a bad close


@pytest.fixture
def headless(federation):
    """A round that was closed with a manifest that nobody has."""
    federation.begin()
    close_with(federation, sha256(b"weights"), sha256(b"a manifest"))
    return federation


def test_after_a_close_without_a_manifest_no_round_opens_on_its_weights(headless):
    with pytest.raises(StoreError, match="not in this store"):
        headless.rounds().open()


@pytest.mark.parametrize("voided", [True, False])
def test_after_a_reset_the_task_goes_on(headless, voided):
    if voided:
        headless.ledger(headless.owner).void_round(headless.task, 1, bytes(32))
    reset(headless)
    started = headless.now()
    opened = headless.rounds().open()
    assert (opened.round, opened.base) == (2, headless.terms.weights)
    headless.submit_all(opened)
    end = headless.rounds().finish()
    assert end.closed
    assert headless.now() == started  # what a reset gave up is not waited for
    assert headless.rounds().open().base == end.manifest.weights


def test_a_round_that_was_opened_on_such_weights_fails(headless):
    """The liar stored the weights, and opened on them before it was replaced."""
    open_with(headless, announcement(headless, base=stored(headless, b"weights")))
    end = headless.rounds().finish()
    assert (end.closed, end.reason) == (False, "undecidable")


@pytest.fixture
def bereft(federation):
    """An open round whose task lost the manifest of its first round; `lost` gives it back."""
    packages = federation.begin()
    manifest = federation.rounds().finish().manifest
    federation.play()
    federation.begin({1: {"data": packages[0].weights}})
    data = federation.blocks.pop(manifest.id)
    federation.lost = lambda: put_bytes(federation.store, data)
    return federation


def test_a_round_is_not_decided_while_nobody_knows_what_was_accepted_before(bereft):
    """Otherwise whoever loses a manifest could have an update of that round paid twice."""
    sealed_at = bereft.now()
    end = bereft.rounds().finish()
    assert (end.closed, end.reason) == (False, "undecidable")
    assert bereft.now() == sealed_at + bereft.terms.close_window * 3 // 4


def test_no_round_opens_until_the_lost_manifest_is_back(bereft):
    bereft.rounds().finish()
    with pytest.raises(StoreError, match="manifest of round 1"):
        bereft.rounds().open()
    bereft.lost()
    assert bereft.play().closed


def test_or_until_the_owner_resets_the_weights(bereft):
    bereft.rounds().finish()
    reset(bereft)
    assert bereft.play().closed


def test_a_manifest_that_comes_back_in_time_shows_what_is_replayed(bereft):
    rounds = bereft.rounds()
    rounds.wait = lambda _until, done: done() or bereft.lost()
    assert [line.verdict for line in rounds.finish().lines] == ["accepted", "replayed", "accepted"]


def test_the_rule_starts_without_memory_and_the_count_goes_on(found):
    given = []

    def rule(base, updates, state, index):
        given.append((state, index))
        return Aggregate(base, {}, b"state %d" % index)

    federation = found(rule=rule)
    federation.begin()
    close_with(federation, sha256(b"weights"), sha256(b"a manifest"))
    reset(federation)
    given.clear()
    federation.play()
    assert given == [(None, 2)]
