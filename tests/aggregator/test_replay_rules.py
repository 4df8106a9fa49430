"""`fl verify` over rounds by each of Flower's rules: what it accepts, and what it calls a mismatch."""

from __future__ import annotations

import numpy as np
import pytest
from audits import close_with, decided, refer, with_blob, with_manifest
from strategies import FLOATS_ONLY, MAKERS, MEMORIES, make, quick_collecting

from aggregator import rules
from aggregator.verifying import replay
from aggregator.verifying.closeness import near_files, near_numbers
from aggregator.verifying.findings import Level, mismatches
from fl import weights

NAMES = [name for name in MAKERS if name not in FLOATS_ONLY]  # the federation's model has a counter
EXACT = [name for name in NAMES if rules.exact(rules.describe(make(name)))]
LOOSE = [name for name in NAMES if name not in EXACT]


@pytest.fixture(autouse=True, scope="module")
def _quick_collecting():
    with quick_collecting():
        yield


def verified(federation, rule):
    tools = replay.Tools(
        lambda _terms: federation.rule, lambda *_: None, loose=lambda _terms: rules.loose(rule)
    )
    return replay.verify(federation.record(), tools)


@pytest.fixture
def two(request, found):
    """Two closed rounds by the rule that the test names, and its description."""
    rule = rules.describe(make(request.param))
    federation = found(rule=rules.build(rule), sites=4)
    federation.play()
    federation.play()
    return federation, rule


def by(*names):
    return pytest.mark.parametrize("two", names, indirect=True)


def tampered(two, name, change):
    """What is wrong when a third round closes with other weights or memory, and a fourth goes on from it."""
    federation, rule = two
    federation.begin()
    honest = decided(federation)
    found = weights.decode(getattr(honest, name), weights.names(getattr(honest, name)))
    close_with(federation, with_blob(honest, name, weights.encode(change(found))))
    federation.play()
    wrong = mismatches(verified(federation, rule))
    assert {one.round for one in wrong} <= {3}
    return [one.text.partition(":")[0] for one in wrong]


def moved(by, kind="f"):
    """Change one element of the first array of a kind."""

    def change(arrays):
        name = next(name for name, array in arrays.items() if array.dtype.kind == kind)
        array = arrays[name].copy()
        array.reshape(-1)[:1] += array.dtype.type(by)
        return arrays | {name: array}

    return change


@by(*NAMES)
def test_honest_rounds_are_verified(two):
    federation, rule = two
    federation.play({2: {"details": {"examples": 0}}})
    notes = [one.text for one in verified(federation, rule) if one.level is not Level.OK]
    assert len(notes) == (not rules.exact(rule))
    assert all("within 1e-06, absolute and relative" in text for text in notes)


@by(*NAMES)
def test_another_aggregate_is_a_mismatch(two):
    assert tampered(two, "weights", moved(1e-4)) == ["weights"]


@by(*NAMES)
def test_another_counter_is_a_mismatch(two):
    assert tampered(two, "weights", moved(1, "i")) == ["weights"]


@by(*EXACT)
def test_the_last_bit_counts_where_every_machine_finds_it(two):
    assert tampered(two, "weights", moved(3e-7)) == ["weights"]


@by(*LOOSE)
def test_the_last_bit_does_not_count_where_machines_may_differ(two):
    assert tampered(two, "weights", moved(3e-7)) == []


@by(*MEMORIES)
def test_another_memory_is_a_mismatch_however_little_it_differs(two):
    assert tampered(two, "state", moved(3e-7)) == ["state"]


@by(*LOOSE[:1])
def test_weights_that_cannot_be_had_are_one_mismatch(two):
    federation, rule = two
    federation.begin()
    lost = with_manifest(decided(federation), weights=refer(b"x" * len(federation.base())))
    close_with(federation, lost)
    found = verified(federation, rule)
    assert {(one.round, one.subject) for one in mismatches(found)} == {(3, "weights")}
    assert "its weights cannot be had" in next(one.text for one in found if one.level is Level.UNCHECKED)


# --- how near is near

NUMBERS = {"a": np.array([1000.0, 1e-9], np.float32), "n": np.array(5, np.int64)}


def near(**changes):
    return near_files(weights.encode(NUMBERS | changes), weights.encode(NUMBERS))


def test_a_millionth_of_the_value_is_near():
    assert near(a=NUMBERS["a"] + np.array([9e-4, 9e-7], np.float32))
    assert not near(a=NUMBERS["a"] + np.array([2e-3, 0], np.float32))
    assert not near(a=NUMBERS["a"] + np.array([0, 2e-6], np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nothing_is_near_what_is_no_number(value):
    assert not near(a=np.array([1000.0, value], np.float32))


def test_other_tensors_are_not_near():
    assert not near(n=np.array(6, np.int64))
    assert not near(n=np.array([5], np.int64))
    assert not near(a=NUMBERS["a"].astype(np.float64))
    assert not near(b=NUMBERS["a"])
    assert not near_files(b"no weights", weights.encode(NUMBERS))
    assert not near_files(b"12345678", b"12345678")


def test_half_precision_may_be_one_step_off():
    ones = np.ones(1, np.float16)
    step = np.nextafter(ones, np.float16(2)) - ones

    def apart(steps):
        return near_files(weights.encode({"a": ones + steps * step}), weights.encode({"a": ones}))

    assert apart(1)
    assert not apart(2)


def test_metrics_are_near_by_name_and_value():
    assert near_numbers({"loss": 2.0 + 1e-6}, {"loss": 2.0})
    assert not near_numbers({"loss": 2.0 + 1e-5}, {"loss": 2.0})
    assert not near_numbers({"loss": 2.0}, {"lost": 2.0})
    assert not near_numbers({}, {"loss": 2.0})


# --- rounds that a rule cannot end


def test_too_few_updates_for_a_rule_end_the_round_and_the_next_one_works(found):
    federation = found(rule=rules.build(rules.describe(make("Bulyan"))), sites=3)
    assert federation.play({1: {"details": {"examples": 0}}}).reason == "no_aggregate"
    assert federation.play().manifest
    assert mismatches(verified(federation, rules.describe(make("Bulyan")))) == []


@by(*MEMORIES)
def test_a_memory_that_fits_nothing_is_a_mismatch_and_rounds_fail_until_governance_resets(two):
    federation, rule = two
    federation.begin()
    close_with(federation, with_blob(decided(federation), "state", b"nothing of the kind"))
    assert federation.play().reason == "rule_error"
    initial = bytes.fromhex(federation.terms.weights.sha256)
    federation.ledger(federation.owner).reset_weights(federation.task, initial, bytes(32))
    assert federation.play().manifest
    found = verified(federation, rule)
    assert [(one.round, one.text.partition(":")[0]) for one in mismatches(found)] == [(3, "state")]
    (text,) = (one.text for one in found if one.round == 4)
    assert text.startswith("failed: rule_error; decided again: rule_error: ")
