"""Rounds on anvil, whose chain takes blocks back at every step: nothing is lost, nobody opens too early."""

from __future__ import annotations

import time
from io import BytesIO
from threading import Thread

import numpy as np
import pytest
from agreed import terms_of
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg
from nodes import Anvil, eventually

from aggregator import rules
from aggregator.record import Record
from aggregator.rounds import Rounds
from aggregator.strategy import OnChain, Watch
from aggregator.verifying import replay
from aggregator.verifying.findings import mismatches
from clients.mod import STATE, site_mod
from clients.outbox import Outbox
from clients.site import Site, policy_digest
from experiments.grid import InProcessGrid
from fl import waiting, weights
from fl.canonical import sha256
from fl.documents import Receipt
from fl.ledger.abi import call_data
from fl.ledger.accounts import account_from_seed
from fl.ledger.contract import Web3Ledger
from fl.ledger.deploy import deploy, mint
from fl.ledger.events import topics
from fl.ledger.node import http_provider
from fl.ledger.types import Stage, TaskParams
from fl.store.memory import MemoryStore
from fl.store.port import put_bytes

pytestmark = pytest.mark.slow

NAMES = ("ada", "bert", "cleo")
ACCOUNTS = {name: account_from_seed(b"reorgs", name) for name in ("owner", "aggregator", *NAMES)}
CODE = sha256(b"code")
BASE = {"weight": np.array([[1.0, 2.0]], np.float32)}
CONFIRMATIONS = 4
REWARD, WINDOW, CLOSE_WINDOW, SETTLE_DELAY = 900, 2_000, 1_000, 5
BLOCK_SECONDS = 0.03

STEPS = ("RoundOpened", "UpdateSubmitted", "RoundSealed", "RoundClosed", "RoundSettled")


def make_terms():
    numbers = {"window": WINDOW, "close_window": CLOSE_WINDOW, "settle_delay": SETTLE_DELAY}
    return terms_of(BASE, code=CODE.hex(), metrics=(), reward=str(REWARD), **numbers)


