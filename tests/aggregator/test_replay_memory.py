"""A rule with a memory, named by whoever verifies: it remembers what the last closed round left."""

from __future__ import annotations

from dataclasses import replace

import pytest
from audits import audit, close_with, decided, with_blob, with_manifest

from aggregator.types import Aggregate
from aggregator.verifying.findings import Level
from fl.canonical import sha256
from fl.errors import UsageError
from fl.ledger.types import Stage


def remembering_rule(base, updates, state, index):
    """Adds the step of every round to the last one, and remembers how often it was asked."""
    asked = int(state or b"0") + 1
    arrays = {name: base[name] + base[name].dtype.type(asked) for name in base}
    return Aggregate(arrays, {"asked": float(asked), "index": float(index)}, b"%d" % asked)


@pytest.fixture
def two(found):
    """Two closed rounds, which leave the memories 1 and 2."""
    federation = found(rule=remembering_rule)
    federation.play()
    federation.play()
    return federation


def close_remembering(federation, state):
    """Close the next round as if the last one had left another memory; everything else follows from it."""
    federation.begin()
    close_with(federation, decided(federation, lambda facts: replace(facts, state=state)))


def remembered(federation):
    record = federation.record()
    return [record.blob(record.manifest(round_).state) if round_.closed else None for round_ in record.rounds]


def reset(federation):
    initial = bytes.fromhex(federation.terms.weights.sha256)
    federation.ledger(federation.owner).reset_weights(federation.task, initial, bytes(32))


def wrong(federation):
    """What is wrong in the third round, and that nothing is in any other."""
    found = audit(federation)
    assert (found.code, found.where()) == (1, {(3, "round")})
    assert (4, "round") in found.where("ok")
    return {text.partition(":")[0] for text in found.texts(round_=3)}


OTHER_MEMORIES = {"nothing": None, "an earlier round's": b"1", "a later one": b"7", "made up": b"1000"}


@pytest.mark.parametrize("state", OTHER_MEMORIES.values(), ids=OTHER_MEMORIES.keys())
def test_a_round_that_went_on_from_another_memory_is_wrong_in_all_that_follows_from_it(two, state):
    close_remembering(two, state)
    reset(two)
    two.play()
    assert wrong(two) == {"weights", "state", "metrics"}


LEFT_BEHIND = {
    "nothing": lambda honest: with_manifest(honest, state=None),
    "the last round's": lambda honest: with_blob(honest, "state", b"2"),
    "something else": lambda honest: with_blob(honest, "state", b"99"),
}


@pytest.mark.parametrize("change", LEFT_BEHIND.values(), ids=LEFT_BEHIND.keys())
def test_a_memory_that_the_rule_did_not_leave_is_named_once_and_the_next_round_goes_on_from_it(two, change):
    two.begin()
    close_with(two, change(decided(two)))
    two.play()
    assert wrong(two) == {"state"}


def test_a_voided_round_s_memory_is_gone_on_from(two):
    """A closed round's weights stay in force when it is voided, and so does what the rule knows of them."""
    two.begin()
    two.rounds().finish()
    two.ledger(two.owner).void_round(two.task, 3, bytes(32))
    two.play()
    assert remembered(two) == [b"1", b"2", b"3", b"4"]
    assert audit(two).code == 0


def test_whoever_forgets_a_voided_round_is_named(two):
    two.begin()
    two.rounds().finish()
    two.ledger(two.owner).void_round(two.task, 3, bytes(32))
    close_remembering(two, b"2")
    found = audit(two)
    assert (found.code, found.where()) == (1, {(4, "round")})


def test_a_failed_round_leaves_no_memory(two):
    two.begin({index: {"details": {"examples": 0}} for index in range(3)})
    assert two.rounds().finish().reason == "below_quorum"
    two.play()
    assert remembered(two) == [b"1", b"2", None, b"3"]
    assert two.record().round(3).stage is Stage.FAILED
    assert audit(two).code == 0


def test_after_a_reset_the_rule_starts_without_memory_and_the_count_goes_on(two):
    reset(two)
    metrics = two.play().manifest.metrics
    assert metrics == {"asked": 1.0, "index": 3.0}
    assert audit(two).code == 0


@pytest.mark.parametrize("state", [b"2", b"1"])
def test_whoever_remembers_across_a_reset_is_named(two, state):
    reset(two)
    close_remembering(two, state)
    two.play()
    assert wrong(two) == {"weights", "state", "metrics"}


def test_an_index_other_than_the_closed_rounds_plus_one_is_named(two):
    two.begin()
    close_with(two, decided(two, lambda facts: replace(facts, index=1)))
    two.play()
    assert wrong(two) == {"metrics"}


def test_another_rule_than_the_caller_s_gives_another_aggregate(two):
    def another(base, updates, state, index):
        return replace(remembering_rule(base, updates, state, index), arrays=base)

    found = audit(two, rule=another)
    assert found.where() == {(1, "round"), (2, "round")}
    assert {text.partition(":")[0] for text in found.texts(round_=1)} == {"weights"}


@pytest.mark.parametrize(
    ("state", "reason"),
    [(b"x" * (4 * (1 << 23) + (2 << 20)), "state_too_large"), (b"x" * (1 << 20), "")],
    ids=["too large", "large"],
)
def test_a_memory_that_verifiers_would_refuse_to_read_fails_the_round(found, state, reason):
    federation = found(rule=lambda base, *_: Aggregate(base, {}, state))
    federation.begin()
    end = federation.rounds().finish()
    assert (end.closed, end.reason) == (not reason, reason)
    found = audit(federation)
    assert (found.code, found.where()) == (0, set())
    expected = [f"failed: {reason}; decided again: {reason}"] if reason else []
    assert found.texts("note", 1) == expected


def test_a_round_closed_on_a_base_that_is_no_weights_is_wrong_itself(found):
    """The first liar leaves rubbish as weights; the next one says that a round could be decided on it."""
    federation = found(rule=remembering_rule)
    federation.begin()
    honest, good = decided(federation), federation.base()
    rubbish = b"rubbish".ljust(len(good))
    close_with(federation, with_blob(honest, "weights", rubbish))
    announcement = federation.rounds().open()
    for site in federation.sites[:2]:
        package = site.make(federation.terms, good, announcement)
        federation.ledger(site.account).submit_update(federation.task, 2, sha256(package.receipt))
        package.put(federation.store)
    federation.chain.set_time(federation.now() + federation.terms.window + 1)
    made_up = decided(federation, lambda facts: replace(facts, base=good))
    close_with(federation, made_up)
    found = audit(federation)
    assert (found.code, found.where()) == (1, {(1, "round"), (2, "round")})
    assert "closed on base weights that are none: " in found.texts(round_=2)[0]


def test_recorded_weights_that_are_none_are_named_by_whoever_lacks_the_rule_too(two):
    two.begin()
    close_with(two, with_blob(decided(two), "weights", b"rubbish".ljust(len(two.base()))))
    reset(two)
    two.play()

    def not_installed(_terms):
        raise UsageError("SecretSauce is not installed here.")

    findings = two.verify(rule=not_installed)
    wrong = {(one.round, one.subject) for one in findings if one.level is Level.MISMATCH}
    assert wrong == {(3, "weights")}
    unchecked = [one.round for one in findings if one.level is Level.UNCHECKED]
    assert unchecked == [1, 2, 3, 4]
