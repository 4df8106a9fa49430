"""Tables and progress, as they reach a terminal of 80 columns."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from experiments.loading import load
from experiments.progress import Lines, Live, describe
from experiments.report import (
    baselines_table,
    contributors_table,
    misbehaviour_table,
    report,
    rounds_table,
)
from experiments.results import Results, Seconds


def shown(what: object) -> str:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def lines_with(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]


def test_the_table_of_rounds_shows_metric_gas_seconds_and_every_refusal(results: Results) -> None:
    text = shown(rounds_table(results))
    (third,) = lines_with(text, " 2/3 ")
    for cell in ("settled", "0.2000", "95.0%", "312,000", "0.10", "0.20", "0.30", "0.40"):
        assert cell in third
    assert lines_with(text, "failed")
    assert "round 3: [b]site-3 refused, not_finite" in text
    assert "702,000" in lines_with(text, "all")[0]


def test_the_table_of_contributors_shows_what_each_brought_and_got(results: Results) -> None:
    (line,) = lines_with(shown(contributors_table(results)), "[b]site-3")
    for cell in ("30", "16.7%", "50%", "4,922", "20.00"):
        assert cell in line


def test_the_result_stands_between_its_two_baselines(results: Results) -> None:
    text = shown(baselines_table(results))
    assert "0.6000" in lines_with(text, "alone, on average")[0]
    assert "0.2000" in lines_with(text, "together")[0]
    assert "0.1500" in lines_with(text, "one place")[0]


def misbehaving(results: Results) -> Results:
    """The same, but the third trainer sent what is not a number."""
    third = replace(results.contributors[2], misbehaviour="nan", equal_shares=0.5)
    config = load(overrides=["trainers=3", "rounds=3", "misbehaviour.3=nan"])
    return replace(results, config=config, contributors=(*results.contributors[:2], third))


def test_who_misbehaved_stands_beside_what_became_of_it_and_an_honest_trainer(results: Results) -> None:
    text = shown(misbehaviour_table(misbehaving(results)))
    (line,) = lines_with(text, "[b]site-3")
    for cell in ("nan", "1 accepted, 1 not_finite", "0.50"):
        assert cell in line
    assert "1.25" in lines_with(text, "honest")[0]
    assert "Misbehaviour" in shown(report(misbehaving(results)))
    assert "Misbehaviour" not in shown(report(results))


def test_without_baselines_the_model_stands_alone_and_the_table_says_why(results: Results) -> None:
    text = shown(baselines_table(replace(results, baselines=None)))
    assert "No baselines were trained" in text
    assert "No baselines" not in shown(baselines_table(results))
    assert "0.2000" in lines_with(text, "together")[0]
    assert not lines_with(text, "alone")


def test_a_trainer_that_never_came_has_no_quality(results: Results) -> None:
    stranger = replace(results.contributors[0], name="site-4", quality=0.0, equal_shares=None)
    (line,) = lines_with(shown(contributors_table(replace(results, contributors=(stranger,)))), "site-4")
    assert line.count("–") == 2


def test_nothing_is_cut_off_at_80_columns(results: Results) -> None:
    assert "…" not in shown(report(results))
    assert "…" not in shown(report(misbehaving(results)))


def test_in_a_pipe_every_round_is_one_line_on_stderr(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    with Lines() as progress:
        progress.run_started(3, 3)
        for ended, seconds in zip(results.rounds, results.timing.rounds, strict=True):
            progress.round_started(ended.round)
            progress.training_done("site-1")
            progress.round_ended(ended, seconds)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 3
    assert "[b]site-3 not_finite" in captured.err


def test_a_rounds_line_fits_a_terminal_of_80_columns(results: Results) -> None:
    seconds = Seconds(60.0, 60.0, 3.0, 0.4)
    failed = replace(results.rounds[1], outcome="failed: below_quorum")
    for ended in (results.rounds[0], failed):
        assert len(shown(describe(ended, seconds)).splitlines()) == 1


def test_on_a_terminal_the_rounds_that_ended_stay_and_the_bars_go(results: Results) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, highlight=False)
    with Live(console) as progress:
        progress.run_started(3, 3)
        progress.step("Training the baselines")
        progress.round_started(1)
        progress.training_done("site-1")
        progress.round_ended(results.rounds[0], results.timing.rounds[0])
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "Training the baselines" in text
    assert "3 accepted" in text
