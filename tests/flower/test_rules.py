"""Flower's strategies as aggregation rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from flwr.app import Array, ArrayRecord, Message, Metadata, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aggregator import rules
from aggregator.types import Update
from fl import documents
from fl.ledger.types import Address

FEDAVG = documents.Rule(name="FedAvg", arguments={})
BASE = {
    "weight": np.zeros((2, 3), np.float32),
    "bias": np.zeros(3, np.float64),
    "counter": np.zeros((), np.int64),
}


def update(number, examples, **metrics):
    chance = np.random.default_rng(number)
    drawn = {name: chance.normal(size=array.shape).astype(array.dtype) for name, array in BASE.items()}
    drawn["counter"] = np.array(number * 7, np.int64)
    return Update(Address(f"trainer {number}"), drawn, examples, metrics)


def by_flower(updates):
    """What Flower's own FedAvg makes of the same replies, in the same order."""
    replies = []
    for update in updates:
        record = ArrayRecord({name: Array(array) for name, array in update.arrays.items()})
        metrics = MetricRecord({"num-examples": update.examples, **update.metrics})
        metadata = Metadata(1, "", 2, 1, "", "", 0.0, 1.0, "train")
        replies.append(Message(RecordDict({"arrays": record, "metrics": metrics}), metadata=metadata))
    arrays, metrics = FedAvg().aggregate_train(1, replies)
    return {name: array.numpy() for name, array in arrays.items()}, dict(metrics)


def same_bits(ours, theirs):
    return list(ours) == list(theirs) and all(
        (ours[name].dtype, ours[name].tobytes()) == (theirs[name].dtype, theirs[name].tobytes())
        for name in ours
    )


def test_fedavg_gives_the_bits_of_flowers_own():
    updates = [update(1, 30, loss=0.5), update(2, 7, loss=0.25), update(3, 100, loss=1.5)]
    aggregate = rules.build(FEDAVG)(BASE, updates, None, 1)
    arrays, metrics = by_flower(updates)
    assert same_bits(aggregate.arrays, arrays)
    assert aggregate.metrics == metrics
    assert metrics.keys() == {"loss"}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(arrays(np.float32, (2, 3), elements=st.floats(-1e6, 1e6, width=32)), st.integers(1, 10**6)),
        min_size=1,
        max_size=5,
    )
)
def test_fedavg_gives_the_bits_of_flowers_own_for_any_weights_and_examples(drawn):
    updates = [
        Update(Address(f"trainer {i}"), {**BASE, "weight": weight}, examples, {})
        for i, (weight, examples) in enumerate(drawn)
    ]
    aggregate = rules.build(FEDAVG)(BASE, updates, None, 1)
    assert same_bits(aggregate.arrays, by_flower(updates)[0])


def test_a_listed_metric_cannot_stand_for_the_checked_examples():
    updates = [update(1, 30), update(2, 7)]
    claimed = [replace(one, metrics={"num-examples": 1e6 * i}) for i, one in enumerate(updates)]
    rule = rules.build(FEDAVG)
    assert same_bits(rule(BASE, claimed, None, 1).arrays, rule(BASE, updates, None, 1).arrays)


def test_the_order_of_updates_is_the_order_of_adding():
    weights = (np.float32(1e8), np.float32(1.0), np.float32(-1e8))
    updates = [
        Update(Address(str(w)), {**BASE, "weight": np.full((2, 3), w, np.float32)}, 1, {}) for w in weights
    ]
    rule = rules.build(FEDAVG)
    one, other = (rule(BASE, order, None, 1) for order in (updates, [updates[0], updates[2], updates[1]]))
    assert not same_bits(one.arrays, other.arrays)
    assert same_bits(one.arrays, by_flower(updates)[0])


def test_arrays_come_back_in_the_order_of_the_base():
    shuffled = update(1, 5)
    shuffled = Update(shuffled.trainer, dict(reversed(shuffled.arrays.items())), 5, {})
    assert list(rules.build(FEDAVG)(BASE, [shuffled], None, 1).arrays) == list(BASE)


def test_a_rule_forgets_what_it_was_called_with_before():
    rule = rules.build(FEDAVG)
    alone = rule(BASE, [update(1, 5)], None, 1)
    rule(BASE, [update(2, 50), update(3, 1)], None, 1)
    assert same_bits(rule(BASE, [update(1, 5)], None, 1).arrays, alone.arrays)


def test_no_update_gives_no_aggregate():
    assert rules.build(FEDAVG)(BASE, [], None, 1) is None


def test_aggregating_does_not_talk(caplog):
    with caplog.at_level("INFO", logger="flwr"):
        rules.build(FEDAVG)(BASE, [update(1, 5)], None, 1)
    assert not caplog.records
