"""OnChain: rounds over a Flower grid, with real sites behind the nodes."""

from __future__ import annotations

from types import MethodType

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg, FedMedian

from aggregator.strategy import OnChain, Watch
from clients.mod import site_mod
from experiments.grid import InProcessGrid
from fl import weights
from fl.canonical import sha256
from fl.errors import UsageError
from fl.ledger.types import RoundClosed, RoundFailed, RoundSettled, UpdateSubmitted
from fl.messages import DELIVER


class World:
    """A federation with one grid node a site; sites named in `failing` have a broken app."""

    def __init__(self, federation, submit=False):
        self.federation = federation
        self.failing = set()
        self.trained = []
        self.app = ClientApp(mods=[site_mod(lambda context: federation.site(context.node_config["name"]))])
        self.app.train()(self.train)
        self.grid = InProcessGrid(self.app, [{"name": n, "submit": submit} for n in federation.sites])

    def train(self, message, context):
        name = context.node_config["name"]
        self.trained.append((name, dict(message.content["config"])))
        if name in self.failing:
            raise RuntimeError("out of memory")
        arrays = {key: array.numpy() for key, array in message.content["arrays"].items()}
        arrays["weight"] = arrays["weight"] + np.float32(len(self.trained))
        record = ArrayRecord({key: Array(array) for key, array in arrays.items()})
        metrics = MetricRecord({"num-examples": len(name), "loss": 0.5})
        return Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=message)

    def on_chain(self, watch=None):
        strategy = FedAvg(min_available_nodes=3, fraction_evaluate=0.0)
        return OnChain(strategy, self.federation.rounds, watch)

    def events(self, kind):
        owner = self.federation.owner
        return [event for event in owner.history(self.federation.task) if isinstance(event, kind)]

    def start(self, num_rounds, **options):
        return self.on_chain().start(self.grid, num_rounds=num_rounds, **options)


@pytest.fixture
def world(federation):
    return World(federation)


def test_rounds_are_closed_and_settled_and_the_result_is_the_contracts_model(world):
    result = world.start(2)
    assert [event.round for event in world.events(RoundClosed)] == [1, 2]
    assert [event.round for event in world.events(RoundSettled)] == [1, 2]
    arrays = {name: array.numpy() for name, array in result.arrays.items()}
    assert sha256(weights.encode(arrays)) == world.federation.owner.task(world.federation.task).weights
    assert {n: dict(m) for n, m in result.train_metrics_clientapp.items()} == {
        1: {"loss": 0.5},
        2: {"loss": 0.5},
    }


def test_sites_submit_in_the_order_of_their_nodes(world):
    world.start(2)
    accounts = [site.account for site in world.federation.sites.values()]
    assert [event.trainer for event in world.events(UpdateSubmitted)] == accounts * 2


def test_sites_that_submit_by_themselves_work_as_well(federation):
    world = World(federation, submit=True)
    world.start(1)
    assert len(world.events(RoundClosed)) == 1


def test_a_site_that_can_publish_at_once_is_not_asked_to_deliver(federation):
    """The last to submit sees the seal before its app has ended."""
    world = World(federation, submit=True)
    delivered = []

    class Grid(InProcessGrid):
        def push_messages(self, messages):
            delivered.extend(one.metadata.dst_node_id for one in messages if DELIVER in one.content)
            return super().push_messages(messages)

    world.grid.__class__ = Grid
    asked_before_the_close = []

    class Listener(Watch):
        def ended(self, end):
            asked_before_the_close.extend(delivered)

    world.on_chain(Listener()).start(world.grid, num_rounds=1)
    assert asked_before_the_close == list(world.grid.get_node_ids())[:2]
    assert [site.outbox.receipts() for site in federation.sites.values()] == [(), (), ()]


def test_the_strategys_settings_reach_the_sites_through_the_chain(new_federation, terms_with):
    training = {"learning_rate": "float:0.5", "epochs": 3, "rates": ["float:0.5", "float:0.25"]}
    world = World(new_federation(terms=terms_with(training=training)))
    world.start(2, train_config=ConfigRecord({"epochs": 3, "rates": [0.5, 0.25]}))
    settings = [config for name, config in world.trained if name == "ada"]
    same = {"learning_rate": 0.5, "epochs": 3, "rates": [0.5, 0.25]}
    assert settings == [{**same, "server-round": 1}, {**same, "server-round": 2}]


