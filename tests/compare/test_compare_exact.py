"""Rewards against exact Shapley values: which runs they are known of, and from where."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.compare.exact import QUICKLY, evaluations, fill
from experiments.compare.facts import Run, facts
from experiments.loading import load
from experiments.progress import Silent
from experiments.results import Results
from fl.cli import main

Make = Callable[..., Results]
THIRTEEN = (tuple([1] * 13),)
OWN = "a_linear_model:build"
CODE = """
from torch import nn

def build(settings, inputs, classes):
    return nn.Linear(inputs, classes)
"""


def filled(results: Results, wanted: bool | None = None, folder: Path = Path("nowhere")) -> Run:
    ((run, _),) = fill([(facts(folder, results), results)], wanted, lambda _steps: None, None)
    return run


def test_a_run_that_was_paid_exactly_costs_no_evaluation(make: Make) -> None:
    results = make(shares=((3, 1),))
    run = filled(results, wanted=False)
    assert (evaluations(results), run.inexact) == (0, "")
    assert run.exact == run.paid == {"site-1": 0.75, "site-2": 0.25}


def test_shapley_values_that_were_estimated_are_not_exact(make: Make) -> None:
    results = make("scoring.budget=4", shares=((1, 1),))
    assert evaluations(results) == 0
    assert evaluations(make("scoring.budget=100", shares=(tuple([1] * 8),))) == 2**8


@pytest.mark.parametrize(
    ("shares", "wanted", "reason"),
    [
        (((),), True, "no round was paid"),
        (THIRTEEN, True, r"13 trainers would take 2^13 evaluations a round"),
        (((1, 1),), False, "it takes 4 evaluations; ask for them with --shapley"),
        (((1, 1),), True, "its chain and store are not beside its results"),
        (((1, 1),), None, "its chain and store are not beside its results"),
    ],
)
def test_what_is_not_known_says_why(
    make: Make, shares: tuple[tuple[int, ...], ...], wanted: bool | None, reason: str
) -> None:
    run = filled(make("scoring.rule=equal", shares=shares), wanted)
    assert (run.exact, run.inexact) == ({}, reason)
    assert "reward_error" not in run.quantities


def test_many_evaluations_have_to_be_asked_for(make: Make) -> None:
    rounds = QUICKLY // 2**12 + 1
    results = make("scoring.rule=equal", shares=(tuple([1] * 12),) * rounds)
    assert "ask for them with --shapley" in filled(results).inexact
    assert "chain and store" in filled(results, wanted=True).inexact


def compared(capsys: pytest.CaptureFixture[str], *words: str) -> list[Any]:
    """The only run of each group."""
    capsys.readouterr()
    assert main(["compare", *words, "--json"]) == 0
    return [group["runs"][0] for group in json.loads(capsys.readouterr().out)["groups"]]


@pytest.mark.slow
def test_parts_worked_out_from_the_store_are_those_that_exact_scoring_pays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scoring changes no weights, so one seed gives both runs the same updates; their model is one's own."""
    from experiments.run import run  # noqa: PLC0415  # brings torch, which the other tests do without
    from fl.learning.architectures import BUILDERS  # noqa: PLC0415  # as above

    monkeypatch.chdir(tmp_path)
    Path("a_linear_model.py").write_text(CODE)
    for rule in ("shapley", "equal"):
        Path(rule).mkdir()
        told = ["trainers=3", "rounds=2", "baselines=false", f"model.name={OWN}", f"scoring.rule={rule}"]
        run(load(overrides=told), Path(rule), Silent()).write(Path(rule))
    monkeypatch.delitem(BUILDERS, OWN)  # as in another process

    _, other = compared(capsys, "shapley", "equal")
    assert f"{OWN}" in other["inexact"]  # what documents name runs no code
    exactly, other = compared(capsys, "shapley", "equal", "--model", OWN)
    assert (exactly["inexact"], other["inexact"]) == ("", "")
    paid = [sum(map(int, trainer["earned"])) for trainer in exactly["trainers"]]
    assert len(set(paid)) == 3
    parts = [trainer["exact"] for trainer in other["trainers"]]
    assert parts == pytest.approx([amount / sum(paid) for amount in paid], abs=1e-12)
