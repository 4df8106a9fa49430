"""A run's rule: one of Flower's strategies, with arguments, from configuration to terms."""

import pytest

from experiments.config import RULES
from experiments.loading import load
from experiments.terms import rule_of
from fl.errors import UsageError


def test_a_run_is_by_fedavg_unless_it_says_otherwise():
    assert rule_of(load()).name == "FedAvg"


def test_arguments_are_set_one_by_one_and_flower_s_defaults_are_written_into_terms():
    rule = rule_of(load(overrides=["rule.name=FedAdam", "rule.arguments.eta=0.05"]))
    assert (rule.name, rule.arguments["eta"], rule.arguments["beta_2"]) == (
        "FedAdam",
        "float:0.05",
        "float:0.99",
    )


def test_a_saved_configuration_keeps_the_arguments(tmp_path):
    file = tmp_path / "config.toml"
    config = load(overrides=["rule.name=Krum", "rule.arguments.num_malicious_nodes=1"])
    file.write_text(config.to_toml())
    assert load(str(file)) == config
    assert load(str(file)).rule.arguments == {"num_malicious_nodes": 1}


def test_every_rule_but_fedprox_makes_terms():
    needed = {"client_learning_rate": 0.1, "train_loss_key": "loss"}
    for name in RULES:
        config = load(
            overrides=[f"rule.name={name}"], flags={"rule.arguments": needed} if name == "QFedAvg" else {}
        )
        assert rule_of(config).name == name
    assert len(RULES) == 11


WRONG = {
    "another strategy": (["rule.name=FedProx"], "choose one of 'FedAvg'"),
    "another argument": (["rule.arguments.eta=1"], "FedAvg takes no argument eta"),
    "no number": (["rule.name=FedAdam", "rule.arguments.eta=much"], "eta of FedAdam must be a number"),
    "not finite": (["rule.name=FedAdam", "rule.arguments.eta=inf"], "not finite"),
    "true": (["rule.name=FedAdam", "rule.arguments.eta=true"], "a number or a text is needed"),
    "no section": (["rule.arguments=[1]"], "it is a section of settings, not one value"),
    "too much": (
        ["rule.name=FedTrimmedAvg", "rule.arguments.beta=0.7"],
        "FedTrimmedAvg refuses its arguments",
    ),
    "one left out": (["rule.name=QFedAvg"], "QFedAvg needs its argument client_learning_rate"),
    "a loss that no site reports": (
        ["rule.name=QFedAvg", "rule.arguments.client_learning_rate=0.1"],
        "'train_loss', which the terms do not list",
    ),
}


@pytest.mark.parametrize(("changes", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_a_rule_is_refused_with_a_sentence(changes, sentence):
    with pytest.raises(UsageError, match=sentence):
        rule_of(load(overrides=changes))
