"""The examples: an app as Flower's users write it, and the same app on the chain."""

from __future__ import annotations

import difflib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import commands
import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FL = Path(sys.executable).with_name("fl")
FLWR = FL.with_name("flwr")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
PAIRS = ("pytorch", "sklearn")
SUFFIX = {"pytorch": "pt", "sklearn": "npz"}


def difference(library: str) -> str:
    """What `diff --unified=0` says of the two folders, without line numbers; their READMEs left out."""
    plain, chain = (EXAMPLES / f"{library}-{kind}" for kind in ("plain", "onchain"))
    lines = []
    for file in sorted(
        path.relative_to(plain) for path in plain.rglob("*") if path.suffix in (".py", ".toml")
    ):
        old, new = ((folder / file).read_text().splitlines() for folder in (plain, chain))
        changed = list(difflib.unified_diff(old, new, str(file), str(file), n=0, lineterm=""))
        lines += [line for line in changed if not line.startswith("@@")]
    return "\n".join(lines)


def sources(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.suffix in (".py", ".toml", ".md")}


@pytest.mark.parametrize("library", PAIRS)
def test_the_two_apps_have_the_same_files(library):
    assert sources(EXAMPLES / f"{library}-plain") == sources(EXAMPLES / f"{library}-onchain")


@pytest.mark.parametrize("library", PAIRS)
def test_the_code_differs_by_an_import_and_a_line_at_each_end(library):
    changed = [line for line in difference(library).splitlines() if line[:3] not in ("---", "+++")]
    assert [line for line in changed if line.startswith("-")] == [
        "-app = ClientApp()",
        "-    strategy = FedAvg()",
    ]
    assert {line for line in changed if line.startswith("+")} == {
        '+    "fedledger",',
        '+aggregator = ""',
        "+from clients.mod import on_chain",
        "+app = ClientApp(mods=[on_chain])",
        "+from aggregator.strategy import OnChain",
        "+    strategy = OnChain(FedAvg(), context)",
    }


def test_the_guide_shows_the_difference_as_it_is():
    assert f"```diff\n{difference('pytorch')}\n```" in (ROOT / "docs" / "flower.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("library", PAIRS)
def test_flower_accepts_the_apps_as_its_own(library, tmp_path):
    quiet = {"FLWR_HOME": str(tmp_path), "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
    for kind in ("plain", "onchain"):
        words = [FLWR, "build", "--app", EXAMPLES / f"{library}-{kind}"]
        subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT | quiet, check=True, capture_output=True)
    assert len(list(tmp_path.glob("*.fab"))) == 2


# --- trained


def words(library: str, kind: str, folder: Path, name: str) -> list[str]:
    saved = folder / f"{name}.{SUFFIX[library]}"
    app = str(EXAMPLES / f"{library}-{kind}")
    return ["simulate", app, "--nodes", "3", "--out", str(folder / name), "-c", f"save='{saved}'"]


def trained(library: str, kind: str, folder: Path, name: str) -> list[np.ndarray]:
    """The weights that `fl simulate` ended with, in the app's order."""
    done = commands.run(*words(library, kind, folder, name), cwd=folder)
    assert done.returncode == 0, done.stderr
    return read(folder / f"{name}.{SUFFIX[library]}")


def read(file: Path) -> list[np.ndarray]:
    found = torch.load(file) if file.suffix == ".pt" else np.load(file)
    return [np.asarray(found[name]) for name in found]


@pytest.mark.slow(minutes=0.5)
@pytest.mark.parametrize("library", PAIRS)
def test_on_the_chain_the_model_is_the_plain_one_bit_for_bit(library, tmp_path):
    """But for the dtype of a counter: Flower's FedAvg makes floats of integers, on the chain they stay."""
    plain, chain = (trained(library, kind, tmp_path, kind) for kind in ("plain", "onchain"))
    assert len(plain) == len(chain) > 1
    for one, other in zip(plain, chain, strict=True):
        assert one.astype(other.dtype).tobytes() == other.tobytes()
    assert commands.run("verify", tmp_path / "onchain", cwd=tmp_path).returncode == 0


@pytest.mark.slow(minutes=0.5)
def test_an_example_that_is_killed_and_run_again_ends_with_the_same_model(tmp_path):
    whole = trained("sklearn", "onchain", tmp_path, "whole")
    command = [FL, *words("sklearn", "onchain", tmp_path, "killed")]
    process = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT)
    until = time.monotonic() + 120
    while not list((tmp_path / "killed").glob("sites/*/outbox/*")) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed.npz").exists()
    again = trained("sklearn", "onchain", tmp_path, "killed")
    assert [array.tobytes() for array in again] == [array.tobytes() for array in whole]
    assert commands.run("verify", tmp_path / "killed", cwd=tmp_path).returncode == 0