class Chain(Anvil):
    """Anvil that makes blocks only here: a thread makes them, and takes back those that a test names."""

    def __init__(self, folder):
        super().__init__(folder, "--no-mining")
        self.reorgs = []  # (name of an event, depth), in the order in which they are to happen
        self._mining, self._thread = False, None

    def start(self):
        super().start()
        self.ask("anvil_setBlockTimestampInterval", 1)  # else many blocks share a second
        self.run()
        return self

    def run(self):
        self._mining, self._thread = True, Thread(target=self._run, daemon=True)
        self._thread.start()

    def pause(self):
        if self._thread:
            self._mining = False
            self._thread.join()
            self._thread = None

    def _end(self, how):
        self.pause()
        super()._end(how)

    def _run(self):
        while self._mining:
            self.ask("evm_mine")
            if self.reorgs and self.logs(self.reorgs[0][0], "latest"):
                self.reorganize(self.reorgs.pop(0)[1])
            time.sleep(BLOCK_SECONDS)

    def reorganize(self, depth):
        """Once the newest block is so deep, empty blocks take its place; no mempool keeps what it held."""
        for _ in range(depth - 1):
            self.ask("evm_mine")
        self.ask("anvil_reorg", depth, [])

    def forget(self, name):
        """Take the newest event of a kind back."""
        self.pause()
        self.ask("anvil_reorg", self.confirmations(name), [])
        self.run()

    def logs(self, name, first="0x0", round_=None):
        (topic,) = topics([name])
        indexed = ["0x" + topic.hex(), None, round_ and f"0x{round_:064x}"]
        return self.ask("eth_getLogs", {"topics": indexed, "fromBlock": first, "toBlock": "latest"})

    def confirmations(self, name, round_=None):
        """How many the newest event of a kind has, of this round or any; 0 without one."""
        found = self.logs(name, round_=round_)
        return int(self.ask("eth_blockNumber"), 16) - int(found[-1]["blockNumber"], 16) + 1 if found else 0

    def pass_time(self, seconds):
        """The next block is so much later than the last."""
        self.pause()
        newest = int(self.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        self.ask("evm_setNextBlockTimestamp", newest + seconds)
        self.run()


class SitesStore(MemoryStore):
    """Notes how many confirmations the seal had whenever a site published a receipt."""

    def __init__(self, blocks, chain):
        super().__init__(blocks)
        self.seals, self._chain = [], chain

    def put(self, stream):
        data = stream.read()
        if b'"type":"receipt"' in data:
            self.seals.append(self._chain.confirmations("RoundSealed", Receipt.decode(data).round))
        return super().put(BytesIO(data))


class Federation:
    """Three sites behind Flower's mod, one task on the chain, and everybody waits for four confirmations."""

    def __init__(self, chain, folder):
        self.chain, self.folder = chain, folder
        chain.give(*(account.address for account in ACCOUNTS.values()))
        self.terms, self.blocks = make_terms(), {}
        self.store = MemoryStore(self.blocks)
        self.sites_store = SitesStore(self.blocks, chain)
        owner = ACCOUNTS["owner"]
        self.contract, token = deploy(http_provider(chain.url), owner)
        mint(http_provider(chain.url), owner, token, owner.address, 10**6)
        self.task = self._create_task()
        self.openings, self.trained, self.broken = [], [], set()
        self.ended = []

    def ledger(self, name=None, confirmations=CONFIRMATIONS):
        provider = http_provider(self.chain.url)
        return Web3Ledger(provider, self.contract, ACCOUNTS.get(name), confirmations=confirmations)

    def _create_task(self):
        for data in (weights.encode(BASE), self.terms.encode()):
            put_bytes(self.store, data)
        owner, terms = self.ledger("owner", 1), self.terms
        numbers = (REWARD, terms.quorum, WINDOW, CLOSE_WINDOW, SETTLE_DELAY)
        roles = (ACCOUNTS["aggregator"].address, owner.account)
        task = owner.create_task(TaskParams(terms.id, bytes.fromhex(terms.weights.sha256), *roles, *numbers))
        owner.approve(10**6)
        owner.fund(task, 100 * REWARD)
        for name in NAMES:
            owner.admit(ACCOUNTS[name].address, sha256(name.encode()))
            self.ledger(name, 1).join_task(task, terms.id, policy_digest(b"", bytes(32)))
        return task

    def site(self, name, confirmations=CONFIRMATIONS):
        where = self.ledger(name, confirmations), self.sites_store, self.task, Outbox(self.folder / name)
        return Site(*where, code=CODE, data=bytes(32))

    def rounds(self, confirmations=CONFIRMATIONS):
        ledger = self.ledger("aggregator", confirmations)
        rule, wait = rules.build(self.terms.rule), waiting.polling(ledger)
        return Rounds(ledger, self.store, self.task, rule, lambda *_: 0, wait)

    # --- over Flower

    def start(self, ended, watch=None):
        """Run until so many rounds have ended."""
        app = ClientApp(mods=[site_mod(lambda context: self.site(context.node_config["name"]))])
        app.train()(self._train)
        with InProcessGrid(app, [{"name": name} for name in NAMES]) as grid:
            OnChain(FedAvg(min_available_nodes=3), self.rounds(), watch).start(grid, num_rounds=ended)

    def _train(self, message, context):
        name = context.node_config["name"]
        self.openings.append(self.chain.confirmations("RoundOpened", context.state[STATE]["round"]))
        self.trained.append(name)
        if name in self.broken:
            raise RuntimeError("out of memory")
        arrays = {key: array.numpy() for key, array in message.content["arrays"].items()}
        arrays["weight"] = arrays["weight"] + np.float32(len(self.trained) / 8)
        record = ArrayRecord({key: Array(array) for key, array in arrays.items()})
        metrics = MetricRecord({"num-examples": 10})
        return Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=message)

    # --- afterwards

    def record(self):
        return Record(self.ledger(None, 1), self.store, self.task)

    def wrong(self):
        tools = replay.Tools(lambda terms: rules.build(terms.rule), lambda *_: lambda *_: 0)
        return mismatches(replay.verify(self.record(), tools))

    def stages(self):
        return [round_.stage for round_ in self.record().rounds]

    # --- without Flower

    def submit(self, name, announcement, confirmations=CONFIRMATIONS):
        """A site trains and submits."""
        site = self.site(name, confirmations)
        update = site.base(announcement)["weight"] + np.float32(NAMES.index(name) / 8 + 1 / 16)
        receipt = site.prepare(announcement, {"weight": update}, 10, {})
        site.submit_due()
        return receipt

    def submit_unmined(self, name, receipt):
        """A site's submission goes into the mempool and no further; its hash."""
        task = self.ledger(None, 1).task(self.task)
        sender = ACCOUNTS[name].address
        data = call_data("submitUpdate", (self.task, task.round, receipt))
        self.chain.ask("anvil_impersonateAccount", sender)
        sent = {"from": sender, "to": self.contract, "data": f"0x{data.hex()}", "gas": hex(10**6)}
        return self.chain.ask("eth_sendTransaction", sent)


@pytest.fixture(scope="module")
def federation(tmp_path_factory):
    """Shared: each test is another round of it."""
    patch = pytest.MonkeyPatch()
    patch.setattr(waiting, "POLL_SECONDS", 0.05)
    folder = tmp_path_factory.mktemp("reorgs")
    with Chain(folder) as chain:
        yield Federation(chain, folder)
    patch.undo()


