"""A federation in memory: three sites, one aggregator, real documents, sealing, store and outboxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from agreed import tensor, terms_of
from liar import Liar

from aggregator import rules
from aggregator.rounds import Rounds
from clients.outbox import Outbox
from clients.site import Site, policy_digest
from fl import weights
from fl.canonical import sha256
from fl.documents import Terms
from fl.ledger.accounts import account_from_seed
from fl.ledger.memory import MemoryFederation
from fl.ledger.types import TaskParams
from fl.store.memory import MemoryStore
from fl.store.port import put_bytes

CODE, DATA = sha256(b"code"), sha256(b"data")
BASE = {"weight": np.array([[1.0, 2.0]], np.float32), "steps": np.array(0, np.int64)}
NAMES = ("ada", "bert", "cleo")


def make_terms(base=BASE, **changes):
    """Of the model of BASE, whatever weights the task begins with."""
    usual = {
        "tensors": tuple(tensor(name, array) for name, array in BASE.items()),
        "code": CODE.hex(),
        "training": {"learning_rate": "float:0.5"},
    }
    return terms_of(base, **(usual | changes))


class Altered:
    """Something that behaves differently in a few methods."""

    def __init__(self, original, methods):
        self._original, self._methods = original, methods

    def __getattr__(self, name):
        method = self._methods.get(name)
        return partial(method, self._original) if method else getattr(self._original, name)

    def confirmed(self):
        """A ledger of this kind takes nothing back."""
        return self


@dataclass
class Federation:
    """Everything that the sites of one task meet in, and their folders."""

    folder: Path
    terms: Terms = field(default_factory=make_terms)
    base: dict = field(default_factory=lambda: BASE)
    params: dict = field(default_factory=dict)
    joined: bool = True
    kind: type = MemoryFederation

    def __post_init__(self):
        accounts = {name: account_from_seed(b"sites", name) for name in ("owner", "aggregator", *NAMES)}
        self.accounts = accounts
        self.chain = self.kind(accounts["owner"].address)
        self.store = MemoryStore()
        self.owner = self.chain.as_account(accounts["owner"])
        self.chain.mint(self.owner.account, 10**6)
        self.owner.approve(10**6)
        self.task = self.owner.create_task(self._params())
        self.owner.fund(self.task, 10**5)
        put_bytes(self.store, self.terms.encode())
        put_bytes(self.store, weights.encode(self.base))
        self.sites = {name: self.site(name) for name in NAMES}
        for name, site in self.sites.items():
            self.owner.admit(site.account, sha256(name.encode()))
            if self.joined:
                site.join(self.terms, policy_digest(b"my policy", sha256(name.encode())))
        self.rounds = self._rounds(Rounds)

    def _params(self):
        terms = self.terms
        usual = {
            "terms": terms.id,
            "weights": bytes.fromhex(terms.weights.sha256),
            "aggregator": self.accounts["aggregator"].address,
            "sponsor": self.owner.account,
            "reward": int(terms.reward),
            "quorum": terms.quorum,
            "window": terms.window,
            "close_window": terms.close_window,
            "settle_delay": terms.settle_delay,
        }
        return TaskParams(**(usual | self.params))

    def _rounds(self, kind):
        ledger = self.chain.as_account(self.accounts["aggregator"])
        return kind(ledger, self.store, self.task, rules.build(self.terms.rule), lambda *_: 0, self.wait)

    def site(self, name, kind=Site, **changes):
        """A new process of this site: the same account and folder, nothing remembered."""
        ledger = self.chain.as_account(self.accounts[name])
        usual = {"code": CODE, "data": DATA}
        return kind(ledger, self.store, self.task, Outbox(self.folder / name), **(usual | changes))

    def wait(self, until, done):
        """Nobody else does anything: time passes."""
        if not done():
            self.chain.set_time(max(until, self.owner.now()))

    def open(self, **settings):
        return self.rounds.open(settings)

    def announce(self, **said):
        """Open a round whose announcement says so, whatever the terms and the chain say."""
        rounds = self._rounds(Liar)
        rounds.lie = lambda *_: said
        return rounds.open()

    def has(self, cid):
        """Whether the store holds the blob."""
        return cid.digest in self.store._blocks

    def events(self, kind):
        return [event for event in self.owner.history(self.task) if isinstance(event, kind)]

    @staticmethod
    def shifted(arrays, by=1.0):
        return {**arrays, "weight": arrays["weight"] + np.float32(by)}

    @staticmethod
    def altered(original, **methods):
        """A ledger or a store with other methods; each gets the original first."""
        return Altered(original, methods)

    def round_of(self, *names, shift=1.0):
        """Open a round, have these sites prepare and submit; returns the announcement and the receipts."""
        announcement = self.open()
        receipts = {}
        for i, name in enumerate(names or NAMES):
            site = self.sites[name]
            arrays = site.base(announcement)
            arrays["weight"] = arrays["weight"] + np.float32(shift + i)
            receipts[name] = site.prepare(announcement, arrays, 10 + i, {"loss": 0.5})
            site.submit_due()
        return announcement, receipts


@pytest.fixture
def new_federation(tmp_path):
    """Makes federations, with changed terms, contract numbers or sites that have not joined."""
    return lambda **changes: Federation(tmp_path, **changes)


@pytest.fixture
def federation(new_federation):
    return new_federation()


@pytest.fixture
def terms_with():
    """Terms that differ from the federation's own in some fields."""
    return make_terms
