"""What reaches terminals and pipes."""

import json
import math
import re

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


LABELS = ("defence=trimmed-mean, attack=label_flip", "defence=none, attack=sign_flip")
NUMBERS = ("-0.0755 [-0.1647, +0.0137]", "+1.17 [-0.85, +3.19]", "-0.0016 [-0.0046, +0.0015]", "1,000.00")


@pytest.mark.parametrize("width", [52, 80, 100, 120, 200])
def test_words_and_numbers_stay_whole_however_narrow_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    made = table("Differences", ["group"], ["log loss", "accuracy", "AUC", "gas"])
    for label in LABELS:
        made.add_row(label, *NUMBERS)
    made.show_footer, made.columns[4].footer, made.caption = True, "2,000.00", "said once"
    console().print(made)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    shown = [part for line in lines for part in re.split(r"  +", line.strip("─ "))]
    assert [shown.count(number) for number in NUMBERS] == [2, 2, 2, 2]
    once = ("Differences", "log loss", "accuracy", "AUC", "gas", "2,000.00", "said once")
    assert [shown.count(one) for one in once] == [1] * len(once)
    known = " ".join(["group", *LABELS, *NUMBERS, *once]).split()
    assert set(" ".join(shown).split()) == set(known)  # the halves of a broken word would be others


def test_only_a_word_that_is_too_long_for_the_terminal_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    made = table("Files", ["digest", "kind"], ["bytes"])
    made.add_row("ab" * 32, "a table", "12,345")
    console().print(made)
    out = capsys.readouterr().out
    assert "".join(re.findall(r"^ ([ab]+) ", out, re.MULTILINE)) == "ab" * 32
    assert re.search(r"\btable\b", out)
    assert "12,345" in out


def test_what_fits_stands_in_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    made = table("Members", ["name"], ["log loss"])
    made.add_row("clinic of the north", "0.1")
    console().print(made)
    assert [
        line.split() for line in capsys.readouterr().out.splitlines() if "log" in line or "0.1" in line
    ] == [
        ["name", "log", "loss"],
        ["clinic", "of", "the", "north", "0.1"],
    ]


def test_a_name_between_colons_is_no_picture(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(safe("module:x: gone"))
    assert capsys.readouterr().out == "module:x: gone\n"
