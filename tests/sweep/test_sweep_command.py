"""`fl sweep`: tiny runs, really run; stopped, gone on with, changed."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from experiments.loading import read
from experiments.progress import Silent
from experiments.results import Results
from experiments.run import run
from fl.cli import main

pytestmark = pytest.mark.slow

FILE = """
seeds = [1, 2]

[set]
rounds = 1
trainers = 3
training.epochs = 1
model.name = "logistic"

[variants.defence.mean]
scoring.rule = "examples"

[variants.defence.median]
rule.name = "FedMedian"
"""
CELLS = [f"defence={defence},seed={seed}" for defence in ("mean", "median") for seed in (1, 2)]
WRITTEN = {"table.csv", "table.parquet", "table.json", "sweep.toml", "cells"}


def sweep(*words):
    return main(["sweep", *map(str, words)])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Four cells that two workers ran and nothing disturbed. Shared: copy it before changing anything."""
    folder = tmp_path_factory.mktemp("sweeps")
    (folder / "tiny.toml").write_text(FILE)
    assert sweep(folder / "tiny.toml", "--out", folder / "done", "--workers", 2) == 0
    return folder / "done"


@pytest.fixture
def copied(finished, tmp_path):
    """The same, to be changed; the file stands beside it."""
    shutil.copytree(finished, tmp_path / "done")
    shutil.copy(finished / "sweep.toml", tmp_path / "tiny.toml")
    return tmp_path / "done"


def table(folder):
    """The table but for its times."""
    return pd.read_parquet(folder / "table.parquet").drop(columns="seconds")


def stamps(folder):
    """When the results of each cell were written."""
    return {file.parent.name: file.stat().st_mtime_ns for file in folder.glob("cells/*/results.json")}


# --- what comes of a sweep


def test_a_sweep_is_a_row_and_a_whole_run_for_each_cell(finished):
    assert {path.name for path in finished.iterdir()} == WRITTEN
    rows = table(finished)
    assert list(rows["folder"]) == [f"cells/{name}" for name in CELLS]
    assert list(rows["defence"]) == ["mean", "mean", "median", "median"]
    assert list(rows["seed"]) == [1, 2, 1, 2]
    assert set(rows["state"]) == {"done"}
    for row in rows.to_dict("records"):
        found = Results.read(finished / row["folder"])
        assert (row["log_loss"], row["accuracy"]) == (found.final.log_loss, found.final.accuracy)
        assert row["gas"] == sum(one.gas.total for one in found.rounds)
        assert (row["rounds_closed"], row["earned_honest"]) == (1, 1.0)
        chain = {path.name for path in (finished / row["folder"]).glob("chain*")}
        assert chain == {"chain.sqlite"}  # a copy of this file has everything


def test_the_three_formats_hold_the_same_table(finished):
    from_parquet = pd.read_parquet(finished / "table.parquet")
    from_csv = pd.read_csv(finished / "table.csv")
    assert list(from_csv.columns) == list(from_parquet.columns)
    assert from_csv.to_dict("records") == from_parquet.to_dict("records")
    assert json.loads((finished / "table.json").read_text()) == from_parquet.to_dict("records")


def test_a_cell_is_what_fl_run_makes_of_its_configuration_and_can_be_verified(finished, tmp_path, capsys):
    cell = finished / "cells" / CELLS[2]
    alone = run(read(cell / "config.toml"), tmp_path, Silent())
    assert Results.read(cell).facts() == alone.facts()
    assert main(["verify", str(cell)]) == 0


# --- going on


def test_a_sweep_that_is_killed_goes_on_and_runs_nothing_twice(finished, tmp_path):
    (tmp_path / "tiny.toml").write_text(FILE)
    out = tmp_path / "done"
    words = [Path(sys.executable).with_name("fl"), "sweep", tmp_path / "tiny.toml", "--out", out]
    with subprocess.Popen([*words, "--workers", "1"], stderr=subprocess.PIPE, text=True) as process:
        next(line for line in process.stderr if "log loss" in line)
        process.send_signal(signal.SIGKILL)
    before = stamps(out)
    assert 1 <= len(before) < len(CELLS)
    assert sweep(tmp_path / "tiny.toml", "--out", out, "--workers", 1) == 0
    assert stamps(out).items() >= before.items()
    pd.testing.assert_frame_equal(table(out), table(finished))


def test_an_interrupt_leaves_a_table_and_says_how_to_go_on(tmp_path):
    (tmp_path / "tiny.toml").write_text(FILE)
    words = [Path(sys.executable).with_name("fl"), "sweep", "tiny.toml", "--workers", "1"]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        next(line for line in process.stderr if "log loss" in line)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "Go on with: fl sweep tiny.toml --out sweeps/tiny\n" in said
    rows = pd.read_csv(tmp_path / "sweeps/tiny/table.csv")
    assert len(rows) == len(stamps(tmp_path / "sweeps/tiny")) < len(CELLS)


