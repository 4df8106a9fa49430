"""docs/researchers.md: whoever follows it, in an empty folder, gets to the end."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import commands
import numpy as np
import pandas as pd
import pytest

GUIDE = (Path(__file__).parents[2] / "docs" / "researchers.md").read_text()
FILES = dict(re.findall(r"```(?:python|toml) (\S+)\n(.*?)```", GUIDE, flags=re.DOTALL))
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```shell\n(.*?)```", GUIDE, flags=re.DOTALL)
    for line in block.splitlines()
]
CLIENT = {
    "LIMIT_BAL": (10_000, 500_000), "SEX": (1, 2), "EDUCATION": (0, 6), "MARRIAGE": (0, 3), "AGE": (21, 75),
    **{f"PAY_{month}": (-2, 8) for month in (0, 2, 3, 4, 5, 6)},
    **{f"BILL_AMT{month}": (-10_000, 300_000) for month in range(1, 7)},
    **{f"PAY_AMT{month}": (0, 100_000) for month in range(1, 7)},
    "default": (0, 1),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The reader's folder: the files that the guide shows, and data of the form of those to be downloaded."""
    folder = tmp_path_factory.mktemp("reader")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    chance = np.random.default_rng(1)
    clients = {name: chance.integers(low, high + 1, 400) for name, (low, high) in CLIENT.items()}
    pd.DataFrame(clients).to_csv(folder / "uci_credit_card.csv", index=False)
    (folder / "mnist").mkdir()
    for part, rows in (("train", 400), ("test", 100)):
        images, labels = (
            chance.integers(0, 256, (rows, 28, 28), np.uint8),
            np.arange(rows, dtype=np.uint8) % 10,
        )
        np.savez(folder / "mnist" / f"mnist_{part}.npz", x=images, y=labels)
    return folder


@pytest.fixture(scope="module")
def said(folder):
    """What every command of the guide printed, in its order."""
    outputs = {}
    for words in COMMANDS:
        done = commands.run(*words[1:], cwd=folder)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        outputs[shlex.join(words)] = done.stdout
    return outputs


def test_every_command_is_ours_and_every_file_of_the_readers_own_is_named_in_one():
    assert {words[0] for words in COMMANDS} == {"fl"}
    modules = {name.removesuffix(".py") for name in FILES if name.endswith(".py")}
    text = "\n".join(shlex.join(words) for words in COMMANDS)
    assert modules == set(re.findall(r"\b(my_\w+):", text))


@pytest.mark.slow(minutes=4)
def test_every_command_works_and_what_is_verified_is_right(said):
    verified = [output for command, output in said.items() if command.startswith("fl verify")]
    assert len(verified) == 3
    assert all("VERIFIED" in output for output in verified)


@pytest.mark.slow
def test_a_run_has_the_files_that_are_told_of(said, folder):
    for name in (
        "config.toml",
        "results.json",
        "metrics.png",
        "rewards.png",
        "partition.png",
        "partition.csv",
    ):
        assert (folder / "runs" / "first" / name).is_file(), name


@pytest.mark.slow
def test_a_misbehaviour_of_ones_own_is_told_apart_in_the_results(said, folder):
    contributors = json.loads((folder / "runs" / "attack" / "results.json").read_text())["contributors"]
    assert [each["misbehaviour"] for each in contributors] == ["my_attack:boosted", *[None] * 4]


@pytest.mark.slow
def test_the_study_has_a_row_for_each_of_its_18_cells(said, folder):
    table = pd.read_csv(folder / "sweeps" / "study" / "table.csv")
    assert len(table) == 18
    assert set(table.defence) == {"FedAvg", "median", "guard"}


@pytest.mark.slow
def test_pictures_are_drawn_again_from_the_folder_that_holds_them(said, folder):
    pictures = sorted(path.name for path in (folder / "figures").glob("*.png"))
    assert {"curves.png", "rewards.png", "cost.png"} <= set(pictures)
