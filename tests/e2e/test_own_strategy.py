"""`fl run` by a strategy of somebody's own, from one file in the working folder, and its verification."""

from __future__ import annotations

import json
import sys
from textwrap import dedent

import pytest

pytestmark = pytest.mark.slow

RULE = """
    from flwr.app import Array
    from flwr.serverapp.strategy import FedAvg

    class Mine(FedAvg):
        '''Goes half as far from zero.'''

        def aggregate_train(self, server_round, replies):
            record, metrics = super().aggregate_train(server_round, replies)
            for name, array in record.items():
                record[name] = Array(array.numpy() * 0.5)
            return record, metrics

    class Failing(FedAvg):
        def aggregate_train(self, server_round, replies):
            return super().agregate_train(server_round, replies)

    class Lazy(FedAvg):
        def __init__(self, share):
            super().__init__()

    number = 3
"""
WORDS = ("run", "--rounds", 2, "--trainers", 4, "--set", "training.epochs=1", "--set", "baselines=false")


@pytest.fixture(scope="module")
def ran(fl, tmp_path_factory):
    """A folder with somebody's rule, in which two of four train by it in each round."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "my_rule.py").write_text(dedent(RULE))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        code, out = fl(
            *WORDS,
            "--set",
            "rule.name=my_rule:Mine",
            "--set",
            "fraction_train=0.6",
            "--out",
            "by-my-rule",
            "--json",
        )
        assert code == 0
        yield json.loads(out)
    sys.modules.pop("my_rule", None)


def test_a_run_by_a_rule_of_one_s_own_verifies_when_the_rule_is_named(ran, verify):
    found = verify("by-my-rule", "--strategy", "my_rule:Mine")
    assert found.code == 0
    assert found.said["unchecked"] == {}


def test_who_does_not_name_the_rule_is_told_what_was_not_checked(ran, verify):
    found = verify("by-my-rule")
    assert found.code == 0
    assert found.said["unchecked"] == {"aggregates": 2}


def test_a_round_asks_the_fraction_of_the_trainers_rounded_down(ran):
    assert [len(ended["accepted"]) for ended in ran["rounds"]] == [2, 2]


def test_a_run_without_baselines_says_so_in_its_results(ran):
    assert ran["baselines"] is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("my_rules:Mine", "my_rules cannot be imported"),
        ("my_rule:Yours", "There is no my_rule:Yours"),
        ("my_rule:number", "my_rule:number is no strategy, but int."),
        ("my_rule:Lazy", "cannot be called without arguments"),
        ("my_rule:", "does not name a strategy"),
    ],
)
def test_what_is_no_strategy_is_refused_before_anything_is_written(ran, fl, capsys, tmp_path, name, sentence):
    assert fl(*WORDS, "--set", f"rule.name={name}", "--out", tmp_path / "run")[0] == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_arguments_are_for_flower_s_strategies(ran, fl, capsys, tmp_path):
    words = ("--set", "rule.name=my_rule:Mine", "--set", "rule.arguments.eta=1", "--out", tmp_path / "run")
    assert fl(*WORDS, *words)[0] == 2
    assert "rule.arguments are for Flower's strategies" in capsys.readouterr().err


def test_a_rule_of_one_s_own_that_fails_is_named_with_its_file_and_line(ran, fl, verify, capsys):
    words = ("--set", "rule.name=my_rule:Failing", "--rounds", 1, "--out", "failing", "--json")
    why = "AttributeError: 'super' object has no attribute 'agregate_train' (my_rule.py:16)"
    assert fl(*WORDS, *words)[0] == 1
    said = capsys.readouterr().err
    assert f"The rule failed: {why}." in said
    assert f"nothing was learned: the rule my_rule:Failing failed: {why}." in said
    assert "Traceback" not in said
    found = verify("failing", "--strategy", "my_rule:Failing")
    assert f"failed: rule_error; decided again: rule_error: {why}" in found.texts("note", 1)
    assert fl("--debug", "run", "--resume", "failing", "--json")[0] == 1
    assert "`fl verify failing --strategy my_rule:Failing` applies the rule again" in capsys.readouterr().err
