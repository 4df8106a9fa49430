"""`fl run`: words in; folder, tables or JSON out. The runner is a stand-in: the words are what is tested."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import experiments
from experiments.config import RunConfig
from experiments.folder import alone
from experiments.holdings import Holdings
from experiments.loading import load
from experiments.progress import Silent
from experiments.results import Results
from fl.cli import main
from fl.errors import LedgerUnavailable, UsageError

WRITTEN = {"config.toml", "results.json", "metrics.png", "rewards.png", "partition.csv", "partition.png"}
HELD = Holdings(("site-1", "site-2"), ("no", "yes"), np.array([[3, 4], [5, 6]]))


class Runner:
    """Writes the configuration, then ends as it is told."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.ends: BaseException | None = None
        self.begins = True
        self.config: RunConfig | None = None
        self.resumed: Path | None = None

    def run(self, config: RunConfig, folder: Path, progress: Silent) -> Results:
        self.config = config
        if self.begins:
            (folder / "config.toml").write_text(config.to_toml())
        if self.ends:
            raise self.ends
        HELD.write(folder)
        return self.results

    def resume(self, folder: Path, progress: Silent) -> Results:
        self.resumed = folder
        if self.ends:
            raise self.ends
        HELD.write(folder)
        return self.results


@pytest.fixture
def runner(results: Results, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runner:
    made = Runner(results)
    module = SimpleNamespace(run=made.run, resume=made.resume)
    monkeypatch.setitem(sys.modules, "experiments.run", module)
    monkeypatch.setattr(experiments, "run", module, raising=False)
    monkeypatch.chdir(tmp_path)
    return made


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_run_writes_results_and_pictures_and_names_what_to_do_next(
    runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run"]) == 0
    folder = tmp_path / "runs/hospitals-1"
    assert files(folder) == WRITTEN
    said = capsys.readouterr().out
    for command in ("verify", "rewards", "rounds"):
        assert re.search(rf"^fl {command} +runs/hospitals-1 ", said, re.MULTILINE)
    assert Results.read(folder) == runner.results


def test_what_a_verifier_has_to_name_again_is_part_of_what_to_do_next(
    runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    own = load(overrides=["model.name=mine:model", "rule.name=mine:Rule"])
    runner.results = replace(runner.results, config=own)
    assert main(["run", "--out", "mine"]) == 0
    assert "fl verify  mine --model mine:model --strategy mine:Rule  " in capsys.readouterr().out


def test_with_json_stdout_is_the_results_and_nothing_else(
    runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == runner.results.to_dict()


def test_every_option_reaches_the_configuration(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "My Rows.csv").write_text("x,y\n1,a\n")
    counts = ["--rounds", "2", "--trainers", "3", "--seed", "4", "--workers", "2"]
    changes = ["--set", "training.epochs=5", "--set", "model.name=logistic"]
    assert main(["run", "--data", "My Rows.csv", "--label", "y", *counts, *changes]) == 0
    config = runner.config
    assert config is not None
    assert (config.rounds, config.trainers, config.seed, config.workers) == (2, 3, 4, 2)
    assert (config.training.epochs, config.model.name) == (5, "logistic")
    assert (config.data.source, config.data.label) == (str(tmp_path / "My Rows.csv"), "y")
    assert config.name == "my-rows"
    assert "breast" not in config.purpose
    assert (tmp_path / "runs/my-rows-4").is_dir()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--data", "rows.csv", "--label", "y"], "rows"),
        (["digits", "--data", "rows.csv", "--label", "y"], "rows"),
        (["--data", "rows.npz"], "rows"),
        (["credit", "--data", "rows.csv"], "credit"),
        (["credit", "--data", "rows.csv", "--label", "y"], "credit"),
        (["mnist", "--data", "rows.npz"], "mnist"),
        (["mine.toml", "--data", "rows.csv", "--label", "y"], "mine"),
    ],
)
def test_data_of_a_strangers_makes_another_run_and_data_that_the_preset_waits_for_does_not(
    runner: Runner, tmp_path: Path, words: list[str], name: str
) -> None:
    (tmp_path / "rows.csv").write_text("x,y\n1,a\n")
    np.savez(tmp_path / "rows.npz", x=np.zeros((2, 3)), y=np.arange(2))
    (tmp_path / "mine.toml").write_text('name = "mine"\n')
    assert main(["run", *words]) == 0
    assert runner.config is not None
    assert runner.config.name == name


def test_a_folder_that_is_taken_is_left_alone_and_the_next_name_is_used(
    runner: Runner, tmp_path: Path
) -> None:
    assert [main(["run"]), main(["run"]), main(["run"])] == [0, 0, 0]
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {
        "hospitals-1",
        "hospitals-1-2",
        "hospitals-1-3",
    }


def test_an_empty_folder_may_be_used(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert main(["run", "--out", "mine"]) == 0
    assert (tmp_path / "mine/results.json").is_file()


def test_a_folder_in_use_is_refused_and_resuming_is_named(
    runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--out", "mine"]) == 0
    capsys.readouterr()
    before = files(tmp_path)
    assert main(["run", "--out", "mine"]) == 2
    assert capsys.readouterr().err == (
        "error: The folder mine is in use.\nhint:  Go on with it: fl run --resume mine.\n"
    )
    assert files(tmp_path) == before


def test_a_file_in_place_of_a_folder_is_refused(
    runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["run", "--out", "file"]) == 2
    assert main(["run", "--out", "file/run"]) == 2
    assert "cannot be made" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["missing.toml"],
        ["--set", "training.epoch=1"],
        ["--rounds", "0"],
        ["--rounds", "many"],
        ["--trainers", "513"],
        ["--data", "missing.csv", "--label", "y"],
        ["--data", "missing.csv"],
        ["--label", "y"],
        ["credit"],
        ["mnist"],
        ["mnist", "--data", "."],
        ["--resume", "missing"],
        ["--resume", "."],
        ["--resume", "missing", "--rounds", "3"],
        ["one", "two"],
    ],
)
def test_wrong_words_get_a_sentence_and_leave_nothing_behind(
    runner: Runner, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "\nhint:  " in captured.err or "is needed" in captured.err
    assert "Traceback" not in captured.err
    assert files(tmp_path) == set()
    assert runner.config is None


def test_data_that_turns_out_wrong_leaves_no_folder(
    runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.begins, runner.ends = False, UsageError("Column 'y' is not there.", "There are: x.")
    assert main(["run", "--out", "deep/run"]) == 2
    assert "Column 'y' is not there." in capsys.readouterr().err
    assert files(tmp_path) == set()


def test_an_interrupted_run_keeps_its_folder_and_says_how_to_go_on(
    runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.ends = KeyboardInterrupt()
    assert main(["run", "--out", "my run"]) == 130
    assert "fl run --resume 'my run'" in capsys.readouterr().err
    assert files(tmp_path) == {"my run", "my run/config.toml"}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            LedgerUnavailable("The node is away.", "Start it."),
            "error: The node is away.\nhint:  Start it. Go on with: ",
        ),
        (
            OSError(28, "No space left on device"),
            "error: mine: No space left on device.\nhint:  Go on with: ",
        ),
        (OSError(28, "No space left", "mine/a"), "error: mine/a: No space left.\nhint:  Go on with: "),
    ],
)
def test_a_run_that_fails_in_the_middle_says_why_and_how_to_go_on(
    runner: Runner, error: Exception, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.ends = error
    assert main(["run", "--out", "mine"]) == 1
    assert capsys.readouterr() == ("", f"{sentence}fl run --resume mine\n")


def test_a_failure_before_anything_was_written_names_no_folder_to_go_on_in(
    runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.begins, runner.ends = False, OSError(28, "No space left on device")
    assert main(["run", "--out", "mine"]) == 1
    assert "--resume" not in capsys.readouterr().err
    assert files(tmp_path) == set()


def test_a_run_that_another_process_is_at_work_on_is_left_alone(
    runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--out", "mine"]) == 0
    with alone(tmp_path / "mine"):
        assert main(["run", "--resume", "mine"]) == 2
    assert "Another process is at work on the run in mine." in capsys.readouterr().err
    assert runner.resumed is None


def test_an_interrupt_before_anything_was_written_leaves_nothing(
    runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.begins, runner.ends = False, KeyboardInterrupt()
    assert main(["run"]) == 130
    assert "before anything was written" in capsys.readouterr().err
    assert files(tmp_path) == set()


def test_resuming_ends_as_an_undisturbed_run_does(
    runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.ends = KeyboardInterrupt()
    main(["run", "--out", "mine"])
    runner.ends = None
    assert main(["run", "--resume", "mine"]) == 0
    assert runner.resumed == Path("mine")
    assert files(tmp_path / "mine") == WRITTEN
    assert re.search("^fl verify +mine ", capsys.readouterr().out, re.MULTILINE)


def test_a_folder_that_is_no_run_is_answered_with_the_runs_there_are(
    runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run"])
    capsys.readouterr()
    assert main(["run", "--resume", "."]) == 2
    assert "There are: runs/hospitals-1." in capsys.readouterr().err
