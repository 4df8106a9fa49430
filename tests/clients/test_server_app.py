"""The presets' two Flower apps together: a ServerApp and a ClientApp, over a chain file whose time passes."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.app import Context, RecordDict

from aggregator import app as server
from aggregator import connecting
from clients import app as client
from clients.node import open_site
from clients.site import policy_digest
from experiments.grid import InProcessGrid
from fl import weights
from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.code import installed_code
from fl.documents import Column, Data, Model, Reference
from fl.errors import LedgerUnavailable, Refused, StoreError, UsageError
from fl.examples import encode_examples
from fl.learning.models import initial_weights
from fl.ledger.accounts import account_from_seed, write_key
from fl.ledger.contract import Web3Ledger
from fl.ledger.deploy import deploy
from fl.ledger.types import RoundClosed, RoundSettled, TaskParams
from fl.store.embedded import EmbeddedStore
from fl.store.port import put_bytes

DATA = Data(label="sick", classes=("no", "yes"), columns=(Column(name="age", kind="number"),))
MODEL = Model(builder="logistic", settings={})
SITES = ("ada", "bert")


class Deployed:
    """A task on a chain file and in a store folder, joined by two sites."""

    def __init__(self, folder, make_terms):
        accounts = {name: account_from_seed(b"deployed", name) for name in ("owner", *SITES)}
        for name, account in accounts.items():
            write_key(folder / f"{name}.key", account)
        alloc = {account.address: 10**20 for account in accounts.values()}
        EmbeddedNode.create(folder / "chain.db", chain_id=31337, alloc=alloc, virtual_time=False).close()
        self.provider = EmbeddedProvider(EmbeddedNode.open(folder / "chain.db"))
        contract = deploy(self.provider, accounts["owner"]).contract
        self.owner = Web3Ledger(self.provider, contract, accounts["owner"])
        self.store = EmbeddedStore(folder / "store")
        self.terms = self._terms(make_terms)
        self.task = self.owner.create_task(self._params())
        self.place = {
            "chain": str(folder / "chain.db"),
            "contract": contract,
            "task": self.task,
            "store": str(folder / "store"),
        }
        self.nodes = [self._node(folder, name) for name in SITES]

    def _terms(self, make_terms):
        base = weights.encode(initial_weights(MODEL, 1, 2, seed=0))
        terms = make_terms(
            tensors=(
                {"name": "output.weight", "dtype": "F32", "shape": (2, 1)},
                {"name": "output.bias", "dtype": "F32", "shape": (2,)},
            ),
            model=MODEL,
            data=DATA,
            code=installed_code(*client.CODE.split(",")).hex(),
            weights=Reference.of(put_bytes(self.store, base), base).model_dump(),
            reward="0",
            window=600,
            settle_delay=0,
        )
        put_bytes(self.store, terms.encode())
        return terms

    def _params(self):
        terms, me = self.terms, self.owner.account
        held = bytes.fromhex(terms.weights.sha256)
        return TaskParams(terms.id, held, me, me, 0, terms.quorum, terms.window, terms.close_window, 0)

    def _node(self, folder, name):
        chance = np.random.default_rng(len(name))
        x = chance.normal(size=(30, 1)).astype(np.float32)
        rows = folder / f"{name}.safetensors"
        rows.write_bytes(encode_examples(x, (x[:, 0] > 0).astype(np.int64)))
        config = {
            **self.place,
            "key": str(folder / f"{name}.key"),
            "outbox": str(folder / name),
            "data": str(rows),
            "code": client.CODE,
        }
        site = open_site(config)
        self.owner.admit(site.account, bytes(32))
        site.join(site.terms, policy_digest(b"", bytes(32)))
        return config

    def events(self, kind):
        return [event for event in self.owner.history(self.task) if isinstance(event, kind)]


@pytest.fixture
def deployed(tmp_path, terms_with):
    return Deployed(tmp_path, terms_with)


def test_the_two_apps_run_rounds_that_are_closed_and_settled(deployed, tmp_path):
    grid = InProcessGrid("clients.app:app", deployed.nodes)
    config = {**deployed.place, "key": str(tmp_path / "owner.key"), "num-rounds": 2}
    server.app(grid, Context(1, 0, {}, RecordDict(), config))
    assert [event.round for event in deployed.events(RoundClosed)] == [1, 2]
    assert [len(event.entries) for event in deployed.events(RoundClosed)] == [2, 2]
    assert [event.round for event in deployed.events(RoundSettled)] == [1, 2]


def test_how_many_confirmations_a_transaction_needs_can_be_said(deployed, tmp_path, monkeypatch):
    opened = []

    def open_ledger(*arguments):
        opened.append(arguments[2])
        raise UsageError("Enough.")

    monkeypatch.setattr(connecting, "open_ledger", open_ledger)
    config = {**deployed.place, "key": str(tmp_path / "owner.key"), "num-rounds": 1}
    for more in ({}, {"confirmations": 7}):
        with pytest.raises(UsageError, match="Enough"):
            server.app(
                InProcessGrid("clients.app:app", deployed.nodes),
                Context(1, 0, {}, RecordDict(), config | more),
            )
    assert opened == [None, 7]


def test_a_missing_key_in_the_runs_configuration_is_named(deployed):
    grid = InProcessGrid("clients.app:app", deployed.nodes)
    with pytest.raises(UsageError, match="key"):
        server.app(grid, Context(1, 0, {}, RecordDict(), {**deployed.place, "num-rounds": 1}))


@pytest.mark.parametrize("name", ["task", "num-rounds", "confirmations"])
def test_a_text_where_a_number_belongs_is_said(deployed, tmp_path, name):
    grid = InProcessGrid("clients.app:app", deployed.nodes)
    config = {**deployed.place, "key": str(tmp_path / "owner.key"), "num-rounds": 1, name: "many"}
    with pytest.raises(UsageError, match="many"):
        server.app(grid, Context(1, 0, {}, RecordDict(), config))


def test_scoring_without_what_it_needs_is_refused(new_federation, terms_with):
    scoring = {"rule": "shapley", "utility": "log_loss", "budget": 1024, "validation": None}
    federation = new_federation(terms=terms_with(scoring=scoring), joined=False)
    with pytest.raises(UsageError, match="validation"):
        connecting.open_rounds(federation.owner, federation.store, federation.task, federation.wait)


def test_waiting_ends_with_what_is_waited_for_or_with_the_time(federation, monkeypatch):
    naps = []

    def nap(seconds):
        naps.append(seconds)
        federation.chain.set_time(federation.owner.now() + 10)

    monkeypatch.setattr(connecting.time, "sleep", nap)
    wait = connecting.polling(federation.owner)
    wait(federation.owner.now() + 25, lambda: False)
    assert len(naps) == 3
    wait(federation.owner.now() + 1000, lambda: len(naps) == 5)
    assert len(naps) == 5


# --- while the node is away


@pytest.fixture
def clock(monkeypatch):
    """Sleeping passes at once; a run of the test may make it later."""

    class Clock:
        now = 0.0
        naps = ()

        def sleep(self, seconds):
            self.naps = (*self.naps, seconds)

    clock = Clock()
    monkeypatch.setattr(connecting.time, "sleep", clock.sleep)
    monkeypatch.setattr(connecting.time, "monotonic", lambda: clock.now)
    return clock


@pytest.mark.parametrize("error", [LedgerUnavailable, StoreError])
def test_the_app_starts_again_while_chain_or_store_are_away(clock, error, caplog):
    answers = [error("Away."), error("Still away."), None]

    def start():
        if answer := answers.pop(0):
            raise answer

    connecting.persistently(start)
    assert clock.naps == connecting.PAUSES[:2]
    assert "Still away." in caplog.text


def test_it_gives_up_after_minutes(clock):
    def start():
        raise LedgerUnavailable("Gone.")

    with pytest.raises(LedgerUnavailable, match="Gone"):
        connecting.persistently(start)
    assert clock.naps == connecting.PAUSES
    assert sum(connecting.PAUSES) > 120


def test_outages_that_are_far_apart_do_not_add_up(clock):
    left = [None] * 50

    def start():
        clock.now += 3600
        if left:
            left.pop()
            raise LedgerUnavailable("Away.")

    connecting.persistently(start)
    assert clock.naps == connecting.PAUSES[:1] * 50


def test_what_the_contract_refuses_is_not_tried_again(clock):
    def start():
        raise Refused("IsPaused")

    with pytest.raises(Refused):
        connecting.persistently(start)
    assert clock.naps == ()
