import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.documents import Model
from fl.errors import UsageError
from fl.learning.evaluation import MAX_LOG_LOSS, WORST, Utility, accuracy, auc, log_loss, metrics
from fl.learning.models import build, initial_weights
from fl.learning.state import read_state

MODEL = Model(builder="mlp", settings={"hidden": [4]})
RNG = np.random.default_rng(3)
X = RNG.normal(size=(30, 3)).astype(np.float32)
Y = RNG.integers(0, 2, 30)
WEIGHTS = initial_weights(MODEL, 3, 2, seed=1)


def chances(outputs):
    powers = [[math.exp(value) for value in row] for row in outputs]
    return [[power / sum(row) for power in row] for row in powers]


def naive_auc(outputs, y, classes):
    """Count the pairs, class by class; the score of a class is its log odds."""
    areas = []
    for number in range(classes):
        odds = [math.log(row[number]) - math.log(sum(row) - row[number]) for row in np.exp(outputs).tolist()]
        inside = [o for o, label in zip(odds, y, strict=True) if label == number]
        outside = [o for o, label in zip(odds, y, strict=True) if label != number]
        if inside and outside:
            wins = sum((a > b) + (a == b) / 2 for a in inside for b in outside)
            areas.append(wins / (len(inside) * len(outside)))
    return sum(areas) / len(areas) if areas else 0.5


small = st.integers(-3, 3).map(float)  # few values, so that many tie


@given(st.lists(st.tuples(small, st.integers(0, 1)), min_size=1, max_size=20))
def test_binary_auc_agrees_with_counting_pairs(rows):
    outputs = np.array([[0.0, score] for score, _ in rows])
    y = np.array([label for _, label in rows])
    inside = [score for score, label in rows if label == 1]
    outside = [score for score, label in rows if label == 0]
    if not inside or not outside:
        assert auc(outputs, y) == 0.5
        return
    wins = sum((a > b) + (a == b) / 2 for a in inside for b in outside)
    assert auc(outputs, y) == wins / (len(inside) * len(outside))


def test_auc_of_several_classes_is_the_mean_of_each_against_the_rest():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        outputs, y = rng.normal(size=(25, 4)), rng.integers(0, 3, 25)
        assert auc(outputs, y) == pytest.approx(naive_auc(outputs, y, 4), abs=1e-12)


def test_a_perfect_ranking_beyond_the_precision_of_probabilities_is_seen():
    outputs = np.array([[0.0, 900.0], [0.0, 800.0], [0.0, 1000.0]])
    assert auc(outputs, np.array([0, 0, 1])) == 1.0


def test_log_loss_agrees_with_its_formula():
    outputs, y = RNG.normal(size=(25, 3)), RNG.integers(0, 3, 25)
    likelihoods = [math.log(row[label]) for row, label in zip(chances(outputs.tolist()), y, strict=True)]
    assert log_loss(outputs, y) == pytest.approx(-math.fsum(likelihoods) / 25, rel=1e-12)


def test_log_loss_is_cut_off():
    assert log_loss(np.array([[1e308, -1e308]]), np.array([1])) == MAX_LOG_LOSS
    assert log_loss(np.array([[150.0, 0.0]]), np.array([1])) == MAX_LOG_LOSS
    assert log_loss(np.array([[50.0, 0.0]]), np.array([1])) == pytest.approx(50.0)


def test_accuracy_is_the_part_of_rows_that_are_right():
    outputs = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0], [math.nan, 0.0]])
    assert accuracy(outputs, np.array([0, 1, 1, 0])) == 0.5


def test_metrics_name_log_loss_accuracy_and_auc():
    found = metrics(build(MODEL, 3, 2), WEIGHTS, X, Y)
    first, first_bias, second, second_bias = (array.astype(np.float64) for array in WEIGHTS.values())
    outputs = np.maximum(X @ first.T + first_bias, 0) @ second.T + second_bias
    assert found["log_loss"] == pytest.approx(log_loss(outputs, Y), abs=1e-6)
    assert found["accuracy"] == accuracy(outputs, Y)
    assert found["auc"] == auc(outputs, Y)


def test_a_utility_is_the_metric_in_millionths_and_more_is_better():
    module = build(MODEL, 3, 2)
    found = metrics(module, WEIGHTS, X, Y)
    assert Utility(module, X, Y, "log_loss")(WEIGHTS) == round(-1e6 * found["log_loss"])
    assert Utility(module, X, Y, "accuracy")(WEIGHTS) == round(1e6 * found["accuracy"])
    assert Utility(module, X, Y, "auc")(WEIGHTS) == round(1e6 * found["auc"])


@pytest.mark.parametrize("kind", list(WORST))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 3e38])
def test_weights_without_finite_outputs_have_the_worst_utility(kind, value):
    ruined = {name: np.full_like(array, value) for name, array in WEIGHTS.items()}
    assert Utility(build(MODEL, 3, 2), X, Y, kind)(ruined) == WORST[kind]


def test_finite_but_absurd_weights_are_cut_off_at_the_worst():
    absurd = {name: np.full_like(array, 1e9) for name, array in WEIGHTS.items()}
    absurd["output.bias"] = np.array([1e30, -1e30], np.float32)
    value = Utility(build(MODEL, 3, 2), X, np.ones(30, np.int64), "log_loss")(absurd)
    assert value == WORST["log_loss"]


def test_float64_weights_are_measured_like_their_float32_values():
    measure = Utility(build(MODEL, 3, 2), X, Y, "log_loss")
    assert measure({name: array.astype(np.float64) for name, array in WEIGHTS.items()}) == measure(WEIGHTS)


def test_examples_of_a_class_that_the_model_does_not_have_are_refused_at_once():
    with pytest.raises(UsageError, match="class 2; the model tells classes 0 to 1"):
        Utility(build(MODEL, 3, 2), X, Y * 2, "auc")


def test_a_utility_leaves_the_module_that_it_was_made_from_alone():
    module = build(MODEL, 3, 2)
    before = read_state(module)
    Utility(module, X, Y, "log_loss")(WEIGHTS)
    assert all(np.array_equal(array, before[name]) for name, array in read_state(module).items())


def test_one_utility_does_not_remember_the_last_weights():
    measure = Utility(build(MODEL, 3, 2), X, Y, "log_loss")
    first = measure(WEIGHTS)
    assert measure({name: array + 1 for name, array in WEIGHTS.items()}) != first
    assert measure(WEIGHTS) == first