@pytest.fixture(autouse=True)
def calm(federation):
    """No reorg of another test, and notes of this test only."""
    federation.chain.reorgs.clear()
    for notes in (federation.openings, federation.trained, federation.sites_store.seals):
        notes.clear()
    federation.broken = set()
    return federation


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_round_whose_every_step_is_taken_back_once_closes_as_if_nothing_had_happened(federation, depth):
    before = len(federation.stages())
    federation.chain.reorgs = [(step, depth) for step in STEPS]
    federation.start(before + 1)
    assert federation.chain.reorgs == []
    assert federation.stages()[before:] == [Stage.SETTLED]
    assert len(federation.record().rounds[-1].submissions) == 3
    assert federation.trained == list(NAMES)
    assert min(federation.openings) >= CONFIRMATIONS
    assert min(federation.sites_store.seals) >= CONFIRMATIONS
    assert all(federation.site(name).outbox.receipts() == () for name in NAMES)
    assert federation.wrong() == []


def test_a_failure_that_is_taken_back_is_made_again_and_the_next_round_works(federation):
    class Impatient(Watch):
        def trained(self, round_, replies):
            federation.chain.pass_time(WINDOW)

    before = len(federation.stages())
    federation.broken = {"bert", "cleo"}
    federation.chain.reorgs = [("RoundFailed", 2)]
    federation.start(before + 1, Impatient())
    assert federation.chain.reorgs == []
    federation.broken = set()
    federation.start(before + 2)
    assert federation.stages()[before:] == [Stage.FAILED, Stage.SETTLED]
    assert federation.wrong() == []


@pytest.mark.parametrize("confirmations", [1, CONFIRMATIONS])
def test_a_round_that_only_the_mempool_seals_opens_no_update(federation, confirmations):
    """Its transaction could be replaced there by a copy of what a site opened."""
    before = len(federation.stages())
    announcement = federation.rounds().open()
    for name in ("ada", "bert"):
        federation.submit(name, announcement)
    eventually(lambda: federation.chain.confirmations("UpdateSubmitted") > CONFIRMATIONS)
    federation.chain.pause()
    sent = federation.submit_unmined("cleo", sha256(b"anything"))
    ledger = federation.ledger("ada", confirmations)
    assert ledger.task(federation.task).sealed(ledger.now())
    for name in ("ada", "bert"):
        federation.site(name, confirmations).publish_due()
    assert federation.sites_store.seals == []
    federation.chain.ask("anvil_dropTransaction", sent)
    federation.chain.run()
    federation.start(before + 1)
    assert federation.trained == ["cleo"]
    assert min(federation.sites_store.seals) >= CONFIRMATIONS
    assert federation.wrong() == []


def test_whoever_is_killed_before_its_transaction_is_confirmed_is_followed_by_one_that_sends_it_again(
    federation,
):
    """With one confirmation a call returns early; what nobody waits for any more, nobody repeats."""
    before, chain = len(federation.stages()), federation.chain
    announcement = federation.rounds().open()
    receipt = federation.submit("ada", announcement, confirmations=1)
    chain.forget("UpdateSubmitted")
    federation.site("ada").submit_due()
    for name in ("bert", "cleo"):
        federation.submit(name, announcement)
    for name in NAMES:
        federation.site(name).publish_due()
    end = federation.rounds(confirmations=1).finish()
    assert end.closed
    chain.forget("RoundClosed")
    assert federation.rounds().ended() == before
    assert federation.rounds().finish() == end
    assert end.lines[0].receipt == receipt.id.hex()
    federation.rounds(confirmations=1).settle_all()
    chain.forget("RoundSettled")
    federation.rounds().settle_all()
    assert federation.stages()[before:] == [Stage.SETTLED]
    assert federation.wrong() == []


def test_a_draw_that_a_reorg_took_back_with_its_round_is_announced_again_as_it_was(federation):
    announcement = federation.rounds(confirmations=1).open(count=2)
    federation.chain.forget("RoundOpened")
    again = federation.rounds()
    assert again.open(count=2) == announcement
    drawn = [name for name in NAMES if ACCOUNTS[name].address in announcement.invited]
    for name in drawn:
        federation.submit(name, announcement)
    federation.chain.pass_time(WINDOW + 1)
    again.await_end()
    for name in drawn:
        federation.site(name).publish_due()
    assert again.finish().closed
    again.settle_all()
    assert federation.wrong() == []


def test_an_aggregator_that_is_started_again_waits_for_what_its_predecessor_sent(federation):
    before = len(federation.stages())
    announcement = federation.rounds(confirmations=1).open()
    assert federation.rounds().open() == announcement
    assert federation.chain.confirmations("RoundOpened") >= CONFIRMATIONS
    federation.start(before + 1)
    assert len(federation.stages()) == before + 1
