"""`fl` itself: finding commands, and what becomes of an error."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from fl.cli import main

FAULTS = """
import click, typer
from fl.errors import BlobUnavailable, UsageError

def misuse():
    raise UsageError("The label [bold]x[/] is not there.", "Choose another.")

def fail():
    raise BlobUnavailable("Nobody serves it.\\x1b[2J")

def interrupt():
    raise KeyboardInterrupt("Stopped. Go on with: fl run --resume here")

def crash():
    raise ZeroDivisionError("by zero")

def missing():
    open("no/such/file")

def mismatch() -> int:
    return 1

def number(count: int):
    print(count)
"""


@pytest.fixture(autouse=True)
def faulty_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another distribution whose commands end in every possible way."""
    names = ["misuse", "fail", "interrupt", "crash", "missing", "mismatch", "number"]
    metadata = tmp_path / "faults-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: faults\nVersion: 1.0\n")
    lines = "".join(f"{name} = faults_of_fl:{name}\n" for name in names)
    (metadata / "entry_points.txt").write_text(f"[fedledger.commands]\n{lines}")
    (tmp_path / "faults_of_fl.py").write_text(FAULTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("FEDLEDGER_DEBUG", raising=False)


def test_help_names_every_command_and_commands_of_other_distributions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in ("run", "verify", "rounds", "rewards", "chain", "misuse"):
        assert f" {name} " in shown


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Usage: fl" in capsys.readouterr().out


def test_help_imports_no_role_and_nothing_heavy() -> None:
    check = (
        "import sys; from fl.cli import main; main(['--help']);"
        "print({'experiments', 'aggregator', 'clients', 'torch', 'web3', 'flwr'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fedledger {version('fedledger')}\n"


def test_a_misspelt_command_is_answered_with_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verfy"]) == 2
    assert "'verify'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["number"], ["number", "many"], ["number", "1", "2"], ["--nonsense"]])
def test_words_that_do_not_parse_end_with_2_and_point_to_the_help(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "--help` lists what there is." in captured.err


def test_a_wrong_setting_ends_with_2_a_sentence_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["misuse"]) == 2
    assert capsys.readouterr().err == ("error: The label [bold]x[/] is not there.\nhint:  Choose another.\n")


def test_a_failure_ends_with_1_and_its_control_characters_stay_out_of_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["fail"]) == 1
    assert capsys.readouterr().err == "error: Nobody serves it.\N{REPLACEMENT CHARACTER}[2J\n"


def test_an_interrupt_ends_with_130_and_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["interrupt"]) == 130
    assert capsys.readouterr().err == "error: Stopped. Go on with: fl run --resume here\n"


def test_an_operating_system_error_names_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["missing"]) == 1
    assert capsys.readouterr().err == "error: no/such/file: No such file or directory.\n"


def test_a_fault_of_ours_is_named_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fl.cli._load", int)
    assert main(["crash"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: TypeError: ")
    assert "a fault in fedledger" in error
    assert "Traceback" not in error


def test_what_somebody_else_s_code_raises_is_no_fault_of_ours_and_has_its_file_and_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["crash"]) == 1
    error = capsys.readouterr().err
    assert re.match(r"error: ZeroDivisionError: by zero \(.*faults_of_fl\.py:15\)\n", error)
    assert "a fault in fedledger" not in error
    assert "--debug" in error


@pytest.mark.parametrize("asked", ["option", "environment"])
def test_debugging_shows_the_traceback(
    asked: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if asked == "environment":
        monkeypatch.setenv("FEDLEDGER_DEBUG", "1")
    assert main(["--debug", "crash"] if asked == "option" else ["crash"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_what_a_command_returns_is_the_exit_code() -> None:
    assert main(["mismatch"]) == 1


def test_a_reader_that_goes_away_is_no_fault() -> None:
    words = [sys.executable, "-c", "import sys; from fl.cli import main; sys.exit(main(['--help']))"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_without_a_stdout_nothing_is_printed_and_nothing_fails() -> None:
    words = [sys.executable, "-c", "import sys; from fl.cli import main; sys.exit(main(['--version']))"]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *words], stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
