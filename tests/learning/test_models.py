import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from fl.canonical import encode_settings
from fl.documents import Model
from fl.errors import UsageError, WeightsError
from fl.learning.models import build, builder, initial_weights
from fl.learning.state import load_state, read_state
from fl.weights import encode

LOGISTIC = Model(builder="logistic", settings={})


def mlp(*hidden):
    return Model(builder="mlp", settings=encode_settings({"hidden": hidden}))


def test_logistic_regression_is_one_layer_of_logits():
    weights = initial_weights(LOGISTIC, 4, 2, seed=1)
    assert {name: array.shape for name, array in weights.items()} == {
        "output.weight": (2, 4),
        "output.bias": (2,),
    }


def test_an_mlp_has_the_widths_that_its_settings_list():
    weights = initial_weights(mlp(8, 3), 4, 5, seed=1)
    shapes = [array.shape for name, array in weights.items() if name.endswith("weight")]
    assert shapes == [(8, 4), (3, 8), (5, 3)]
    assert all(array.dtype == np.float32 for array in weights.values())


def test_an_mlp_applies_relu_between_its_layers():
    module, rng = build(mlp(6), 3, 2), np.random.default_rng(0)
    x = rng.normal(size=(5, 3)).astype(np.float32)
    hidden_weight, hidden_bias, weight, bias = read_state(module).values()
    expected = np.maximum(x @ hidden_weight.T + hidden_bias, 0) @ weight.T + bias
    assert module(torch.tensor(x)).detach().numpy() == pytest.approx(expected, abs=1e-6)


def test_initial_weights_depend_on_the_seed_alone():
    first, again, other = (initial_weights(mlp(4), 3, 2, seed) for seed in (1, 1, 2))
    torch.manual_seed(99)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert all(np.array_equal(first[name], initial_weights(mlp(4), 3, 2, 1)[name]) for name in first)
    assert not np.array_equal(first["output.weight"], other["output.weight"])


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build(mlp(4), 3, 2)
    initial_weights(mlp(4), 3, 2, seed=1)
    assert torch.equal(torch.rand(3), expected)


def test_a_new_model_is_one_function_and_threads_that_build_it_at_once_do_not_mix(monkeypatch):
    monkeypatch.setattr("fl.learning.models._BUILDERS", {})

    @builder("slow")
    def slow(settings, inputs, classes):
        first = torch.nn.Linear(inputs, classes)
        time.sleep(0.01)  # another thread would draw from the same generator now
        return torch.nn.Sequential(first, torch.nn.Linear(classes, classes))

    def draw(seed):
        return initial_weights(Model(builder="slow", settings={}), 3, 2, seed)

    one_by_one = [draw(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(draw, range(4)))
    assert [encode(arrays) for arrays in at_once] == [encode(arrays) for arrays in one_by_one]


def test_an_unknown_builder_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="'transformer'") as refusal:
        build(Model(builder="transformer", settings={}), 3, 2)
    assert refusal.value.hint == "There are: logistic, mlp."


@pytest.mark.parametrize("hidden", [None, 8, "8", (), (0,), (-1,), (8.0,), (True,), (5000,), (1,) * 17])
def test_absurd_widths_are_refused(hidden):
    settings = {} if hidden is None else encode_settings({"hidden": hidden})
    with pytest.raises(UsageError, match="'hidden'"):
        build(Model(builder="mlp", settings=settings), 3, 2)


@pytest.mark.parametrize(
    ("name", "settings"), [("logistic", {"hidden": [3]}), ("mlp", {"hidden": [3], "depth": 2})]
)
def test_an_unknown_setting_is_refused(name, settings):
    with pytest.raises(UsageError, match="no setting"):
        build(Model(builder=name, settings=settings), 3, 2)


# --- state


def test_state_comes_back_in_order_with_integer_buffers():
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    state = read_state(module)
    assert list(state) == list(module.state_dict())
    assert state["1.num_batches_tracked"].dtype == np.int64
    assert state["1.num_batches_tracked"].shape == ()
    changed = {name: np.asarray(array + 1, array.dtype) for name, array in state.items()}
    load_state(module, changed)
    assert all(np.array_equal(read_state(module)[name], changed[name]) for name in changed)


def test_state_that_was_read_does_not_change_with_the_module():
    module = build(LOGISTIC, 2, 2)
    before = read_state(module)
    kept = before["output.bias"].copy()
    load_state(module, {name: array + 1 for name, array in before.items()})
    assert np.array_equal(before["output.bias"], kept)


def test_read_only_and_reversed_arrays_can_be_loaded():
    module = build(LOGISTIC, 2, 2)
    bias = np.array([1.0, 2.0], np.float32)
    bias.flags.writeable = False
    load_state(module, read_state(module) | {"output.bias": bias[::-1]})
    assert read_state(module)["output.bias"].tolist() == [2.0, 1.0]


@pytest.mark.parametrize("change", [{"output.bias": np.zeros(3, np.float32)}, {"extra": np.zeros(1)}])
def test_arrays_of_another_model_are_not_loaded(change):
    module = build(LOGISTIC, 2, 2)
    with pytest.raises(WeightsError):
        load_state(module, read_state(module) | change)
