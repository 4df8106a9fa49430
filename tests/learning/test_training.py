from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from fl.canonical import tag_float
from fl.documents import Model
from fl.errors import UsageError
from fl.learning.models import build, initial_weights
from fl.learning.state import read_state
from fl.learning.training import Training, train
from fl.weights import encode

MODEL = Model(builder="logistic", settings={})
RNG = np.random.default_rng(3)
X = RNG.normal(size=(40, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
START = initial_weights(MODEL, 3, 2, seed=1)


def trained(settings, seed=1, start=START):
    return train(build(MODEL, 3, 2), start, X, Y, settings, seed)


def softmax_gradient(weight, bias, x, y):
    outputs = x @ weight.T + bias
    chances = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    error = (chances - np.eye(2)[y]) / len(y)
    return error.T @ x, error.sum(axis=0)


def test_one_full_batch_step_is_gradient_descent():
    found, _ = trained(Training(learning_rate=0.5, batch_size=40))
    weight, bias = (START[name].astype(np.float64) for name in ("output.weight", "output.bias"))
    by_weight, by_bias = softmax_gradient(weight, bias, X, Y)
    assert found["output.weight"] == pytest.approx(weight - 0.5 * by_weight, abs=1e-6)
    assert found["output.bias"] == pytest.approx(bias - 0.5 * by_bias, abs=1e-6)


def test_momentum_and_weight_decay_follow_their_formulas():
    settings = Training(learning_rate=0.1, epochs=2, batch_size=40, momentum=0.9, weight_decay=0.01)
    found, _ = trained(settings)
    parameters = [START[name].astype(np.float64) for name in ("output.weight", "output.bias")]
    velocity = [np.zeros_like(parameter) for parameter in parameters]
    for _ in range(2):
        gradients = softmax_gradient(*parameters, X, Y)
        velocity = [0.9 * v + g + 0.01 * p for v, g, p in zip(velocity, gradients, parameters, strict=True)]
        parameters = [p - 0.1 * v for p, v in zip(parameters, velocity, strict=True)]
    assert found["output.weight"] == pytest.approx(parameters[0], abs=1e-6)
    assert found["output.bias"] == pytest.approx(parameters[1], abs=1e-6)


class Uneven(nn.Module):
    """A parameter that is frozen, one that the loss does not reach, and two others."""

    def __init__(self):
        super().__init__()
        self.body, self.unused = nn.Linear(3, 2), nn.Linear(3, 2)
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)

    def forward(self, x):
        return self.body(x) * self.frozen


@pytest.mark.parametrize(("momentum", "weight_decay"), [(0.0, 0.0), (0.9, 0.0), (0.5, 0.01)])
def test_the_steps_are_those_of_torchs_own_optimizer_bit_for_bit(momentum, weight_decay):
    settings = Training(0.1, epochs=3, batch_size=len(Y), momentum=momentum, weight_decay=weight_decay)
    torch.manual_seed(1)
    ours, theirs = Uneven(), Uneven()
    theirs.load_state_dict(ours.state_dict())
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=momentum, weight_decay=weight_decay)
    chance = torch.Generator().manual_seed(1)
    for _ in range(3):
        rows = torch.randperm(len(Y), generator=chance)
        optimizer.zero_grad()
        nn.functional.cross_entropy(theirs(torch.tensor(X)[rows]), torch.tensor(Y)[rows]).backward()
        optimizer.step()
    found, _ = train(ours, read_state(ours), X, Y, settings, seed=1)
    assert encode(found) == encode(read_state(theirs))


def test_training_learns():
    _, before = trained(Training(learning_rate=1e-9))
    _, after = trained(Training(learning_rate=0.5, epochs=20, batch_size=8))
    assert after["accuracy"] > 0.95
    assert after["loss"] < before["loss"]


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    settings = Training(learning_rate=0.1, epochs=2, batch_size=7)
    first, again, other = (trained(settings, seed)[0] for seed in (1, 1, 2))
    torch.manual_seed(99)
    later = trained(settings, 1)[0]
    for name in first:
        assert first[name].tobytes() == again[name].tobytes() == later[name].tobytes()
    assert first["output.weight"].tobytes() != other["output.weight"].tobytes()


def dropping(seed, rows=40):
    model = Model(builder="mlp", settings={"hidden": [8], "dropout": tag_float(0.5)})
    module, start = build(model, 3, 2), initial_weights(model, 3, 2, seed=1)
    return train(module, start, X[:rows], Y[:rows], Training(learning_rate=0.1, batch_size=7), seed)[0]


def test_what_dropout_leaves_out_follows_from_the_seed_alone():
    first = dropping(1, rows=1)  # in one order only: nothing else is drawn
    torch.manual_seed(99)
    expected = torch.rand(3)
    torch.manual_seed(99)
    again, other = dropping(1, rows=1), dropping(2, rows=1)
    assert torch.equal(torch.rand(3), expected)
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    assert first["output.weight"] != pytest.approx(other["output.weight"], abs=1e-4)


def test_dropout_of_sites_that_train_at_once_in_one_process_does_not_mix():
    one_by_one = [dropping(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(dropping, range(4)))
    assert [encode(arrays) for arrays in at_once] == [encode(arrays) for arrays in one_by_one]


def test_training_leaves_its_input_and_the_global_generator_alone():
    start = {name: array.copy() for name, array in START.items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(Training(learning_rate=0.1), start=start)
    assert torch.equal(torch.rand(3), expected)
    assert all(np.array_equal(start[name], START[name]) for name in START)


def test_metrics_stay_finite_when_training_diverges():
    _, metrics = trained(Training(learning_rate=1e30, epochs=5, batch_size=4))
    assert np.isfinite(list(metrics.values())).all()


def test_a_module_that_was_measured_trains_in_training_mode_again():
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    start = read_state(module)
    module.eval()
    found, _ = train(module, start, X, Y, Training(learning_rate=0.1, batch_size=10), 1)
    assert found["1.num_batches_tracked"] == 4
    assert not np.array_equal(found["1.running_mean"], start["1.running_mean"])


def test_no_rows_cannot_be_trained_on():
    with pytest.raises(UsageError, match="no rows"):
        train(build(MODEL, 3, 2), START, X[:0], Y[:0], Training(learning_rate=0.1), 1)


def test_settings_are_read_by_name():
    settings = {"learning_rate": 0.1, "epochs": 2, "batch_size": 8, "momentum": 0.5, "weight_decay": 0}
    assert Training.of(settings) == Training(0.1, epochs=2, batch_size=8, momentum=0.5, weight_decay=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", -0.1),
        ("learning_rate", float("inf")),
        ("learning_rate", "fast"),
        ("learning_rate", True),
        ("epochs", 0),
        ("epochs", 1.5),
        ("batch_size", 0),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("weight_decay", -1),
        ("weight_decay", float("nan")),
        ("weight_decay", (0.1,)),
        ("dropout", 0.5),
    ],
)
def test_an_absurd_setting_is_refused_by_name(name, value):
    with pytest.raises(UsageError, match=name):
        Training.of({"learning_rate": 0.1} | {name: value})


def test_a_learning_rate_has_to_be_given():
    with pytest.raises(UsageError, match="learning_rate"):
        Training.of({})
