"""OnChain while nodes, stores and sites are away: it asks again, and nobody holds up the others."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg

from aggregator.strategy import OnChain
from clients.mod import site_mod
from experiments.grid import InProcessGrid
from fl.errors import LedgerUnavailable, StoreError
from fl.ledger.types import RoundClosed, RoundOpened, RoundSealed
from fl.messages import DELIVER


class Grid(InProcessGrid):
    """Sites in `silent` never answer messages of that kind: whoever asks waits for as long as it would."""

    def __init__(self, federation, app, silent):
        super().__init__(app, [{"name": name, "submit": False} for name in federation.sites])
        self._federation, self._silent = federation, silent

    def push_messages(self, messages):
        lost = [message for message in messages if self._is_lost(message)]
        ids = iter(super().push_messages([message for message in messages if message not in lost]))
        return [f"lost {number}" if one in lost else next(ids) for number, one in enumerate(messages)]

    def _is_lost(self, message):
        name = list(self._federation.sites)[message.metadata.dst_node_id - min(self.get_node_ids())]
        due = "publish" if self._federation.rounds.over() else "submit"
        kind = due if DELIVER in message.content else "train"
        return (name, kind) in self._silent


@pytest.fixture(autouse=True)
def clock(federation, monkeypatch):
    """Whoever waits for replies lets the chain's time pass."""

    class Clock:
        now = 0.0

        def sleep(self, seconds):
            before, self.now = self.now, self.now + seconds
            federation.chain.set_time(federation.owner.now() + int(self.now) - int(before))

    clock = Clock()
    monkeypatch.setattr("aggregator.exchange.time.sleep", clock.sleep)
    monkeypatch.setattr("aggregator.exchange.time.monotonic", lambda: clock.now)


class World:
    """A federation whose sites fail as often as `failures` says, each time in `break_`."""

    def __init__(self, federation):
        self.federation = federation
        self.failures = Counter()
        self.silent = set()
        self.app = ClientApp(mods=[site_mod(self.open_site)])
        self.app.train()(self.train)

    def open_site(self, context):
        name = context.node_config["name"]
        site = self.federation.site(name)
        site.submit_due = self.failing(name, "submit", site.submit_due, LedgerUnavailable)
        site.publish_due = self.failing(name, "publish", site.publish_due, StoreError)
        return site

    def failing(self, name, kind, step, error):
        def tried():
            if self.failures[name, kind] and (kind == "submit" or self.federation.rounds.over()):
                self.failures[name, kind] -= 1
                raise error("It is away.")
            step()

        return tried

    def train(self, message, context):
        if self.failures[context.node_config["name"], "train"]:
            self.failures[context.node_config["name"], "train"] -= 1
            raise OSError("No data.")
        shift = np.float32(len(context.node_config["name"]))
        arrays = {key: array.numpy() for key, array in message.content["arrays"].items()}
        arrays["weight"] = arrays["weight"] + shift
        record = ArrayRecord({key: Array(array) for key, array in arrays.items()})
        metrics = MetricRecord({"num-examples": 10, "loss": 0.5})
        return Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=message)

    def start(self):
        grid = Grid(self.federation, self.app, self.silent)
        OnChain(FedAvg(min_available_nodes=3, fraction_evaluate=0.0), self.federation.rounds).start(
            grid, num_rounds=1
        )

    def close_window_used(self):
        """Seconds from the seal to the close."""
        federation = self.federation
        (closed,), (opened,) = federation.events(RoundClosed), federation.events(RoundOpened)
        sealed = [event.at.time for event in federation.events(RoundSealed)] or [opened.deadline + 1]
        return closed.at.time - sealed[0]

    def lines(self):
        record = self.federation.rounds.record()
        manifest = record.manifest(record.round(1))
        names = {site.account: name for name, site in self.federation.sites.items()}
        return {names[line.trainer]: str(line.verdict) for line in manifest.submissions}


@pytest.fixture
def world(federation):
    # as many letters in no two names: no two updates are alike
    federation.sites = {name: federation.sites[name] for name in ("ada", "bert")}
    federation.sites["cleopatra"] = federation.site("cleo")
    site_of = federation.site
    federation.site = lambda name: site_of("cleo" if name == "cleopatra" else name)
    return World(federation)


ALL = {"ada": "accepted", "bert": "accepted", "cleopatra": "accepted"}


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_site_whose_chain_node_is_away_is_asked_again_to_submit(world, times):
    opened_at = world.federation.owner.now()
    world.failures["bert", "submit"] = times
    world.start()
    assert world.lines() == ALL
    assert world.federation.owner.now() < opened_at + world.federation.terms.window


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_site_that_could_not_train_is_asked_again(world, times):
    world.failures["bert", "train"] = times
    world.start()
    assert world.lines() == ALL


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_site_whose_store_is_away_is_asked_again_to_publish(world, times):
    world.failures["bert", "publish"] = times
    world.start()
    assert world.lines() == ALL


def test_what_cannot_be_submitted_does_not_keep_what_is_sealed_from_being_published(world):
    world.failures["bert", "submit"] = 1
    receipts = []
    site = world.open_site

    def note(context):
        opened = site(context)
        publish = opened.publish_due
        opened.publish_due = lambda: receipts.append(context.node_config["name"]) or publish()
        return opened

    world.app = ClientApp(mods=[site_mod(note)])
    world.app.train()(world.train)
    world.start()
    assert receipts[:3] == ["ada", "bert", "cleopatra"]  # the first time that they were asked


@pytest.mark.parametrize("kind", ["train", "submit"])
def test_a_site_that_never_answers_costs_the_round_its_window_and_no_more(world, kind):
    world.silent = {("bert", "train"), ("bert", kind), ("bert", "publish")}
    world.start()
    assert world.lines() == {"ada": "accepted", "cleopatra": "accepted"}
    assert world.close_window_used() <= world.federation.terms.close_window // 4 + 1


def test_a_site_that_never_answers_once_it_has_submitted_is_unavailable_and_the_round_closes(world):
    world.silent = {("bert", "publish")}
    world.start()
    assert world.lines() == ALL | {"bert": "unavailable"}
    assert world.close_window_used() < world.federation.terms.close_window * 9 // 10


def test_who_is_silent_about_its_delivery_does_not_hold_up_a_round_that_the_others_seal(
    new_federation, terms_with
):
    """Its window is twenty times the close window: whoever waited on for a part of it would come too late."""
    federation = new_federation(terms=terms_with(window=8_000, close_window=400))
    world = World(federation)

    class Sealing(Grid):
        def push_messages(self, messages):
            ids = super().push_messages(messages)
            if any(DELIVER in message.content for message in messages):
                federation.site("ada").submit_due()  # by itself, while it does not answer
            return ids

    world.silent = {("ada", "submit")}
    grid = Sealing(federation, world.app, world.silent)
    OnChain(FedAvg(min_available_nodes=3, fraction_evaluate=0.0), federation.rounds).start(grid, num_rounds=1)
    (closed,) = federation.events(RoundClosed)
    assert len(closed.entries) == 3
