"""Federated evaluation: after a close, on the contract's weights, and nothing but metrics comes back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg

from aggregator.strategy import OnChain
from aggregator.training import Training, Watch
from clients.mod import site_mod
from experiments.grid import InProcessGrid
from fl import weights
from fl.documents import Reference
from fl.ledger.types import RoundClosed, RoundFailed
from fl.messages import ANNOUNCEMENT, CLOSED, WEIGHTS
from fl.store.port import put_bytes


class World:
    """Three sites whose app trains, and evaluates by telling what it saw."""

    def __init__(self, federation, **config):
        self.federation = federation
        self.seen = []
        self.failing = set()
        self.replies = []
        self.app = ClientApp(mods=[site_mod(lambda context: federation.site(context.node_config["name"]))])
        self.app.train()(self.train)
        self.app.evaluate()(self.evaluate)
        self.grid = InProcessGrid(self.app, [{"name": name, **config} for name in federation.sites])

    def train(self, message, context):
        arrays = {key: array.numpy() for key, array in message.content["arrays"].items()}
        arrays["weight"] = arrays["weight"] + np.float32(len(context.node_config["name"]))
        return Message(RecordDict({"arrays": record(arrays), "metrics": counted(7)}), reply_to=message)

    def evaluate(self, message, context):
        name = context.node_config["name"]
        if name in self.failing:
            raise RuntimeError("no data")
        arrays = {key: array.numpy() for key, array in message.content["arrays"].items()}
        self.seen.append((name, weights.digest(weights.encode(arrays)), dict(message.content["config"])))
        metrics = MetricRecord({"num-examples": len(self.seen), "accuracy": float(len(self.seen))})
        return Message(RecordDict({"metrics": metrics, "arrays": record(arrays)}), reply_to=message)

    def start(self, rounds=1, strategy=None, **options):
        strategy = strategy or FedAvg(min_available_nodes=3)
        return OnChain(strategy, self.federation.rounds).start(self.grid, num_rounds=rounds, **options)

    def ask(self, content, kind="evaluate"):
        """One message to the first site's node, as anybody's server could send it."""
        (reply,) = self.grid.send_and_receive([Message(content, dst_node_id=2, message_type=kind)])
        return reply


def record(arrays):
    return ArrayRecord({key: Array(array) for key, array in arrays.items()})


def counted(examples):
    return MetricRecord({"num-examples": examples, "loss": 0.5})


@pytest.fixture
def world(federation):
    return World(federation)


def test_sites_evaluate_the_weights_that_the_contract_holds_after_each_close(world):
    result = world.start(2, evaluate_config=ConfigRecord({"batches": 3}))
    closed = world.federation.events(RoundClosed)
    assert [(name, digest) for name, digest, _ in world.seen] == [
        (name, event.weights) for event in closed for name in world.federation.sites
    ]
    assert [config for _, _, config in world.seen[::3]] == [
        {"batches": 3, "server-round": 1},
        {"batches": 3, "server-round": 2},
    ]
    assert {round_: dict(m) for round_, m in result.evaluate_metrics_clientapp.items()} == {
        1: {"accuracy": pytest.approx((1 + 4 + 9) / 6)},
        2: {"accuracy": pytest.approx((16 + 25 + 36) / 15)},
    }


def test_only_metrics_come_back(world):
    world.start()
    reference = world.federation.rounds.record().heritage().weights
    content = RecordDict({"arrays": ConfigRecord({WEIGHTS: json.dumps(reference.model_dump())})})
    content["config"] = ConfigRecord()
    reply = world.ask(content)
    assert list(reply.content) == ["metrics"]


def test_a_site_that_fails_to_evaluate_is_left_out(world):
    world.failing = {"bert"}
    result = world.start()
    assert [name for name, _, _ in world.seen] == ["ada", "cleo"]
    assert dict(result.evaluate_metrics_clientapp[1]) == {"accuracy": pytest.approx((1 + 4) / 3)}


def test_a_site_may_answer_no_evaluation(federation):
    world = World(federation, evaluate=False)
    result = world.start()
    assert world.seen == []
    assert result.evaluate_metrics_clientapp == {}
    assert len(federation.events(RoundClosed)) == 1


def test_a_strategy_that_evaluates_nowhere_asks_nobody(world):
    world.start(strategy=FedAvg(min_available_nodes=3, fraction_evaluate=0.0))
    assert world.seen == []


def test_a_strategy_that_evaluates_at_some_asks_so_many_and_the_same_again(federation, new_federation):
    asked = []
    for each in (federation, new_federation()):
        world = World(each)
        world.start(2, strategy=FedAvg(min_available_nodes=3, fraction_evaluate=0.67))
        asked.append([name for name, _, _ in world.seen])
    assert len(asked[0]) == 4
    assert asked[0] == asked[1]


def test_a_failed_round_is_not_evaluated(world, monkeypatch):
    monkeypatch.setattr(world, "train", None)
    world.app = ClientApp(mods=[site_mod(lambda context: world.federation.site(context.node_config["name"]))])
    world.app.train()(lambda message, context: 1 / 0)
    world.app.evaluate()(world.evaluate)
    world.grid = InProcessGrid(world.app, [{"name": name} for name in world.federation.sites])
    result = world.start()
    assert len(world.federation.events(RoundFailed)) == 1
    assert result.evaluate_metrics_clientapp == {}
    assert world.seen == []


def test_metrics_that_differ_from_site_to_site_are_no_report_and_stop_nothing(world, caplog):
    def evaluate(message, context):
        metrics = MetricRecord({"num-examples": 1, context.node_config["name"]: 1.0})
        return Message(RecordDict({"metrics": metrics}), reply_to=message)

    world.app = ClientApp(mods=[site_mod(lambda context: world.federation.site(context.node_config["name"]))])
    world.app.train()(world.train)
    world.app.evaluate()(evaluate)
    world.grid = InProcessGrid(world.app, [{"name": name} for name in world.federation.sites])
    result = world.start(2)
    assert len(world.federation.events(RoundClosed)) == 2
    assert result.evaluate_metrics_clientapp == {}
    assert "not evaluated" in caplog.text


# --- what a server may not ask


def test_other_weights_than_the_contracts_are_not_evaluated(world):
    world.start()
    other = weights.encode({**world.federation.base, "weight": np.array([[9.0, 9.0]], np.float32)})
    reference = Reference.of(put_bytes(world.federation.store, other), other)
    seen = len(world.seen)
    content = RecordDict({"arrays": ConfigRecord({WEIGHTS: json.dumps(reference.model_dump())})})
    content["config"] = ConfigRecord()
    reply = world.ask(content)
    assert "contract holds the weights" in reply.error.reason
    assert len(world.seen) == seen


def test_weights_in_the_message_itself_are_not_evaluated(world):
    world.start()
    seen = len(world.seen)
    content = RecordDict({"arrays": record(world.federation.base), "config": ConfigRecord()})
    assert "names none" in world.ask(content).error.reason
    assert len(world.seen) == seen


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cid": 1}', '{"cid":"x","sha256":"zz","size":-1}'])
def test_a_reference_that_is_none_is_refused(world, text):
    content = RecordDict({"arrays": ConfigRecord({WEIGHTS: text}), "config": ConfigRecord()})
    assert "is none" in world.ask(content).error.reason
    assert world.seen == []


@pytest.mark.parametrize("kind", ["query", "query.more", "system"])
def test_a_message_of_another_kind_calls_no_function_of_the_app(world, kind):
    called = []
    world.app.query()(lambda message, context: called.append(message))
    world.app.query("more")(lambda message, context: called.append(message))
    announcement = world.federation.rounds.open()
    content = RecordDict({"arrays": ConfigRecord({ANNOUNCEMENT: announcement.id.hex()})})
    content["config"] = ConfigRecord()
    assert world.ask(content, kind).has_error()
    assert called == []


# --- before the round has closed


def early(round_):
    return RecordDict({"arrays": ConfigRecord({CLOSED: round_}), "config": ConfigRecord()})


def test_what_a_closed_round_made_is_evaluated_by_its_number(world):
    world.start()
    seen = len(world.seen)
    assert not world.ask(early(1)).has_error()
    assert len(world.seen) == seen + 1
    assert world.seen[-1][1] == world.federation.events(RoundClosed)[0].weights


def test_a_round_that_has_not_closed_is_not_waited_for_by_who_has_not_submitted(federation):
    world = World(federation, linger=10_000)
    federation.rounds.open()
    assert "has not closed" in world.ask(early(1)).error.reason


def test_who_has_submitted_waits_a_little_for_the_close(federation):
    world = World(federation, linger=1)
    federation.round_of()  # submitted and sealed
    assert "has not closed" in world.ask(early(1)).error.reason
    assert world.seen == []


@pytest.mark.parametrize("round_", [0, 7, -1, 2**63 - 1])
def test_a_round_that_never_was_is_not_evaluated(world, round_):
    world.start()
    seen = len(world.seen)
    assert "has not closed" in world.ask(early(round_)).error.reason
    assert len(world.seen) == seen


def test_what_was_overtaken_by_another_round_is_not_evaluated(world):
    world.start(2)
    seen = len(world.seen)
    assert "contract holds the weights" in world.ask(early(1)).error.reason
    assert len(world.seen) == seen


def test_who_could_not_evaluate_before_the_close_is_asked_again_after_it(world):
    """In one process messages are answered at once, so before the round has closed."""
    strategy = FedAvg(min_available_nodes=3)
    training = Training(world.grid, world.federation.rounds, strategy, None, None, 60, Watch(), early=True)
    end = training.round()
    assert world.seen == []
    assert dict(training.evaluate(end)) == {"accuracy": pytest.approx((1 + 4 + 9) / 6)}


BAD = {
    "no examples": {"num-examples": 0, "accuracy": 1.0},
    "examples below zero": {"num-examples": -2, "accuracy": 1.0},
    "examples without end": {"num-examples": float("inf"), "accuracy": 1.0},
    "a metric that is none": {"num-examples": 1, "accuracy": float("nan")},
    "a list": {"num-examples": 1, "accuracy": [1.0, 2.0]},
    "examples in a list": {"num-examples": [1], "accuracy": 1.0},
}


@pytest.mark.parametrize("bad", BAD)
def test_a_site_cannot_spoil_the_report_of_the_others(world, bad):
    """Two say 1.0; nothing that the third says stops the run, or moves the mean."""

    def evaluate(message, context):
        said = BAD[bad] if context.node_config["name"] == "bert" else {"num-examples": 3, "accuracy": 1.0}
        return Message(RecordDict({"metrics": MetricRecord(said)}), reply_to=message)

    world.app = ClientApp(mods=[site_mod(lambda context: world.federation.site(context.node_config["name"]))])
    world.app.train()(world.train)
    world.app.evaluate()(evaluate)
    world.grid = InProcessGrid(world.app, [{"name": name} for name in world.federation.sites])
    assert dict(world.start().evaluate_metrics_clientapp[1]) == {"accuracy": 1.0}


def test_a_report_has_no_room_for_arrays(world):
    def evaluate(message, context):
        metrics = MetricRecord({"num-examples": 1, "weights": [0.5] * 2_000})
        return Message(RecordDict({"metrics": metrics}), reply_to=message)

    world.app = ClientApp(mods=[site_mod(lambda context: world.federation.site(context.node_config["name"]))])
    world.app.train()(world.train)
    world.app.evaluate()(evaluate)
    world.grid = InProcessGrid(world.app, [{"name": name} for name in world.federation.sites])
    assert world.start().evaluate_metrics_clientapp == {}
