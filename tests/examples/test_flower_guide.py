"""docs/flower.md: whoever follows it gets what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from aggregator.founding.choices import Choices
from aggregator.supported import SUPPORTED
from fl.cli import main

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "flower.md").read_text()
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^##+ ", GUIDE, flags=re.MULTILINE)}


def blocks(language: str, section: str | None = None) -> list[str]:
    """The code blocks of a language, in one section or in all."""
    text = SECTIONS[section] if section else GUIDE
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """The commands of shell blocks, as words; comments left out."""
    joined = text.replace("\\\n", " ")
    return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with the examples in it, as a reader has them."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "examples/pytorch-onchain")}

    def run(*words: str) -> str:
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
        return done.stdout

    return run


@pytest.mark.slow(minutes=0.5)
def test_the_commands_that_simulate_and_verify_do_that(checkout):
    typed = commands("".join(blocks("shell", "Simulate it")))
    assert [words[:2] for words in typed] == [["fl", "simulate"], ["fl", "verify"]]
    fl = str(Path(sys.executable).with_name("fl"))
    said = [checkout(fl, *words[1:]) for words in typed]
    assert "3 rounds, 3 closed." in said[0]
    assert "VERIFIED" in said[1]


@pytest.mark.slow
def test_the_lines_of_python_simulate_too(checkout):
    (lines,) = blocks("python", "Simulate it")
    assert checkout(sys.executable, "-c", lines).splitlines()[-1] == "('closed', 'closed')"


def test_the_choices_can_be_chosen_and_their_defaults_are_as_told(tmp_path):
    (text,) = blocks("toml")
    (tmp_path / "choices.toml").write_text(text)
    chosen, default = Choices.read(tmp_path / "choices.toml"), Choices()
    told = {name for name in Choices.model_fields if re.search(rf"\b{name}\b", text)}
    assert told == set(Choices.model_fields)
    assert (default.quorum, default.reward, default.scoring, default.code) == (2, "0", "examples", ())
    assert (chosen.limits, chosen.window) == (default.limits, default.window)


def test_every_supported_strategy_is_named_with_how_far_machines_agree():
    rows = [row for row in SECTIONS["Strategies"].splitlines() if row.startswith("| `")]
    names = {name: row for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert names.keys() == SUPPORTED.keys()
    for name, row in names.items():
        assert ("within 1e-6" in row) == bool(SUPPORTED[name].loose), name
        assert ("N" not in row) or not SUPPORTED[name].streams, name


@pytest.mark.parametrize("words", [w for w in commands("".join(blocks("shell"))) if w[0] == "fl"])
def test_every_command_and_option_of_the_guide_is_there(words, capsys):
    named = [word for word in words[1:] if word.startswith("-")]
    path = [word for word in words[1:3] if word.isalpha() and word.islower()]
    assert main([*path, "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in named)
