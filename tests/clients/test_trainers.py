"""Who trains in a Flower run: the node that a trainer's own signature names, and nobody else's."""

from __future__ import annotations

import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg

from aggregator.strategy import OnChain
from aggregator.trainers import Trainers
from clients.mod import site_mod
from experiments.grid import InProcessGrid
from fl.errors import FedledgerError
from fl.ledger.accounts import account_from_seed
from fl.ledger.types import RoundClosed
from fl.messages import INTRODUCE


class Nodes:
    """A grid of nodes; each name has its honest site, unless `answers` says what the node says of itself."""

    def __init__(self, federation, names, answers=None):
        self.federation = federation
        self.answers = answers or {}
        self.trained = []
        mod = site_mod(lambda context: federation.site(context.node_config["name"]))
        self.app = ClientApp(mods=[self._say, mod])
        self.app.train()(self._train)
        self.grid = InProcessGrid(self.app, [{"name": name, "number": i} for i, name in enumerate(names)])

    def _say(self, message, context, call_next):
        number = context.node_config["number"]
        if INTRODUCE not in message.content or number not in self.answers:
            return call_next(message, context)
        said = self.answers[number](context)
        return Message(RecordDict({INTRODUCE: ConfigRecord(said)}), reply_to=message)

    def _train(self, message, context):
        self.trained.append((context.node_config["name"], context.node_config["number"]))
        arrays = {key: array.numpy() for key, array in message.content["arrays"].items()}
        arrays["weight"] = arrays["weight"] + len(self.trained)
        record = ArrayRecord({key: Array(array) for key, array in arrays.items()})
        metrics = MetricRecord({"num-examples": 7, "loss": 0.5})
        return Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=message)

    def trainers(self):
        federation = self.federation
        found = Trainers(self.grid, federation.rounds.ledger, federation.task, "train")
        found.meet()
        return found

    def start(self, rounds=1, **options):
        strategy = FedAvg(min_available_nodes=2, fraction_evaluate=0.0)
        OnChain(strategy, self.federation.rounds).start(self.grid, num_rounds=rounds, **options)


def test_every_node_says_whose_it_is(federation):
    nodes = Nodes(federation, ["cleo", "ada", "bert"])
    accounts = [federation.sites[name].account for name in ("cleo", "ada", "bert")]
    assert list(nodes.trainers().nodes()) == accounts


def test_only_the_invited_are_named(federation):
    trainers = Nodes(federation, ["ada", "bert", "cleo"]).trainers()
    invited = [federation.sites[name].account for name in ("cleo", "ada")]
    assert set(trainers.nodes(invited)) == set(invited)


def signed_by(federation, name, **other):
    """An answer in `name`'s words, of another run or node if so said."""

    def answer(context):
        run, node = other.get("run", context.run_id), other.get("node", context.node_id)
        site = federation.sites[name]
        return {"trainer": site.account, "signature": site.introduction(run, node)}

    return answer


LIES = {
    "in somebody else's name": lambda federation: (
        lambda context: {
            "trainer": federation.sites["ada"].account,
            "signature": federation.sites["bert"].introduction(context.run_id, context.node_id),
        }
    ),
    "overheard from another node": lambda federation: signed_by(federation, "ada", node=2),
    "kept from another run": lambda federation: signed_by(federation, "ada", run=9),
    "unsigned": lambda federation: lambda _context: {"trainer": federation.sites["ada"].account},
    "signed with noise": lambda federation: (
        lambda _context: {
            "trainer": federation.sites["ada"].account,
            "signature": bytes(65),
        }
    ),
    "no address": lambda federation: lambda _context: {"trainer": "ada", "signature": bytes(65)},
    "a number": lambda federation: lambda _context: {"trainer": 7, "signature": bytes(65)},
    "nothing": lambda federation: lambda _context: {},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_node_cannot_draw_a_trainers_work_to_itself(federation, lie):
    """The last node lies about ada, whose own node comes first."""
    nodes = Nodes(federation, ["ada", "bert", "cleo", "ada"], {3: LIES[lie](federation)})
    nodes.start()
    assert sorted(nodes.trained) == [("ada", 0), ("bert", 1), ("cleo", 2)]


def test_a_site_that_was_started_anew_is_asked_at_its_newer_node(federation):
    nodes = Nodes(federation, ["ada", "bert", "ada"])
    nodes.start()
    assert sorted(nodes.trained) == [("ada", 2), ("bert", 1)]


def test_a_node_that_is_no_site_is_left_alone(federation):
    nodes = Nodes(federation, ["ada", "bert", "stranger"])
    nodes.start()
    assert [name for name, _ in nodes.trained] == ["ada", "bert"]


def test_below_the_quorum_no_round_is_opened_and_that_is_said(federation):
    nodes = Nodes(federation, ["ada", "stranger"])
    with pytest.raises(FedledgerError, match="nodes of 1 are there"):
        nodes.start(timeout=60)
    assert not federation.owner.task(federation.task).open


class Leaving(InProcessGrid):
    """A grid whose last node is away while `away` is set."""

    away = False

    def get_node_ids(self):
        found = list(super().get_node_ids())
        return found[:-1] if self.away else found


def test_a_node_that_vanishes_costs_its_round_a_window_and_takes_part_again_when_it_is_back(federation):
    nodes = Nodes(federation, ["ada", "bert", "cleo"])
    nodes.grid.__class__ = Leaving
    nodes.start(1)
    nodes.grid.away = True
    nodes.start(2)
    nodes.grid.away = False
    nodes.start(3)
    assert [len(event.entries) for event in federation.events(RoundClosed)] == [3, 2, 3]


def test_whoever_has_no_seat_is_nobody(federation):
    """A key of one's own is quickly made, and signs for itself."""
    federation.accounts["mallory"] = account_from_seed(b"sites", "mallory")
    nodes = Nodes(federation, ["ada", "bert", "mallory"])
    nodes.start()
    assert sorted(name for name, _ in nodes.trained) == ["ada", "bert"]


def test_who_gave_the_seat_up_is_asked_no_more(federation):
    trainers = Nodes(federation, ["ada", "bert", "cleo"]).trainers()
    federation.sites["bert"].ledger.leave_task(federation.task)
    trainers.forgive()
    assert list(trainers.nodes()) == [federation.sites[name].account for name in ("ada", "cleo")]
