"""What reaches terminals and pipes."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from fl.output import console, print_json, safe, table


@given(st.text() | st.text("[]/\\\\ab\n\x1b"))
def test_somebody_elses_text_is_neither_markup_nor_control_characters(text: str) -> None:
    shown = Text.from_markup(f"[bold]{safe(text)}[/] and after").plain
    expected = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    assert shown.replace("\\", "") == expected.replace("\\", "") + " and after"  # rich may double a backslash


def test_json_is_all_that_is_written_and_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": "Zürich", "numbers": [1, 0.1], "none": None}
    print_json(value)
    assert json.loads(capsys.readouterr().out) == value


def test_a_number_that_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        print_json(math.nan)


def test_a_table_in_a_pipe_has_no_colours_and_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    made = table("Members", ["name"], ["earned"])
    made.add_row(safe("[red]clinic"), "1,000.00")
    console().print(made)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[red]clinic" in shown
    assert "1,000.00" in shown


def test_a_name_between_colons_is_no_picture(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(safe("module:x: gone"))
    assert capsys.readouterr().out == "module:x: gone\n"
