"""What a rule remembers is bytes that somebody else wrote: what does not belong to it is refused."""

from __future__ import annotations

import numpy as np
import pytest
from strategies import MEMORIES, make

from aggregator import rules
from aggregator.types import Update
from fl import weights
from fl.errors import WeightsError
from fl.ledger.types import Address

BASE = {"a/b": np.ones((2, 3), np.float32), "steps": np.array(3, np.int64)}
UPDATES = [
    Update(Address(f"site {i}"), {"a/b": BASE["a/b"] * i, "steps": BASE["steps"] + i}, 10, {})
    for i in range(3)
]


@pytest.fixture(params=MEMORIES)
def remembering(request):
    """A rule with memory, what it remembers of a first round, and the name of something in it."""
    rule = rules.build(rules.describe(make(request.param)))
    state = rule(BASE, UPDATES, None, 1).state
    return rule, weights.decode(state, weights.names(state)), f"{MEMORIES[request.param][0]}/a/b"


def test_memory_is_gone_on_from(remembering):
    rule, memory, _ = remembering
    fresh, state = rule(BASE, UPDATES, None, 2), weights.encode(memory)
    assert rule(BASE, UPDATES, state, 2).state != fresh.state
    assert rule(BASE, UPDATES, state, 2).state == rule(BASE, UPDATES, state, 2).state


DAMAGE = {
    "a tensor too many": lambda memory, key: memory | {key + "x": memory[key]},
    "another attribute": lambda memory, key: {f"x{name}": array for name, array in memory.items()},
    "a tensor less": lambda memory, key: {name: array for name, array in memory.items() if name != key},
    "another shape": lambda memory, key: memory | {key: memory[key][:1]},
    "not a number": lambda memory, key: memory | {key: memory[key] * np.float32("nan")},
    "infinite": lambda memory, key: memory | {key: memory[key] + np.float32("inf")},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_memory_of_something_else_is_an_error_of_the_rule(remembering, damage):
    rule, memory, key = remembering
    with pytest.raises(WeightsError):
        rule(BASE, UPDATES, weights.encode(damage(memory, key)), 2)


@pytest.mark.parametrize("data", [b"", b"1", b"\xff" * 64, weights.encode({})[:-1]])
def test_bytes_that_are_no_memory_are_an_error_of_the_rule(remembering, data):
    with pytest.raises(WeightsError):
        remembering[0](BASE, UPDATES, data, 2)


def test_a_memory_that_overflows_ends_its_own_round_and_not_the_next():
    base = {"a": np.zeros(2, np.float16)}
    far = [Update(Address("site"), {"a": np.full(2, 300, np.float16)}, 1, {})]
    with pytest.raises(WeightsError, match="not finite"), np.errstate(over="ignore"):
        rules.build(rules.describe(make("FedYogi")))(base, far, None, 1)


def test_a_rule_without_memory_does_not_read_what_somebody_calls_its_memory():
    rule = rules.build(rules.describe(make("FedAvg")))
    assert rule(BASE, UPDATES, b"nonsense", 2).arrays.keys() == BASE.keys()


def test_a_memory_fits_what_verifiers_read():
    """Two models at most for floats: `aggregator.sizes` allows four."""
    base = {"a": np.ones(500_000, np.float32)}
    updates = [Update(Address(f"site {i}"), {"a": base["a"] * i}, 10, {}) for i in range(3)]
    for name in MEMORIES:
        state = rules.build(rules.describe(make(name)))(base, updates, None, 1).state
        assert len(state) < 2.01 * len(weights.encode(base))
