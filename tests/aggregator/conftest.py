"""Sites, rounds and federations to test with: real documents, real sealing, store and ledger in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, partial

import numpy as np
import pytest
from agreed import tensor, terms_of

from aggregator import scoring
from aggregator.decision import Facts, Hindsight, decide, examine
from aggregator.record import Record
from aggregator.rounds import Rounds
from aggregator.spool import Spool
from aggregator.types import Aggregate, Closed, Context, Submission
from aggregator.verdicts import Yardstick
from aggregator.verifying import replay
from fl import sealing, weights
from fl.canonical import sha256
from fl.documents import Announcement, Details, Profile, Receipt, Reference, Terms
from fl.ledger.accounts import account_from_seed
from fl.ledger.memory import MemoryFederation
from fl.ledger.types import FULL_QUALITY, TaskParams
from fl.store.layout import cid_of
from fl.store.memory import MemoryStore
from fl.store.port import put_bytes, read_bytes

CHAIN_ID, CONTRACT = 31337, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
CODE = sha256(b"the code that everybody runs").hex()
BASE = {
    "layer.weight": np.array([[0.5, -0.5], [0.25, 1.0]], np.float32),
    "norm.variance": np.array([1.0, 2.0], np.float32),
    "steps": np.array(0, np.int64),
}
TARGET = {name: array + np.array(1, array.dtype) for name, array in BASE.items()}
REWARD = 1_000_000


account = cache(partial(account_from_seed, b"tests"))


def reference(data):
    return Reference.of(cid_of(data), data)


def make_terms(scoring="equal", budget=1024, validation=None, metrics=("loss",), **changes):
    bounds = {"low": "float:0.0", "high": "float:10.0"}
    variance = tensor("norm.variance", BASE["norm.variance"], low="float:0.0")
    usual = {
        "tensors": tuple(variance if name == variance["name"] else tensor(name, BASE[name]) for name in BASE),
        "code": CODE,
        "metrics": tuple({"name": name, **bounds} for name in metrics),
        "scoring": {"rule": scoring, "utility": "log_loss", "budget": budget, "validation": validation},
        "limits": {"element": "float:10.0", "norm": "float:15.0", "examples": 10_000},
        "privacy": {"epsilon": "float:1.0", "delta": "float:1e-05"},
        "reward": str(REWARD),
    }
    return terms_of(BASE, **(usual | changes))


# --- rules and utilities


def mean_rule(base, updates, _state, _index):
    loss = sum(update.metrics.get("loss", 0.0) for update in updates) / len(updates)
    return Aggregate(scoring.coalition(2 ** len(updates) - 1, updates, base), {"loss": loss})


def momentum_rule(base, updates, state, index):
    """Remembers the last mean, and says at which index it was asked."""
    mean = scoring.coalition(2 ** len(updates) - 1, updates, base)
    before = weights.decode(state.removeprefix(b"mean:"), tuple(base)) if state else mean
    arrays = {name: (mean[name].astype(np.float64) + before[name]) / 2 for name in base}
    return Aggregate(arrays, {"index": float(index)}, b"mean:" + weights.encode(mean))


def closeness(target):
    def utility(_mask, arrays):
        gaps = (np.square(arrays[name].astype(np.float64) - target[name]).sum() for name in target)
        return -round(10_000 * float(sum(gaps)))

    return utility


CLOSENESS = closeness(TARGET)


# --- what one site makes for one round


@dataclass
class Package:
    receipt: bytes
    update: bytes
    details: bytes
    trainer: str
    weights: bytes

    @property
    def submission(self):
        return Submission(self.trainer, sha256(self.receipt))

    def put(self, store, withhold=()):
        for part in ("receipt", "update", "details"):
            if part not in withhold:
                put_bytes(store, getattr(self, part))


class Site:
    def __init__(self, index):
        self.index = index
        self.account = account(f"site {index}")
        self.address = self.account.address

    def shifted(self, base, round_):
        """An honest update's arrays, like those of no other site and round."""
        step = (self.index + 1) / 8 + round_ / 64
        floats = {name: base[name] + np.float32(step) for name in ("layer.weight", "norm.variance")}
        return {**floats, "steps": base["steps"] + 1}

    def make(self, terms, base, announcement, *, data=None, details=None, receipt=None, **raw):
        """An honest package, but for what is given: weights bytes, fields, or raw bytes of a part."""
        if data is None:
            data = weights.encode(self.shifted(weights.decode(base, terms.order), announcement.round))
        key = raw.get("key", sha256(f"key {self.index} {announcement.round}".encode()))
        where = announcement.chain_id, announcement.contract, announcement.task, announcement.round
        bound_to = sealing.additional_data(*where, self.address)
        update = raw.get("update", sealing.seal_update(key, data, bound_to))
        sealed_details = sealing.seal_details(key, raw.get("details_bytes", self.details(details)), bound_to)
        usual = {
            **dict(zip(("chain_id", "contract", "task", "round"), where, strict=True)),
            "trainer": self.address,
            "announcement": announcement.id.hex(),
            "base": announcement.base.sha256,
            "update": reference(update),
            "details": reference(sealed_details),
            "commitment": sealing.commitment(self.address, key, sha256(data)).hex(),
            "key": key.hex(),
        }
        written = raw.get("receipt_bytes", Receipt(**(usual | (receipt or {}))).encode())
        return Package(written, update, sealed_details, self.address, data)

    def details(self, changes):
        usual = {
            "examples": 100 * (self.index + 1),
            "metrics": {"loss": 0.5 + self.index, "unlisted": 7.0},
            "privacy": {"epsilon": "float:0.5", "delta": "float:1e-05"},
            "data": sha256(f"data {self.index}".encode()).hex(),
            "code": CODE,
        }
        return Details.model_validate(usual | (changes or {})).encode()


