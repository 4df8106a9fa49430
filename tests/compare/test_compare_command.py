"""`fl compare`: folders in; tables, pictures and files out."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.compare.comparison import Comparison
from fl.cli import main

Capture = pytest.CaptureFixture[str]
WRITTEN = {
    "compare.json",
    "compare.csv",
    "rounds.csv",
    "table.md",
    "table.tex",
    "curves.png",
    "cost.png",
    "rewards.png",
    "differences.png",
}


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def said(capture: Capture, *words: str, code: int = 0) -> str:
    capture.readouterr()
    assert main(["compare", *words]) == code
    out, err = capture.readouterr()
    assert "Traceback" not in err
    return err if code else out


# --- what comes out


def test_a_comparison_is_told_and_written_into_a_new_folder(runs: Path, capsys: Capture) -> None:
    text = said(capsys, "runs")
    for part in ("rule=FedAvg", "0.1150 ± 0.0635", "paired over 2 seeds", "+0.1000 [+0.1000, +0.1000]"):
        assert part in text
    assert contents(runs / "compare").keys() == WRITTEN
    said(capsys, "runs")
    assert contents(runs / "compare-2") == contents(runs / "compare")


def test_json_is_what_the_file_holds_and_nothing_else(runs: Path, capsys: Capture) -> None:
    found = json.loads(said(capsys, "runs", "--out", "mine", "--json"))
    assert found == json.loads((runs / "mine/compare.json").read_text())
    assert Comparison.read(Path("mine")).to_dict() == found


def test_everything_is_drawn_again_from_compare_json_alone(runs: Path, capsys: Capture) -> None:
    said(capsys, "runs", "--out", "mine")
    first = contents(runs / "mine")
    shutil.rmtree(runs / "runs")
    for name in WRITTEN - {"compare.json"}:
        (runs / "mine" / name).unlink()
    said(capsys, "--again", "mine")
    assert contents(runs / "mine") == first


def test_one_metric_may_be_asked_for(runs: Path, capsys: Capture) -> None:
    text = said(capsys, "runs", "--metric", "auc", "--against", "Median")
    assert "AUC" in text
    assert "log loss" not in text
    assert "Differences from rule=FedMedian" in text


def test_cells_of_a_sweep_keep_their_names_in_everything_that_is_written(runs: Path, capsys: Capture) -> None:
    (runs / "runs").rename(runs / "cells")
    table = [
        {"defence": rule[3:], "seed": seed, "state": "done", "folder": f"cells/{rule}-{seed}"}
        for rule in ("FedMedian", "FedAvg")
        for seed in (1, 2)
    ]
    (runs / "table.json").write_text(json.dumps(table))
    assert "Differences from defence=Avg " in said(capsys, ".", "--out", "mine", "--against", "Avg")
    assert [group.label for group in Comparison.read(Path("mine")).groups] == [
        "defence=Median",
        "defence=Avg",
    ]
    assert "rule=" not in (runs / "mine/table.tex").read_text()


# --- what may go in


def test_a_second_folder_of_the_same_run_is_left_out_and_named(runs: Path, capsys: Capture) -> None:
    shutil.copytree(runs / "runs/FedAvg-1", runs / "copy")
    line = "Left out, because of equal settings and seed with another: copy (as runs/FedAvg-1)"
    assert line in " ".join(said(capsys, "runs", "copy").split())


def test_an_unfinished_run_of_many_is_left_out_and_named(runs: Path, capsys: Capture) -> None:
    (runs / "runs/FedAvg-2/results.json").unlink()
    text = said(capsys, "runs")
    assert "Left out, because not finished: runs/FedAvg-2\n" in text
    assert "One run only, so no interval; run it with other seeds too: rule=FedAvg\n" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Which runs?"),
        (["nowhere"], "There is no folder nowhere."),
        (["empty"], "empty is not the folder of a run, and holds none."),
        (["runs/FedAvg-1", "runs/FedAvg-1"], "The run in runs/FedAvg-1 is named twice."),
        (["runs/FedAvg-1/config.toml"], "runs/FedAvg-1/config.toml is a file, and a run is a folder."),
        (["broken"], "is not what a run writes."),
        (["runs", "--metric", "f1"], "There is no metric 'f1'."),
        (["runs", "--against", "Krum"], "'Krum' is no group here."),
        (["runs", "--out", "runs"], "The folder runs is in use."),
        (["runs", "--tensorboard", "runs"], "The folder runs is in use."),
        (["--again", "runs"], "runs/compare.json cannot be read"),
        (["--again", "runs", "--metric", "auc"], "drawn again as it is"),
        (["--again", "broken"], "is not what `fl compare` writes."),
    ],
)
def test_wrong_words_get_a_sentence_and_leave_nothing_behind(
    words: list[str], sentence: str, runs: Path, capsys: Capture
) -> None:
    (runs / "empty").mkdir()
    shutil.copytree(runs / "runs/FedAvg-1", runs / "copy")
    (runs / "broken").mkdir()
    (runs / "broken/results.json").write_text('{"config": {}}')
    (runs / "broken/compare.json").write_text("[]")
    before = sorted(runs.rglob("*"))
    text = said(capsys, *words, code=2)
    assert sentence in text
    assert "hint:" in text
    assert sorted(runs.rglob("*")) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"metrics": [', '"metrics": ["f1",'),
        ('"gas": [', '"gas": [1,'),
        ('"label": ', '"label": 1, "no": '),
        ('"groups": [', '"groups": [], "no": ['),
        ('"runs": [', '"runs": [], "no": ['),
        ("{", ""),
    ],
)
def test_a_file_that_was_changed_is_not_drawn_again(old: str, new: str, runs: Path, capsys: Capture) -> None:
    said(capsys, "runs/FedAvg-1", "--out", "mine")
    file = runs / "mine/compare.json"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    before = contents(runs / "mine")
    assert "mine/compare.json is not what `fl compare` writes." in said(capsys, "--again", "mine", code=2)
    assert contents(runs / "mine") == before


def test_a_comparison_alone_brings_neither_torch_nor_flower_nor_a_chain(runs: Path) -> None:
    program = (
        "import sys; from fl.cli import main; assert main(['compare', 'runs']) == 0;"
        "print([name for name in ('torch', 'flwr', 'web3', 'eth', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
