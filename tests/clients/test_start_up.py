"""What a process need not import: a Flower node starts one for every message that it gets."""

import subprocess
import sys

import pytest

SITE = """
import clients.mod
from fl.wiring import open_chain, open_store
open_chain("http://127.0.0.1:1")
open_store("/ip4/127.0.0.1/tcp/1")
"""
PLAIN_SIMULATION = """
from experiments.simulation import simulate
"""
CONTRIBUTOR = """
import aggregator.cli
"""
TRAINING = """
import numpy as np
from fl.documents import Model
from fl.learning import models, training
model = Model(builder="logistic", settings={})
module, start = models.build(model, 2, 2), models.initial_weights(model, 2, 2, 1)
rows, labels = np.eye(2, dtype=np.float32), np.arange(2)
training.train(module, start, rows, labels, training.Training(learning_rate=0.1, momentum=0.9), 1)
"""
SLOW = ("eth", "matplotlib", "pandas", "sklearn", "torch")


@pytest.mark.parametrize(
    ("program", "unneeded"),
    [
        (SITE, SLOW),
        (PLAIN_SIMULATION, (*SLOW, "web3", "eth_account")),
        (CONTRIBUTOR, ("matplotlib", "pandas", "sklearn", "torch")),
        (TRAINING, ("matplotlib", "pandas", "sklearn", "torch._dynamo", "sympy")),
    ],
)
def test_what_is_slow_to_import_is_imported_only_where_it_is_needed(program, unneeded):
    asked = f"{program}\nimport sys\nprint(*(name for name in {unneeded!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