# --- one round on paper


@dataclass
class Case:
    """A round without a chain: submissions are listed, contents lie in a store, readings are recorded."""

    terms: Terms = field(default_factory=make_terms)
    base: bytes = weights.encode(BASE)
    blocks: dict[bytes, bytes] = field(default_factory=dict)
    invited: tuple[str, ...] | None = None
    earlier: frozenset[bytes] = frozenset()
    state: bytes | None = None
    index: int = 1

    def __post_init__(self):
        self.store = MemoryStore(self.blocks)
        self.sites = [Site(index) for index in range(6)]
        self.submissions, self.names, self.reads = [], {}, []

    @property
    def announcement(self):
        return Announcement(
            chain_id=CHAIN_ID,
            contract=CONTRACT,
            task=1,
            round=1,
            base=reference(self.base),
            settings={},
            invited=self.invited,
            drawn_at=None if self.invited is None else 1,
        )

    def submit(self, index, *, withhold=(), **faults):
        """Site `index` submits; returns what it made."""
        package = self.sites[index].make(self.terms, self.base, self.announcement, **faults)
        package.put(self.store, withhold)
        self.list(package)
        return package

    def list(self, package, trainer=None):
        """Put a package on the chain, in whose name it says or in another's."""
        self.submissions.append(Submission(trainer or package.trainer, sha256(package.receipt)))
        for part in ("receipt", "update", "details"):
            self.names[cid_of(getattr(package, part))] = part

    def read(self, cid, limit):
        self.reads.append(self.names.get(cid, str(cid)))
        return read_bytes(self.store, cid, limit)

    @property
    def context(self):
        return Context(CHAIN_ID, CONTRACT, 1, 1, self.announcement, b"\0" * 32)

    def facts(self):
        submissions = tuple(self.submissions)
        return Facts(self.context, self.terms, self.base, self.state, self.index, self.earlier, submissions)

    def check(self):
        yardstick = Yardstick(self.context, self.terms, self.base, self.earlier)
        return examine(self.submissions, yardstick, self.read, Hindsight(), dict)

    def verdicts(self):
        return [(str(one.verdict), one.quality) for one in self.check()]

    def decide(self, rule=mean_rule, utility=CLOSENESS):
        with Spool() as aside:
            return decide(self.facts(), rule, utility, self.read, aside.put_arrays)


# --- a federation on the in-memory ledger


