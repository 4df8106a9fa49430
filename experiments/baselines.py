"""What a federated result is compared with: each trainer alone, and all data in one place.

Both start from the task's own initial weights and train as many epochs as a trainer does in all rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fl.documents import Model
from fl.examples import Examples
from fl.learning.evaluation import metrics
from fl.learning.models import build
from fl.learning.training import Training, train
from fl.weights import Arrays


@dataclass(frozen=True)
class Baseline:
    """How a baseline is trained; `training` is that of one round."""

    model: Model
    classes: int
    weights: Arrays
    training: Training
    rounds: int
    seed: int


def alone(baseline: Baseline, sites: Sequence[Examples], test: Examples) -> list[dict[str, float]]:
    """Test metrics (`log_loss`, `accuracy`, `auc`) of a model for each site, trained on its own rows only."""
    return [_train_once(baseline, site, test) for site in sites]


def pooled(baseline: Baseline, sites: Sequence[Examples], test: Examples) -> dict[str, float]:
    """Test metrics of one model trained on the rows of all sites: what sharing the data would have given."""
    everything = Examples(
        x=np.concatenate([site.x for site in sites]), y=np.concatenate([site.y for site in sites])
    )
    return _train_once(baseline, everything, test)


def _train_once(baseline: Baseline, examples: Examples, test: Examples) -> dict[str, float]:
    module = build(baseline.model, examples.x.shape[1], baseline.classes)
    settings = replace(baseline.training, epochs=baseline.training.epochs * baseline.rounds)
    trained, _ = train(module, baseline.weights, examples.x, examples.y, settings, baseline.seed)
    return metrics(module, trained, test.x, test.y)
