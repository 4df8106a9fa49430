"""Records whose arrays are read when they are asked for: to Flower they are records like any other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Message, Metadata, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg

from aggregator import flower

ARRAYS = {
    "weight": np.array([[0.5, -0.5], [0.25, 1.0]], np.float32),
    "half": np.array([0.5, 3.0], np.float16),
    "counter": np.array(7, np.int64),
    "empty": np.zeros((0, 3)),
}


class Counting(Mapping):
    """Arrays that are counted when somebody asks for one."""

    def __init__(self, arrays):
        self.arrays, self.asked = arrays, []

    def __getitem__(self, name):
        self.asked.append(name)
        return self.arrays[name]

    def __iter__(self):
        return iter(self.arrays)

    def __len__(self):
        return len(self.arrays)


@pytest.mark.parametrize("name", ARRAYS)
def test_a_lazy_array_is_what_flower_makes_of_the_same_array(name):
    lazy, eager = flower.lazy_record(ARRAYS, ARRAYS)[name], Array(ARRAYS[name])
    assert isinstance(lazy, Array)
    assert (lazy.dtype, lazy.shape, lazy.stype) == (eager.dtype, eager.shape, eager.stype)
    assert lazy.data == eager.data
    assert lazy.numpy().tobytes() == eager.numpy().tobytes()


def test_nothing_is_read_before_it_is_asked_for():
    arrays = Counting(ARRAYS)
    record = flower.lazy_record(arrays, ARRAYS)
    RecordDict({"arrays": record})
    assert not arrays.asked
    record["half"].numpy()
    assert arrays.asked == ["half"]


def test_the_order_is_that_of_the_model():
    assert list(flower.lazy_record(dict(reversed(ARRAYS.items())), ARRAYS)) == list(ARRAYS)


def reply(record, examples):
    content = RecordDict({"arrays": record, "metrics": MetricRecord({"num-examples": examples})})
    return Message(content, metadata=Metadata(1, "", 2, 1, "", "", 0.0, 1.0, "train"))


def test_flower_s_own_arithmetic_reads_each_array_once_one_update_after_the_other():
    updates = [Counting({name: array * number for name, array in ARRAYS.items()}) for number in (1, 3)]
    lazy = [reply(flower.lazy_record(update, ARRAYS), 5) for update in updates]
    eager = [
        reply(ArrayRecord({name: Array(np.asarray(array)) for name, array in update.arrays.items()}), 5)
        for update in updates
    ]
    ours, theirs = (FedAvg().aggregate_train(1, replies)[0] for replies in (lazy, eager))
    assert {name: array.data for name, array in ours.items()} == {
        name: array.data for name, array in theirs.items()
    }
    assert [update.asked for update in updates] == [list(ARRAYS)] * 2