def test_a_finished_sweep_is_told_again_and_nothing_is_run(copied, tmp_path, capsys):
    before = stamps(copied)
    assert sweep(tmp_path / "tiny.toml", "--out", copied, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((copied / "table.json").read_text())
    assert [row["folder"] for row in said] == [f"cells/{name}" for name in CELLS]
    assert stamps(copied) == before


def test_cells_that_the_file_gains_are_run_and_one_that_fails_is_a_row(copied, tmp_path, capsys):
    before = stamps(copied)
    more = '[variants.defence.many]\ntrainers = 500\nscoring.rule = "equal"\n'
    (tmp_path / "tiny.toml").write_text(FILE.replace("seeds = [1, 2]", "seeds = [1]") + more)
    assert sweep(tmp_path / "tiny.toml", "--out", copied) == 1
    said = capsys.readouterr()
    assert "1 of 3 cells failed." in said.err
    assert f"left alone: {CELLS[1]}, {CELLS[3]}" in said.err
    rows = pd.read_csv(copied / "table.csv")
    assert list(rows["state"]) == ["done", "done", "failed"]
    assert "500 trainers" in rows["reason"][2]
    assert stamps(copied) == before


def test_a_cell_that_learned_nothing_has_failed_and_is_run_again_once_its_rule_is_mended(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    mended = "from flwr.serverapp.strategy import FedAvg\n\nclass Rule(FedAvg):\n    pass\n"
    Path("their_rule.py").write_text(
        f"{mended}\n    def aggregate_train(self, *_):\n        return self.missing\n"
    )
    Path("tiny.toml").write_text(FILE.replace("FedMedian", "their_rule:Rule").replace("[1, 2]", "[1]"))
    assert sweep("tiny.toml", "--workers", 1) == 1
    assert "1 of 2 cells failed." in capsys.readouterr().err
    rows = pd.read_csv("sweeps/tiny/table.csv")
    assert list(rows["state"]) == ["done", "failed"]
    assert rows["log_loss"].isna().tolist() == [False, True]
    assert "the rule their_rule:Rule failed: AttributeError" in rows["reason"][1]
    assert "(their_rule.py:7)" in rows["reason"][1]
    assert len(stamps(Path("sweeps/tiny"))) == 1
    Path("their_rule.py").write_text(mended)
    assert sweep("tiny.toml", "--workers", 1) == 0
    assert "fl compare sweeps/tiny" in capsys.readouterr().out
    assert list(pd.read_csv("sweeps/tiny/table.csv")["rounds_closed"]) == [1, 1]


# --- what is refused


def refused(capsys, *words):
    assert sweep(*words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


def test_a_cell_whose_settings_changed_is_refused_before_anything_is_run(copied, tmp_path, capsys):
    before = (stamps(copied), (copied / "sweep.toml").read_bytes(), (copied / "table.csv").read_bytes())
    (tmp_path / "tiny.toml").write_text(FILE.replace("epochs = 1", "epochs = 2"))
    said = refused(capsys, tmp_path / "tiny.toml", "--out", copied)
    assert f"{CELLS[0]} was run with other settings, and 3 more cells with others too" in said
    assert "training.epochs is 1 there, and 2 in the file" in said
    after = (stamps(copied), (copied / "sweep.toml").read_bytes(), (copied / "table.csv").read_bytes())
    assert after == before


def test_a_folder_that_is_no_sweeps_is_refused(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("Dear Ada")
    (tmp_path / "tiny.toml").write_text(FILE)
    said = refused(capsys, tmp_path / "tiny.toml", "--out", tmp_path / "mine")
    assert "is in use, and by no sweep" in said


@pytest.mark.parametrize("words", [["--workers", 1], ["--dry-run"]])
def test_a_wrong_setting_is_refused_with_its_cell_before_the_first_is_run(tmp_path, capsys, words):
    (tmp_path / "tiny.toml").write_text(FILE.replace('"FedMedian"', '"Krum"\nrule.arguments.bad = 1'))
    said = refused(capsys, tmp_path / "tiny.toml", "--out", tmp_path / "out", *words)
    assert f"Cell {CELLS[2]}: Krum takes no argument bad." in said
    assert not (tmp_path / "out").exists()


def test_a_dry_run_lists_the_cells_and_runs_none(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(FILE)
    assert sweep("tiny.toml", "--dry-run") == 0
    assert capsys.readouterr().out.splitlines() == CELLS
    assert sweep("tiny.toml", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)[1] == {"cell": CELLS[1], "defence": "mean", "seed": 2}
    assert {path.name for path in tmp_path.iterdir()} == {"tiny.toml"}
