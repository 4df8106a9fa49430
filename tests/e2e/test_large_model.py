"""A model of 100 MB goes the whole way: Flower, sealed updates, contract, store, and a verifier."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from mallory import Misdeed
from stage import EXAMPLES, REWARD, Stage

from aggregator.verifying.findings import Level
from fl import weights

MILLION = 10**6
BASE = {f"layer{i}": np.full((1000, 1000), i / 8, np.float32) for i in range(25)}
LIMITS = {"element": "float:10.0", "norm": "float:10000.0", "examples": 1000}
SITES = ("ada", "cleo", "dora")


@pytest.fixture
def stage(tmp_path_factory, tmp_path):
    yield Stage.build(tmp_path_factory.mktemp("stage"), SITES).copied_to(tmp_path / "round")
    shutil.rmtree(tmp_path / "round")  # pytest would keep it


@pytest.mark.slow
def test_a_model_of_100_mb_is_trained_for_a_round_paid_for_and_verified(stage):
    assert sum(array.nbytes for array in BASE.values()) == 100 * MILLION
    record = stage.play(Misdeed(begin={"base": BASE, "limits": LIMITS}))  # Mallory is not among the sites
    (round_,) = record.rounds
    assert round_.settled.paid == REWARD
    made = [weights.decode(stage.trained[name, 1], list(BASE)) for name in SITES]
    counts = [EXAMPLES[name] for name in SITES]
    new = weights.decode(record.blob(record.manifest(round_).weights), list(BASE))
    for name, array in new.items():
        mean = np.average([arrays[name] for arrays in made], axis=0, weights=counts)
        assert np.allclose(array, mean, atol=1e-6)
    assert not [one for one in stage.verify() if one.level in (Level.MISMATCH, Level.UNCHECKED)]
