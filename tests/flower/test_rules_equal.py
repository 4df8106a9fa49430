"""Every supported rule against Flower's own strategy over the same replies: the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from strategies import FLOATS_ONLY, MAKERS, MEMORIES, Reply, drive, make, memory, quick_collecting, start

from aggregator import rules
from aggregator.types import Update
from fl import weights
from fl.ledger.types import Address

ROUNDS, SITES = 4, 5


@pytest.fixture(autouse=True, scope="module")
def _quick_collecting():
    with quick_collecting():
        yield


def drawn(*shapes, dtype=np.float32, seed=0):
    chance = np.random.default_rng(seed)
    return [np.asarray(chance.normal(size=shape), dtype) for shape in shapes]


def batch_norm():
    """As PyTorch orders a small convolutional net's state."""
    kernel, gain, shift, mean, head = drawn((2, 1, 3, 3), (2,), (2,), (2,), (3, 2))
    return {
        "conv.weight": kernel,
        "norm.weight": gain,
        "norm.bias": shift,
        "norm.running_mean": mean,
        "norm.running_var": np.ones(2, np.float32),
        "norm.num_batches_tracked": np.array(0, np.int64),
        "head.weight": head,
    }


MODELS = {
    "batch_norm": batch_norm(),
    "listed": {str(i): array for i, array in enumerate(drawn(*[(2, i % 3 + 1) for i in range(12)]))},
    "halves": dict(zip("ab", drawn((3, 2), (), dtype=np.float16), strict=True)),
    "doubles": dict(zip("ab", drawn((3, 2), (), dtype=np.float64), strict=True)),
    "mixed": {
        "z": drawn((4,), dtype=np.float64)[0],
        "mask": np.array([True, False, True]),
        "half": drawn((2, 2), dtype=np.float16)[0],
        "empty": np.zeros((0, 3), np.float32),
        "scale": np.array(0.5, np.float32),
        "byte": np.array([250, 3], np.uint8),
    },
}


def trained(base, site, round_):
    """What a site makes of the base: a step of its own, as training gives one."""
    chance = np.random.default_rng([site, round_])
    arrays = {}
    for name, array in base.items():
        step = chance.normal(scale=0.1, size=array.shape) - 0.05 * array
        if array.dtype.kind == "b":
            arrays[name] = np.asarray(step > 0)
        elif array.dtype.kind != "f":
            arrays[name] = np.asarray(
                np.clip(array + chance.integers(0, 9, array.shape), 0, 255), array.dtype
            )
        else:
            arrays[name] = np.asarray(array + step, array.dtype)
    return Reply(arrays, int(chance.integers(1, 500)), {"loss": float(chance.uniform(0.1, 2))})


def wrapped(name, base):
    """Rounds of our rule, as the aggregator has them: only bytes go from one to the next."""
    rule, file, state, rounds, ends = (
        rules.build(rules.describe(make(name))),
        weights.encode(base),
        None,
        [],
        [],
    )
    for index in range(1, ROUNDS + 1):
        arrays = weights.decode(file, tuple(base))
        replies = [trained(arrays, site, index) for site in range(SITES)]
        updates = [
            Update(Address(f"site {i}"), one.arrays, one.examples, one.metrics)
            for i, one in enumerate(replies)
        ]
        end = rule(arrays, updates, state, index)
        file, state = weights.encode(weights.cast_like(end.arrays, base)), end.state
        rounds.append(replies)
        ends.append((weights.decode(file, tuple(base)), end.metrics, state))
    return rounds, ends


def same_bits(ours, theirs):
    return list(ours) == list(theirs) and all(
        (ours[name].dtype, ours[name].shape, ours[name].tobytes())
        == (theirs[name].dtype, theirs[name].shape, theirs[name].tobytes())
        for name in ours
    )


CASES = [
    (name, model)
    for name in MAKERS
    for model in MODELS
    if name not in FLOATS_ONLY or all(array.dtype.kind == "f" for array in MODELS[model].values())
]


@pytest.mark.parametrize(("name", "model"), CASES)
def test_a_rule_gives_what_flowers_own_strategy_gives_round_after_round(name, model):
    base = MODELS[model]
    rounds, ends = wrapped(name, base)
    for ours, theirs in zip(ends, drive(name, base, rounds), strict=True):
        assert same_bits(ours[0], theirs[0])
        assert ours[1] == theirs[1]
        assert ours[1].keys() == {"loss"}


@pytest.mark.parametrize(("name", "model"), [case for case in CASES if case[0] in MEMORIES])
def test_a_rule_remembers_what_flowers_own_strategy_keeps_in_its_attributes(name, model):
    base = MODELS[model]
    rounds, ends = wrapped(name, base)
    kept = memory(name, drive(name, base, rounds)[-1][2], base)
    state = weights.decode(ends[-1][2], weights.names(ends[-1][2]))
    assert same_bits({key: state[key] for key in kept}, kept)


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in MEMORIES])
def test_a_rule_without_memory_has_no_state(name):
    assert [state for _, _, state in wrapped(name, MODELS["listed"])[1]] == [None] * ROUNDS


@pytest.mark.parametrize("model", ["batch_norm", "listed", "doubles"])
@pytest.mark.parametrize("name", MAKERS)
def test_the_plain_run_of_an_app_ends_within_a_millionth(name, model):
    """What it ends with differs where Flower hands out other dtypes than the app's, and by no more."""
    base = {key: array for key, array in MODELS[model].items() if array.dtype.kind == "f"}
    rounds, ends = wrapped(name, base)
    plain = start(name, base, rounds)
    assert list(plain) == list(base)
    for key, array in ends[-1][0].items():
        np.testing.assert_allclose(array, plain[key], rtol=1e-6, atol=1e-6)


def test_momentum_goes_on_from_the_fraction_of_a_counter_that_the_cast_cut_off():
    """Flower's FedAvgM never reads back what it sent out, so a plain run has no cast in between at all."""
    base = MODELS["batch_norm"]
    rounds, ends = wrapped("FedAvgM", base)
    counter = "norm.num_batches_tracked"
    plain = start("FedAvgM", base, rounds)[counter]
    assert plain != np.rint(plain)
    assert ends[-1][0][counter] == np.rint(plain)
