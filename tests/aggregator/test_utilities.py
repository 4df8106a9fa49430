"""The utility that terms name: built only where model, terms and validation set fit together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aggregator import utilities
from aggregator.verifying.replay import Tools, verify
from fl.canonical import encode_settings
from fl.documents import Model, Reference
from fl.errors import UsageError
from fl.examples import encode_examples
from fl.learning.evaluation import logits
from fl.learning.models import build, initial_weights, shapes
from fl.learning.state import read_state
from fl.store.layout import cid_of
from fl.store.port import put_bytes

SHAPES = {"output.weight": (2, 3), "output.bias": (2,)}
TENSORS = tuple({"name": name, "dtype": "F32", "shape": shape} for name, shape in SHAPES.items())
DATA = {"label": "y", "classes": ("a", "b"), "columns": ({"name": "x", "kind": "number"},)}
LOGISTIC = {"builder": "logistic", "settings": {}}
WIDE = {"builder": "mlp", "settings": encode_settings({"hidden": (4096,)})}


def rows(count, columns):
    return encode_examples(np.zeros((count, columns), np.float32), np.zeros(count, np.int64))


@pytest.fixture
def terms(make_terms):
    def terms(model=LOGISTIC):
        return make_terms(scoring="shapley", model=model, tensors=TENSORS, data=DATA)

    return terms


def test_a_model_with_the_terms_tensors_measures_weights(terms):
    utility = utilities.build(terms(), rows(4, 3))
    arrays = initial_weights(Model(**LOGISTIC), 3, 2, seed=1)
    assert utility(0, arrays) < 0


def test_a_model_larger_than_the_terms_tensors_is_refused_before_anything_is_allocated(terms):
    """It would take 256 GiB."""
    with pytest.raises(UsageError, match="other tensors"):
        utilities.build(terms(WIDE), rows(1, 1 << 24))


def test_a_model_that_this_machine_cannot_hold_is_refused_with_a_sentence(terms, monkeypatch):
    def build(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("fl.learning.models.build", build)
    with pytest.raises(UsageError, match="too large for this machine"):
        utilities.build(terms(), rows(4, 3))


def test_outputs_that_no_machine_holds_are_refused_before_the_model_is_built(terms, monkeypatch):
    monkeypatch.setattr(utilities, "MAX_OUTPUTS", 7)
    with pytest.raises(UsageError, match="4 rows is too large to tell 2 classes apart"):
        utilities.build(terms(), rows(4, 3))


def test_verification_says_that_such_a_model_was_not_checked(found):
    validation = rows(1, 1 << 23)
    place = Reference.of(cid_of(validation), validation).model_dump()
    federation = found(scoring="shapley", validation=place, model=WIDE, data=DATA)
    put_bytes(federation.store, validation)
    federation.play()
    findings = verify(federation.record(), Tools(lambda _terms: federation.rule, utilities.build))
    assert any("other tensors than the terms list" in finding.text for finding in findings)
    assert findings[-1].subject == "accounts"


# --- what it is built on


def test_shapes_are_those_of_the_model_that_is_built():
    model = Model(builder="mlp", settings=encode_settings({"hidden": (5, 4)}))
    built = read_state(build(model, 3, 2))
    assert list(shapes(model, 3, 2).items()) == [(name, array.shape) for name, array in built.items()]


def test_many_rows_are_measured_a_part_at_a_time_with_the_same_outputs():
    model = Model(builder="mlp", settings=encode_settings({"hidden": (5,)}))
    module, arrays = build(model, 3, 2), initial_weights(model, 3, 2, seed=1)
    x = torch.tensor(np.random.default_rng(0).normal(size=(40_000, 3)).astype(np.float32))
    outputs = logits(module, arrays, x)
    assert outputs.shape == (40_000, 2)
    for row in (0, 16_383, 16_384, 39_999):
        assert outputs[row] == pytest.approx(logits(module, arrays, x[row : row + 1])[0], abs=1e-5)
