"""A strategy as terms name it, and a strategy of what terms say."""

from __future__ import annotations

import threading

import flwr.server.strategy as older
import numpy as np
import pytest
from flwr.serverapp import strategy as theirs
from flwr.serverapp.strategy import Bulyan, FedAdam, FedAvg, FedAvgM, FedProx, Krum, QFedAvg
from flwr.serverapp.strategy.fedopt import FedOpt
from strategies import MAKERS, make

from aggregator import rules
from aggregator.types import Update
from fl.canonical import tag_float
from fl.documents import Metric, Rule, Tensor
from fl.errors import UsageError
from fl.ledger.types import Address

BASE = {"weight": np.ones((2, 3), np.float32), "bias": np.zeros(3, np.float64)}
ADAM = {"eta": 0.1, "eta_l": 0.1, "beta_1": 0.9, "beta_2": 0.99, "tau": 1e-3}


def tagged(arguments):
    return {name: tag_float(value) for name, value in arguments.items()}


def updates(count=3, **metrics):
    return [
        Update(Address(f"site {i}"), {name: array + i for name, array in BASE.items()}, i + 1, metrics)
        for i in range(count)
    ]


class Halving(FedAvg):
    """Goes half the way; `asked` is memory that nobody keeps."""

    asked = 0

    def aggregate_train(self, server_round, replies):
        self.asked += 1
        record, metrics = super().aggregate_train(server_round, replies)
        for name, array in record.items():
            record[name] = type(array)(np.asarray(array.numpy() / 2 + self.asked))
        return record, metrics


class Slow(FedAvgM):
    """Someone's own momentum."""


class Trees(theirs.FedXgbBagging):
    """Someone's own forest."""


def everybody(contents, _malicious, _wanted):
    return contents


class Outer:
    class Inner(FedAvg):
        pass


# --- naming


@pytest.mark.parametrize("name", MAKERS)
def test_a_supported_strategy_is_named_by_its_class_and_comes_back_from_its_name(name):
    strategy = make(name)
    rule = rules.describe(strategy)
    assert rule.name == name
    again = rules.make(rule, fraction_evaluate=0.0, min_train_nodes=2, min_available_nodes=2)
    assert type(again) is type(strategy)
    own = {key: value for key, value in vars(strategy).items() if not callable(value)}
    assert own == {key: vars(again)[key] for key in own}


def test_terms_name_every_argument_that_decides_the_aggregate_and_no_other():
    assert rules.describe(FedAdam(min_train_nodes=7)) == Rule(name="FedAdam", arguments=tagged(ADAM))
    assert rules.describe(FedAvg(fraction_train=0.5)) == Rule(name="FedAvg", arguments={})


def test_a_whole_number_and_a_numpy_number_are_the_float_that_they_mean():
    one, other = (
        rules.describe(FedAdam(eta=1, tau=np.float64(0.5))),
        rules.describe(FedAdam(eta=1.0, tau=0.5)),
    )
    assert one == other
    assert one.arguments["eta"] == "float:1.0"


def test_the_key_of_examples_is_named_where_it_is_not_the_usual_one():
    rule = rules.describe(FedAvg(weighted_by_key="rows"))
    assert rule.arguments == {"weighted_by_key": "rows"}


def test_a_rule_is_completed_with_flowers_defaults():
    assert rules.complete("FedAdam", {"eta": 0.5}).arguments == tagged(ADAM | {"eta": 0.5})


@pytest.mark.parametrize("kind", [Halving, Slow])
def test_a_class_of_ones_own_is_named_by_its_module(kind):
    rule = rules.describe(kind())
    assert rule.name == f"{__name__}:{kind.__name__}"
    assert rule.arguments == (
        {} if kind is Halving else tagged({"server_learning_rate": 1.0, "server_momentum": 0.0})
    )


def test_a_class_inside_a_class_can_be_named():
    assert rules.describe(Outer.Inner()).name == f"{__name__}:Outer.Inner"