class Federation:
    """Three sites and one task. Time moves only while somebody waits."""

    def __init__(self, rule=mean_rule, sites=3, kind=MemoryFederation, **terms):
        self.rule, self.blocks = rule, {}
        self.store = MemoryStore(self.blocks)
        validation = weights.encode(TARGET)
        terms = {"validation": reference(validation).model_dump()} | terms
        self.terms = make_terms(**terms)
        self.sites = [Site(index) for index in range(sites)]
        self.owner, self.operator = account("owner"), account("operator")
        self.chain = kind(self.owner.address)
        for data in (validation, weights.encode(BASE), self.terms.encode()):
            put_bytes(self.store, data)
        self._admit()
        self.task = self.create_task()

    def _admit(self):
        owner = self.ledger(self.owner)
        self.chain.mint(self.owner.address, 100 * REWARD)
        owner.approve(100 * REWARD)
        for site in self.sites:
            did = f"did:pkh:eip155:{CHAIN_ID}:{site.address}"
            owner.admit(site.address, Profile(name="Site", did=did, encryption_key=None).id)

    def create_task(self):
        """A task that every site joins."""
        owner, terms = self.ledger(self.owner), self.terms
        numbers = (int(terms.reward), terms.quorum, terms.window, terms.close_window, terms.settle_delay)
        addresses = (self.operator.address, self.owner.address)
        params = TaskParams(terms.id, bytes.fromhex(terms.weights.sha256), *addresses, *numbers)
        task = owner.create_task(params)
        owner.fund(task, 20 * REWARD)
        for site in self.sites:
            self.ledger(site.account).join_task(task, terms.id, bytes(32))
        return task

    def ledger(self, account=None):
        return self.chain.as_account(account)

    def now(self):
        return self.ledger().now()

    def wait(self, until, done):
        if not done():
            self.chain.set_time(max(until, self.now()))

    def rounds(self, ledger=None, store=None, utility=CLOSENESS, kind=Rounds):
        ledger = ledger or self.ledger(self.operator)
        return kind(ledger, store or self.store, self.task, self.rule, utility, self.wait)

    def record(self):
        return Record(self.ledger(), self.store, self.task)

    def base(self):
        return self.record().blob(self.record().heritage().weights)

    def submit(self, site, announcement, withhold=(), **faults):
        base = read_bytes(self.store, announcement.base.parsed(), announcement.base.size)
        package = site.make(self.terms, base, announcement, **faults)
        self.ledger(site.account).submit_update(self.task, announcement.round, sha256(package.receipt))
        package.put(self.store, withhold)
        return package

    def begin(self, faults=None):
        """Open a round and have every site submit; `faults` by site's index."""
        return self.submit_all(self.rounds().open(), faults)

    def submit_all(self, announcement, faults=None):
        """Every site submits that has not yet."""
        seats = [self.ledger().seat(self.task, site.address) for site in self.sites]
        late = [site for site, seat in zip(self.sites, seats, strict=True) if seat.last < announcement.round]
        return [self.submit(site, announcement, **(faults or {}).get(site.index, {})) for site in late]

    def play(self, faults=None):
        """A whole round, settled."""
        self.begin(faults)
        end = self.rounds().finish()
        self.rounds().settle_all()
        return end

    def verify(self, rule=None, utility=None):
        def from_validation(terms, validation):
            return closeness(weights.decode(validation, terms.order))

        tools = replay.Tools(rule or (lambda _terms: self.rule), utility or from_validation)
        return replay.verify(self.record(), tools)


@pytest.fixture(name="make_terms", scope="session")
def _make_terms():
    return make_terms


@pytest.fixture(scope="session")
def make_case():
    return Case


@pytest.fixture
def case():
    return Case()


@pytest.fixture(scope="session")
def momentum():
    return momentum_rule


@pytest.fixture(scope="session")
def found():
    """Found a federation."""
    return Federation


@pytest.fixture
def federation():
    return Federation()


@pytest.fixture
def judge(case):
    """The verdict on site 1; the round around it must close with the honest updates only."""
    honest = ("accepted", FULL_QUALITY)

    def judge(**faults):
        case.submit(0)
        case.submit(1, **faults)
        case.submit(2)
        first, middle, last = case.verdicts()
        assert (first, last) == (honest, honest)
        decision = case.decide()
        assert isinstance(decision, Closed)
        if middle != honest:
            assert decision.manifest.aggregated == (case.sites[0].address, case.sites[2].address)
            assert decision.entries[1].share == 0
        return middle

    return judge
