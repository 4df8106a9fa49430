"""A Flower app simulated on our grid, without a chain and with one, and by Flower's own simulation, on Ray.

Whole processes, from `python` to its end: what somebody waits for who tries something out. They take turns,
so that what else the machine does hits all alike.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from figures import Figure
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
RAY = HERE.parent / ".tools" / "ray" / "bin" / "python"
TURNS = 3
PATIENCE = 300.0
"""Seconds for one run."""

OURS, CHAIN, FLOWER = "our grid", "our grid, chain on", "Flower's own, on Ray"
PROGRAMS = {
    OURS: """
from experiments.simulation import simulate
simulate("digits.plain:server_app", "digits.plain:client_app", 10)
""",
    CHAIN: """
from experiments.simulation import simulate
simulate("digits.on_chain:server_app", "digits.on_chain:client_app", 10, folder="run")
""",
    # an actor for each core, and nothing beside that Ray can do without
    FLOWER: """
from digits.plain import client_app, server_app
from flwr.simulation import run_simulation
resources = {"num_cpus": 1, "num_gpus": 0.0}
backend = {"client_resources": resources, "init_args": {"include_dashboard": False}}
run_simulation(server_app, client_app, 10, backend_config=backend)
""",
}
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",  # what Ray gives each of its actors
}

Weights = Mapping[str, np.ndarray]


def figures() -> Iterator[Figure]:
    """Seconds of each, Flower's against ours, and how far apart the models are that they end with."""
    names = [name for name in PROGRAMS if name != FLOWER or RAY.exists()]
    for name in names:
        _once(name)  # warm: bytecode, and what the machine reads from its disk
    turns = [{name: _once(name) for name in names} for _ in range(TURNS)]
    for name in names:
        yield Figure(f"simulation: {name}", median(turn[name][0] for turn in turns), "s")
    if FLOWER in names:
        ratio = median(turn[FLOWER][0] / turn[OURS][0] for turn in turns)
        yield Figure(f"simulation: {FLOWER}, against ours", ratio, "of our time", "at least", 4)
    else:
        print(f"{FLOWER}, is not measured: run `make .tools/ray/.installed`.", file=sys.stderr)
    last = {name: weights for name, (_, weights) in turns[-1].items()}
    for name in names[1:]:
        apart = _apart(last[OURS], last[name])
        yield Figure(f"simulation: final weights, {name}", apart, "from our grid's", bound=1e-5)


def _once(name: str) -> tuple[float, Weights]:
    """Seconds of one run in a folder of its own, and the weights that it leaves there."""
    with TemporaryDirectory(prefix="fedledger-bench-") as folder:
        write_rows(Path(folder))
        took = run(PROGRAMS[name], Path(folder), str(RAY) if name == FLOWER else sys.executable)
        with np.load(Path(folder) / "final.npz") as final:
            return took, dict(final)


def run(program: str, folder: Path, python: str = sys.executable) -> float:
    """Seconds of a whole process with this program, in this folder. Raises RuntimeError when it fails."""
    environment = {**os.environ, **QUIET, "PYTHONPATH": str(HERE), "FLWR_HOME": f"{folder}/flower"}
    begin = perf_counter()
    done = subprocess.run(  # noqa: S603 - ours
        [python, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    took = perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")
    return took


def write_rows(folder: Path) -> None:
    """scikit-learn's digits in random order: taken in turns, each site of `digits.plain` gets some of all."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    np.savez(folder / "digits.npz", x=(x[order] / 16).astype(np.float32), y=y[order])


def _apart(one: Weights, other: Weights) -> float:
    """The largest difference of any weight."""
    return max(float(np.abs(one[name] - other[name]).max()) for name in one.keys() | other.keys())