REFUSED = {
    "trees": (theirs.FedXgbBagging, "terms fix every tensor's shape"),
    "one after the other": (theirs.FedXgbCyclic, "terms fix every tensor's shape"),
    "own trees": (Trees, "terms fix every tensor's shape"),
    "older interface": (older.FedAvg, "older interface"),
    "an abstract one": (FedOpt, "FedOpt is not supported"),
    "no strategy": (object, "object is not supported"),
    "clipping at the server": (
        lambda: theirs.DifferentialPrivacyServerSideFixedClipping(FedAvg(), 1.0, 1.0, 3),
        "adds noise at the server",
    ),
    "clipping at the sites": (
        lambda: theirs.DifferentialPrivacyClientSideAdaptiveClipping(FedAvg(), 0.1, 3),
        "adds noise at the server",
    ),
    "another selection": (lambda: Bulyan(selection_rule=everybody), "selection_rule"),
    "not finite": (lambda: FedAdam(eta=float("inf")), "not finite"),
    "a text for a number": (lambda: FedProx(proximal_mu="much"), "must be a number"),
    "half a node": (lambda: Krum(num_malicious_nodes=0.5), "must be a whole number"),
    "true": (lambda: Krum(num_malicious_nodes=True), "must be a whole number"),
    "no name for the loss": (lambda: QFedAvg(0.1, train_loss_key=1), "must be a text"),
    "a class in a function": (
        type("Local", (FedAvg,), {"__qualname__": "f.<locals>.Local"}),
        "could find",
    ),
    "a class of the script": (type("Mine", (FedAvg,), {"__module__": "__main__"}), "could find"),
    "a long name": (type("L" * 200, (FedAvg,), {}), "too long"),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_a_rule_is_refused_with_a_sentence(make, words):
    with pytest.raises(UsageError, match=words):
        rules.describe(make())


# --- making


def test_an_unsupported_rule_is_refused_with_the_names_of_the_supported_ones():
    with pytest.raises(UsageError, match="'FedXgbBagging' is not supported") as caught:
        rules.build(Rule(name="FedXgbBagging", arguments={}))
    assert "FedTrimmedAvg" in caught.value.hint


MISFITS = {
    "one that it does not take": ("FedAvg", {"eta": "float:0.1"}, "takes no argument eta"),
    "one left out": ("FedAdam", tagged(ADAM) | {"eta": None}, "argument by argument"),
    "all left out": ("FedTrimmedAvg", {}, "argument by argument"),
    "the one that has no default": ("QFedAvg", {}, "needs its argument client_learning_rate"),
    "another spelling": ("FedTrimmedAvg", {"beta": 0}, "argument by argument"),
    "a text": ("FedTrimmedAvg", {"beta": "little"}, "beta of FedTrimmedAvg must be a number"),
    "too much": ("FedTrimmedAvg", {"beta": "float:0.5"}, "beta"),
    "a list": ("Krum", {"num_malicious_nodes": [1]}, "must be a whole number"),
}


@pytest.mark.parametrize(("name", "arguments", "words"), MISFITS.values(), ids=MISFITS.keys())
def test_terms_with_other_arguments_are_refused(name, arguments, words):
    given = {key: value for key, value in arguments.items() if value is not None}
    with pytest.raises(UsageError) as caught:
        rules.build(Rule(name=name, arguments=given))
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_checked_examples_come_under_the_key_that_the_strategy_weighs_by():
    by_rows = rules.build(rules.describe(FedAvg(weighted_by_key="rows")))
    lying = [Update(one.trainer, one.arrays, one.examples, {"rows": 1e9, "loss": 0.5}) for one in updates()]
    found = by_rows(BASE, lying, None, 1)
    usual = rules.build(Rule(name="FedAvg", arguments={}))(BASE, updates(), None, 1)
    assert np.array_equal(found.arrays["weight"], usual.arrays["weight"])
    assert found.metrics == {"loss": pytest.approx(0.5)}


# --- somebody's own


def test_a_rule_of_ones_own_is_worked_by_its_instance():
    own = Halving()
    rule = rules.build(rules.describe(own), own)
    mean = rules.build(Rule(name="FedAvg", arguments={}))(BASE, updates(), None, 1).arrays["weight"]
    for index in (1, 2):
        assert np.array_equal(rule(BASE, updates(), None, index).arrays["weight"], mean / 2 + 1)
    assert own.asked == 0


def test_a_rule_of_ones_own_has_the_memory_of_the_class_that_it_is_derived_from():
    own = Slow(server_learning_rate=0.5, server_momentum=0.9)
    plain = FedAvgM(server_learning_rate=0.5, server_momentum=0.9)
    ours, theirs = rules.build(rules.describe(own), own), rules.build(rules.describe(plain))
    first = theirs(BASE, updates(), None, 1).state
    assert ours(BASE, updates(), None, 1).state == first is not None
    assert ours(BASE, updates(), first, 2).state == theirs(BASE, updates(), first, 2).state != first


def test_what_happens_to_the_instance_later_changes_nothing():
    own = Slow(server_learning_rate=0.5)
    rule = rules.build(rules.describe(own), own)
    before = rule(BASE, updates(), None, 1).arrays["weight"]
    own.server_learning_rate = 7.0
    assert np.array_equal(rule(BASE, updates(), None, 1).arrays["weight"], before)


def test_a_rule_of_ones_own_that_is_not_at_hand_is_refused_with_what_to_do():
    with pytest.raises(UsageError, match="somebody's own") as caught:
        rules.build(rules.describe(Halving()))
    assert "--strategy module:attr" in caught.value.hint


@pytest.mark.parametrize("own", [FedAvg(), Slow(), Slow(server_momentum=0.5)])
def test_another_instance_than_the_terms_rule_is_refused(own):
    with pytest.raises(UsageError, match="and the strategy is"):
        rules.build(rules.describe(Slow(server_learning_rate=0.5)), own)


def test_an_instance_that_cannot_be_copied_is_refused():
    own = Halving()
    own.lock = threading.Lock()
    with pytest.raises(UsageError, match="cannot be copied"):
        rules.build(rules.describe(own), own)


# --- what suits, and what machines agree on

FLOATS = (Tensor(name="weight", dtype="F16", shape=(2,)), Tensor(name="bias", dtype="F64", shape=()))
COUNTER = Tensor(name="steps", dtype="I64", shape=())
LOSS = (Metric(name="loss", low="float:0.0", high="float:9.0"),)


@pytest.mark.parametrize("name", MAKERS)
def test_every_rule_suits_a_model_of_floats_and_only_q_fedavg_no_other(name):
    rule = rules.describe(make(name))
    rules.demand_suitable(rule, FLOATS, LOSS)
    if name != "QFedAvg":
        rules.demand_suitable(rule, (*FLOATS, COUNTER), ())


def test_q_fedavg_wants_floats_and_its_loss_among_the_metrics():
    rule = rules.describe(make("QFedAvg"))
    with pytest.raises(UsageError, match="steps is I64"):
        rules.demand_suitable(rule, (*FLOATS, COUNTER), LOSS)
    with pytest.raises(UsageError, match="'loss', which the terms do not list"):
        rules.demand_suitable(rule, FLOATS, ())


def test_element_wise_rules_are_exact_and_no_others():
    assert {name for name in MAKERS if rules.exact(rules.describe(make(name)))} == {
        "FedAvg",
        "FedProx",
        "FedAvgM",
        "FedYogi",
        "FedAdagrad",
    }
    assert not rules.exact(rules.describe(Halving()))
