import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from fl.canonical import encode_settings
from fl.documents import Model
from fl.errors import OwnCodeError, UsageError, WeightsError
from fl.learning.architectures import builder
from fl.learning.evaluation import Utility, metrics
from fl.learning.models import build, demand_usable, initial_weights, name_own, shapes
from fl.learning.state import load_state, read_state
from fl.learning.training import Training, train
from fl.weights import encode

LOGISTIC = Model(builder="logistic", settings={})


def mlp(*hidden, **more):
    return Model(builder="mlp", settings=encode_settings({"hidden": hidden, **more}))


def cnn(**changes):
    settings = {"image": (1, 5, 4), "channels": (3, 2), "kernel": 3, "hidden": (6,)}
    return Model(builder="cnn", settings=encode_settings(settings | changes))


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
    monkeypatch.setattr("fl.learning.architectures.BUILDERS", {})

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
    assert refusal.value.hint == "There are: cnn, logistic, mlp."


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


def test_an_mlp_drops_so_much_of_its_hidden_layers_in_training_only():
    module, x = build(mlp(1000, dropout=0.25), 3, 2), torch.ones(1, 3)
    hidden = module[:3]
    assert torch.count_nonzero(hidden.train()(x)) < 0.9 * torch.count_nonzero(hidden.eval()(x))
    assert [type(layer).__name__ for layer in module] == ["Linear", "ReLU", "Dropout", "Linear"]


def test_a_cnn_sees_a_row_as_an_image_and_halves_it_after_each_convolution():
    weights = initial_weights(cnn(), 20, 4, seed=1)
    assert {name: array.shape for name, array in weights.items() if array.ndim > 1} == {
        "convolution1.weight": (3, 1, 3, 3),
        "convolution2.weight": (2, 3, 3, 3),
        "dense.hidden1.weight": (6, 2 * 2 * 1),  # 5 x 4, 3 x 2, 2 x 1
        "dense.output.weight": (4, 6),
    }
    assert build(cnn(), 20, 4)(torch.zeros(7, 20)).shape == (7, 4)


def test_the_channels_of_an_image_come_first_in_a_row():
    module = build(cnn(image=(2, 5, 2)), 20, 4)
    assert torch.equal(module.image(torch.arange(20.0)[None])[0, 1, 0], torch.tensor([10.0, 11.0]))


@pytest.mark.parametrize(
    "changes",
    [
        {"image": (5, 4)},
        {"image": (1, 5, 0)},
        {"image": (1, 1000, 1)},
        {"image": "1x5x4"},
        {"channels": ()},
        {"channels": (1,) * 5},
        {"channels": (300,)},
        {"kernel": 2},
        {"kernel": 9},
        {"kernel": 3.0},
        {"dropout": 1.0},
        {"dropout": True},
        {"dropout": "half"},
    ],
)
def test_absurd_settings_of_a_cnn_are_refused_by_name(changes):
    with pytest.raises(UsageError, match=f"{next(iter(changes))!r}"):
        build(cnn(**changes), 20, 2)


def test_an_image_of_another_size_than_a_row_is_refused_with_both():
    with pytest.raises(UsageError, match="Images of 1 x 5 x 4 are 20 numbers, and a row has 21"):
        build(cnn(), 21, 2)


# --- a person's own


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes somebody's file into the working folder; the name of its function `make` in there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fl.learning.architectures.BUILDERS", {})

    def write(body):
        module = f"their_models_{abs(hash(body))}"
        (tmp_path / f"{module}.py").write_text(
            f"import torch\ndef make(settings, inputs, classes):\n{body}\n"
        )
        return f"{module}:make"

    return write


def test_a_model_of_ones_own_is_built_by_the_name_that_was_typed(own):
    name = own("    return torch.nn.Linear(inputs, classes, bias=settings['bias'])")
    name_own(name)
    model = Model(builder=name, settings={"bias": False})
    assert shapes(model, 4, 3) == {"weight": (3, 4)}
    demand_usable(model, 4, 3)


def test_a_model_that_a_document_names_and_nobody_typed_is_not_looked_for(own, tmp_path):
    name = own("    return torch.nn.Linear(inputs, classes)")
    (tmp_path / f"{name.partition(':')[0]}.py").write_text("raise SystemExit('run')")
    with pytest.raises(UsageError, match="somebody's own, and is not at hand") as refusal:
        build(Model(builder=name, settings={}), 4, 3)
    assert "--model" in refusal.value.hint


def test_a_verifier_may_have_the_function_under_another_name(own):
    name_own(own("    return torch.nn.Linear(inputs, classes)"), "theirs:make")
    assert list(shapes(Model(builder="theirs:make", settings={}), 4, 3)) == ["weight", "bias"]


def test_a_function_of_ones_own_never_takes_the_place_of_an_installed_model(own):
    with pytest.raises(UsageError, match="the installed 'mlp'"):
        name_own(own("    return torch.nn.Linear(inputs, classes)"), "mlp")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("    return settings['missing']", "cannot be built: KeyError"),
        ("    exit()", "cannot be built: SystemExit"),
        ("    return 'module'", "returns no torch module, but str"),
        ("    return torch.nn.ReLU()", "has nothing to train"),
        ("    return torch.nn.Linear(inputs, missing)", r"NameError: .*\(their_models_\d+\.py:3\)"),
        ("    return torch.nn.Linear(inputs, 1)", r"returns a float32 tensor of shape \(2, 1\)"),
        ("    return torch.nn.Linear(inputs, classes).double()", "cannot be used on rows of 4 numbers"),
        ("    return torch.nn.LSTM(inputs, classes)", "returns no tensor, but tuple"),
    ],
)
def test_what_is_wrong_with_a_model_of_ones_own_is_a_sentence(own, body, sentence):
    name = own(body)
    name_own(name)
    with pytest.raises(UsageError, match=sentence):
        demand_usable(Model(builder=name, settings={}), 4, 3)


FAILING = """
    class Failing(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x) if len(x) < 5 else self.missing
    return Failing(inputs, classes)
"""


@pytest.mark.parametrize("use", ["training", "measuring", "measuring a copy"])
def test_a_model_of_ones_own_that_fails_later_is_named_with_its_file_and_line(own, use):
    name = own(f"{FAILING}    # {use}")  # a module of its own each
    name_own(name)
    module = build(Model(builder=name, settings={}), 4, 3)
    x, y, arrays = np.zeros((5, 4), np.float32), np.zeros(5, np.int64), read_state(module)
    uses = {
        "training": lambda: train(module, arrays, x, y, Training(learning_rate=0.1), seed=1),
        "measuring": lambda: metrics(module, arrays, x, y),
        "measuring a copy": lambda: Utility(module, x, y, "auc")(arrays),
    }
    place = rf"\({name.partition(':')[0]}\.py:6\)"
    with pytest.raises(
        OwnCodeError, match=rf"The model {name} failed: AttributeError: .*{place}\.$"
    ) as failure:
        uses[use]()
    assert "--debug" in failure.value.hint


def test_what_fails_with_a_model_of_ours_is_nobody_elses():
    module = build(LOGISTIC, 4, 3)
    with pytest.raises(IndexError):
        train(module, read_state(module), np.zeros((5, 4), np.float32), np.full(5, 3), Training(0.1), seed=1)


@pytest.mark.parametrize("name", ["nowhere:make", "json:missing", "json:__name__"])
def test_a_name_that_is_no_function_is_refused(own, name):
    with pytest.raises(UsageError):
        name_own(name)


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
