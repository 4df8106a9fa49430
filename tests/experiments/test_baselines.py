from dataclasses import replace

import numpy as np
import pytest

from experiments.baselines import Baseline, alone, pooled
from fl.documents import Model
from fl.examples import Examples
from fl.learning.evaluation import metrics
from fl.learning.models import build, initial_weights
from fl.learning.training import Training, train

MODEL = Model(builder="logistic", settings={})
BASELINE = Baseline(
    model=MODEL,
    classes=2,
    weights=initial_weights(MODEL, 2, 2, seed=1),
    training=Training(learning_rate=0.5, epochs=2, batch_size=8),
    rounds=3,
    seed=4,
)


def examples(rows, column, seed):
    """A site whose rows show one of the two columns that decide; the other is constant there."""
    x = np.random.default_rng(seed).normal(size=(rows, 2)).astype(np.float32)
    if column is not None:
        x[:, 1 - column] = 0
    return Examples(x, (x.sum(axis=1) > 0).astype(np.int64))


SITES = [examples(60, 0, 1), examples(60, 1, 2)]
TEST = examples(200, None, 3)


def test_all_data_in_one_place_beats_each_trainer_alone():
    single, together = alone(BASELINE, SITES, TEST), pooled(BASELINE, SITES, TEST)
    assert together["accuracy"] > 0.9
    assert all(together["accuracy"] > site["accuracy"] for site in single)
    assert all(set(site) == {"log_loss", "accuracy", "auc"} for site in [*single, together])


def test_a_baseline_trains_as_many_epochs_as_all_rounds_together():
    module, settings = build(MODEL, 2, 2), replace(BASELINE.training, epochs=6)
    trained, _ = train(module, BASELINE.weights, SITES[0].x, SITES[0].y, settings, BASELINE.seed)
    assert alone(BASELINE, SITES[:1], TEST) == [metrics(module, trained, TEST.x, TEST.y)]


def test_one_site_alone_is_the_same_as_pooling_that_site():
    assert pooled(BASELINE, SITES[:1], TEST) == alone(BASELINE, SITES[:1], TEST)[0]


def test_a_trainer_does_not_depend_on_the_others():
    assert alone(BASELINE, SITES, TEST)[1] == pytest.approx(alone(BASELINE, SITES[1:], TEST)[0])