def test_the_aggregate_is_flowers_own(world):
    world.start(1)
    base = world.federation.base["weight"]
    replies = []
    for i, name in enumerate(world.federation.sites, start=1):
        record = ArrayRecord({"weight": Array(base + np.float32(i)), "steps": Array(np.array(0))})
        metrics = MetricRecord({"num-examples": len(name)})
        message = Message(RecordDict(), dst_node_id=1, message_type="train")
        replies.append(Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=message))
    expected, _ = FedAvg().aggregate_train(1, replies)
    found = world.on_chain().start(world.grid, num_rounds=1).arrays
    assert found["weight"].numpy().tobytes() == expected["weight"].numpy().tobytes()


def test_settings_that_the_terms_do_not_name_are_refused_before_the_round_opens(world):
    with pytest.raises(UsageError, match="epochs"):
        world.start(1, train_config=ConfigRecord({"epochs": 2**53 - 1}))
    assert world.trained == []
    assert not world.federation.owner.task(world.federation.task).open


def test_when_a_run_ends_no_receipt_waits_at_a_site(world):
    world.start(2)
    assert [site.outbox.receipts() for site in world.federation.sites.values()] == [(), (), ()]


def test_a_site_that_fails_costs_the_round_its_deadline_and_nothing_more(world):
    world.failing = {"bert"}
    before = world.federation.owner.now()
    world.start(1)
    (closed,) = world.events(RoundClosed)
    assert len(closed.entries) == 2
    assert world.federation.owner.now() > before + world.federation.terms.window


def test_a_round_below_its_quorum_fails_and_counts_as_ended(world):
    world.failing = {"bert", "cleo"}
    result = world.start(2)
    assert [event.round for event in world.events(RoundFailed)] == [1, 2]
    assert result.train_metrics_clientapp == {}


def counting_strategy():
    """Says which of its rounds it is asked for; halves its learning rate each time, in itself."""
    strategy = FedAvg(min_available_nodes=3, fraction_evaluate=0.0)
    strategy.rate = 1.0

    def configure_train(self, server_round, arrays, config, grid):
        self.rate /= 2
        config["rate"] = self.rate
        config["mine"] = server_round
        return FedAvg.configure_train(self, server_round, arrays, config, grid)

    strategy.configure_train = MethodType(configure_train, strategy)
    return strategy


@pytest.fixture
def counting(new_federation, terms_with):
    names = ("rate", "mine")
    return World(new_federation(terms=terms_with(adjustable=tuple({"name": name} for name in names))))


def counts(world, name="cleo"):
    return [(c["mine"], c["rate"], c["server-round"]) for who, c in world.trained if who == name]


def test_a_failed_round_is_the_strategys_own_again_and_a_round_of_its_own_to_the_app(counting):
    """What sites trained in the failed round may be known: they must not come to the same updates."""
    strategy = counting_strategy()
    counting.failing = {"bert", "ada"}
    OnChain(strategy, counting.federation.rounds).start(counting.grid, num_rounds=1)
    assert set(counts(counting)) == {(1, 0.5, 1)}
    counting.failing = set()
    counting.trained.clear()
    OnChain(strategy, counting.federation.rounds).start(counting.grid, num_rounds=3)
    assert counts(counting) == [(1, 0.5, 2), (2, 0.25, 3)]


def test_a_strategy_that_changes_itself_goes_on_where_it_was(counting):
    strategy = counting_strategy()
    for rounds in (1, 2, 3):
        OnChain(strategy, counting.federation.rounds).start(counting.grid, num_rounds=rounds)
    assert counts(counting) == [(1, 0.5, 1), (2, 0.25, 2), (3, 0.125, 3)]


def test_a_round_that_everybody_submitted_to_is_closed_though_a_seat_is_empty_by_now(world):
    world.federation.round_of()
    world.federation.sites["bert"].ledger.leave_task(world.federation.task)
    world.start(1)
    (closed,) = world.events(RoundClosed)
    assert len(closed.entries) == 3
    with pytest.raises(UsageError, match="wants 3 nodes"):  # the next one
        world.start(2)


def test_a_sealed_round_waits_for_no_nodes(world):
    world.federation.round_of()
    for site in world.federation.sites.values():
        site.publish_due()
    world.grid.get_node_ids = list
    before = world.federation.owner.now()
    world.start(1)
    (closed,) = world.events(RoundClosed)
    assert closed.at.time <= before + 1


