"""A group that may be called without naming a subcommand."""

import pytest
import typer
from typer.testing import CliRunner

from fl.commands import DefaultGroup

app = typer.Typer(cls=DefaultGroup)


@app.command()
def show(folder: str = "nowhere", json: bool = False) -> None:
    print(f"show {folder} {json}")


@app.command()
def withdraw(folder: str = "nowhere") -> None:
    print(f"withdraw {folder}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "show nowhere False"),
        (["--folder", "here"], "show here False"),
        (["--json"], "show nowhere True"),
        (["show", "--json"], "show nowhere True"),
        (["withdraw", "--folder", "here"], "withdraw here"),
    ],
)
def test_the_first_subcommand_is_meant_when_none_is_named(words: list[str], said: str) -> None:
    assert CliRunner().invoke(app, words).output == f"{said}\n"


def test_the_help_of_the_group_lists_both() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    assert "show" in shown
    assert "withdraw" in shown
