"""How well the presets `credit` and `mnist` learn, through `fl run` as anybody types it, chain on.

Both need data that the project does not carry, from the folder $FEDLEDGER_DATA, or from ../shared/data where
that is not set: uci_credit_card.csv, mnist_train.npz and mnist_test.npz.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from figures import Figure

DATA = Path(os.environ.get("FEDLEDGER_DATA", Path(__file__).parents[2] / "shared" / "data"))
CREDIT, MNIST = DATA / "uci_credit_card.csv", DATA / "mnist_train.npz"
SEEDS = (1, 2, 3)
PUBLISHED = 97.21
"""Per cent of test images read by FedAvg over 50 rounds, IID: github.com/shaoxiongji/federated-learning."""
PATIENCE = 3600.0
"""Seconds for one run."""

Results = Mapping[str, Any]


def figures() -> Iterator[Figure]:
    """AUC of the banks together, of each alone, and of all their rows in one place: means of three seeds."""
    if _is_there(CREDIT):
        found = [_run("credit", CREDIT, seed) for seed in SEEDS]
        together = mean(one["final"]["auc"] for one in found)
        alone = mean(bank["metrics"]["auc"] for one in found for bank in one["baselines"]["alone"])
        pooled = mean(one["baselines"]["pooled"]["auc"] for one in found)
        yield Figure("credit: five banks together", together, "AUC", "at least", 0.76)
        yield Figure("credit: more than a bank alone, on average", together - alone, "AUC", "at least", 0)
        yield Figure("credit: less than all rows in one place", pooled - together, "AUC", "at most", 0.01)


def long_figures() -> Iterator[Figure]:
    """The same, and how many of MNIST's test images a model of a hundred trainers reads."""
    yield from figures()
    if _is_there(MNIST):
        accuracy = 100 * _run("mnist", MNIST.parent, SEEDS[0])["final"]["accuracy"]
        yield Figure("mnist: a hundred trainers, a tenth a round", accuracy, "% right")
        yield Figure("mnist: distance from what is published", abs(accuracy - PUBLISHED), "points", bound=0.3)


def _is_there(file: Path) -> bool:
    if not file.exists():
        print(f"{file} is not there, so nothing is measured on it: set FEDLEDGER_DATA.", file=sys.stderr)
    return file.exists()


def _run(preset: str, data: Path, seed: int) -> Results:
    """What `fl run` found, in a folder that is gone afterwards."""
    with TemporaryDirectory(prefix="fedledger-bench-") as folder:
        fl = Path(sys.executable).with_name("fl")
        words = [fl, "run", preset, "--data", data, "--seed", str(seed), "--out", "run", "--json"]
        done = subprocess.run(  # noqa: S603 - ours
            words, cwd=folder, stdout=subprocess.PIPE, text=True, check=True, timeout=PATIENCE
        )
        found: Results = json.loads(done.stdout)
        return found