def test_another_mean_of_train_metrics_is_said_not_to_be_used(world, caplog):
    strategy = FedAvg(min_available_nodes=3, train_metrics_aggr_fn=lambda *_: MetricRecord())
    OnChain(strategy, world.federation.rounds).start(world.grid, num_rounds=1)
    assert "train_metrics_aggr_fn" in caplog.text


def test_rounds_of_an_earlier_start_count(world):
    world.start(2)
    world.start(3)
    assert [event.round for event in world.events(RoundClosed)] == [1, 2, 3]


class Killed(Exception):
    pass


class Killer(Watch):
    def __init__(self, at):
        self.at = at

    def opened(self, announcement):
        self.die("opened")

    def trained(self, round_, replies):
        self.die("trained")

    def ended(self, end):
        self.die("ended")

    def die(self, here):
        if here == self.at:
            raise Killed


@pytest.mark.parametrize("at", ["opened", "trained", "ended"])
def test_a_killed_aggregator_is_followed_by_one_that_goes_on(new_federation, tmp_path, at):
    world = World(new_federation())
    with pytest.raises(Killed):
        world.on_chain(Killer(at)).start(world.grid, num_rounds=2)
    again = World(world.federation)
    result = again.start(2)
    assert [event.round for event in again.events(RoundClosed)] == [1, 2]
    assert len(world.trained) + len(again.trained) == 6
    assert len(again.events(UpdateSubmitted)) == 6
    assert result.arrays


def test_a_sealed_round_that_nobody_published_yet_is_finished(world):
    world.federation.round_of()
    world.start(1)
    (closed,) = world.events(RoundClosed)
    assert len(closed.entries) == 3
    assert world.trained == []


def test_a_watch_hears_each_round(world):
    heard = []

    class Listener(Watch):
        def opened(self, announcement):
            heard.append(("opened", announcement.round))

        def trained(self, round_, replies):
            heard.append(("trained", len(replies)))

        def ended(self, end):
            heard.append(("ended", end.closed))

    world.on_chain(Listener()).start(world.grid, num_rounds=1)
    assert heard == [("opened", 1), ("trained", 3), ("ended", True)]


def test_evaluation_at_the_server_gets_the_weights_in_force(world):
    seen = []

    def evaluate(round_, arrays):
        seen.append((round_, arrays["weight"].numpy().tolist()))
        return MetricRecord({"sum": float(arrays["weight"].numpy().sum())})

    result = world.start(2, evaluate_fn=evaluate)
    assert [round_ for round_, _ in seen] == [0, 1, 2]
    assert seen[0][1] == world.federation.base["weight"].tolist()
    assert list(result.evaluate_metrics_serverapp) == [0, 1, 2]


def test_other_initial_arrays_are_not_used_and_that_is_said(world, caplog):
    initial = ArrayRecord({"weight": Array(np.zeros((1, 2), np.float32)), "steps": Array(np.array(0))})
    world.start(1, initial_arrays=initial)
    assert "initial_arrays" in caplog.text
    assert len(world.events(RoundClosed)) == 1


def test_the_contracts_own_initial_arrays_are_fine(world, caplog):
    initial = ArrayRecord({name: Array(array) for name, array in world.federation.base.items()})
    world.start(1, initial_arrays=initial)
    assert "initial_arrays" not in caplog.text


def test_another_rule_than_the_terms_is_refused(federation):
    world = World(federation)
    with pytest.raises(UsageError, match="FedMedian"):
        OnChain(FedMedian(), federation.rounds).start(world.grid)


def test_a_strategy_that_wants_more_nodes_than_there_are_seats_is_refused_and_not_waited_for(federation):
    world = World(federation)
    with pytest.raises(UsageError, match="wants 4 nodes"):
        OnChain(FedAvg(min_available_nodes=4), federation.rounds).start(world.grid)


def test_a_strategy_that_trains_nobody_is_refused(federation):
    world = World(federation)
    with pytest.raises(UsageError, match="no site"):
        OnChain(FedAvg(fraction_train=0.0), federation.rounds).start(world.grid)


def test_settings_that_no_document_can_hold_are_refused_before_the_round_opens(world):
    with pytest.raises(UsageError, match="secret"):
        world.start(1, train_config=ConfigRecord({"secret": b"bytes"}))
    assert not world.federation.owner.task(world.federation.task).open
