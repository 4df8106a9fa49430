"""Sites behind Flower's mod, one of them Mallory's, on a real chain and store in one folder.

Everything is real but the app, which adds a number to what it gets. Mallory's node is the second, so that
somebody honest submits before her and somebody after.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from agreed import tensor, terms_of
from eth_account.signers.local import LocalAccount
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg
from liar import Liar, Lie
from mallory import SPENT, Mallory, Misdeed

from aggregator import flower, rules
from aggregator.record import Record
from aggregator.rounds import Rounds
from aggregator.strategy import OnChain
from aggregator.verifying import replay
from aggregator.verifying.findings import Finding
from clients.mod import site_mod
from clients.outbox import Outbox
from clients.site import Site, policy_digest
from experiments.grid import InProcessGrid
from fl import weights
from fl.canonical import sha256
from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.documents import Receipt, Terms
from fl.errors import BlobUnavailable, UsageError
from fl.ledger.accounts import account_from_seed
from fl.ledger.contract import Web3Ledger
from fl.ledger.deploy import deploy, mint
from fl.ledger.types import Address, TaskParams
from fl.store.cid import Cid
from fl.store.embedded import EmbeddedStore
from fl.store.port import put_bytes

MALLORY = "mallory"
NAMES = ("ada", MALLORY, "cleo")
HONEST = ("ada", "cleo")
FOUR = (*NAMES, "dora")
EXAMPLES = {"ada": 10, MALLORY: 20, "cleo": 30, "dora": 40}
REWARD, CLOSE_WINDOW = 9_000, 400
CODE = sha256(b"the code that everybody runs")
BASE = {
    "half": np.array([0.5, -0.5], np.float16),
    "weight": np.array([[0.5, -0.5], [0.25, 1.0]], np.float32),
    "double": np.array([1.0], np.float64),
    "variance": np.array([1.0, 2.0], np.float32),
    "mask": np.array([True, False]),
    "steps": np.array(0, np.int64),
}


def account(name: str) -> LocalAccount:
    return account_from_seed(b"stage", name)


def address(name: str) -> Address:
    return Address(account(name).address)


def make_terms(base: weights.Arrays, **changes: Any) -> Terms:
    bounds = {"variance": {"low": "float:0.0", "high": "float:9.0"}}
    usual = {
        "tensors": tuple(tensor(name, array, **bounds.get(name, {})) for name, array in base.items()),
        "code": CODE.hex(),
        "scoring": {"rule": "examples", "utility": "log_loss", "budget": 1024, "validation": None},
        "privacy": {"epsilon": "float:1.0", "delta": "float:1e-05"},
        "reward": str(REWARD),
        "close_window": CLOSE_WINDOW,
    }
    return terms_of(base, **(usual | changes))


# --- chain and store


class Remembering(Web3Ledger):
    """The contract, asked the same thing once between two changes: to ask again is what takes the time."""

    def __init__(self, stage: Stage, signer: LocalAccount) -> None:
        super().__init__(EmbeddedProvider(stage.node), stage.contract, signer)
        self._chain = stage.node
        self._known = stage.known

    def task(self, task: int) -> Any:
        return self._once(super().task, task)

    def seat(self, task: int, member: Address) -> Any:
        return self._once(super().seat, task, member)

    def history(self, task: int, since: int = 0) -> Any:
        return self._once(super().history, task, since)

    def _once(self, ask: Callable[..., object], *arguments: object) -> object:
        with self._chain.reading() as snapshot:
            head = snapshot.head().hash
        question = (head, self._chain.now(), ask.__name__, arguments)
        if question not in self._known:
            self._known[question] = ask(*arguments)
        return self._known[question]


class SlowStore(EmbeddedStore):
    """A store whose slowness moves the chain's clock.

    Of what is `silent` nothing comes until whoever asks gives up; of a `dripping` blob, a block at a time.
    """

    def __init__(self, folder: Path, node: EmbeddedNode) -> None:
        super().__init__(folder)
        self._node = node
        self.silent: set[Cid] = set()
        self.dripping: set[Cid] = set()

    def open(self, cid: Cid, limit: int) -> BinaryIO:
        if cid in self.silent:
            self.wait(30)
            raise BlobUnavailable(f"{cid} did not come within 30 seconds.")
        stream = super().open(cid, limit)
        return Dripping(stream, self) if cid in self.dripping else stream

    def wait(self, seconds: int) -> None:
        self._node.set_time(self._node.now() + seconds)

    def plant(self, cid: Cid, block: bytes) -> None:
        """Put a block under a name, whatever it holds."""
        self.path(cid).parent.mkdir(exist_ok=True)
        self.path(cid).write_bytes(block)


class Dripping(io.BytesIO):
    """A blob of which every piece takes a third of the close window."""

    def __init__(self, stream: BinaryIO, store: SlowStore) -> None:
        super().__init__(stream.read())
        self._store = store

    def read(self, size: int | None = -1) -> bytes:
        self._store.wait(CLOSE_WINDOW // 3)
        return super().read(size)


# --- who takes part


class Honest(Site):
    """As honest as any; it says what privacy it spent, which no app can yet."""

    def prepare(self, announcement, arrays, examples, metrics, privacy=SPENT) -> Receipt:
        return super().prepare(announcement, arrays, examples, metrics, privacy)


class Stage:
    """One federation with one task, in a folder of its own."""

    def __init__(self, folder: Path, contract: Address, names: tuple[str, ...]) -> None:
        self.folder = folder
        self.contract = contract
        self.names = names
        self.task = 1
        self.node = EmbeddedNode.open(folder / "chain.sqlite")
        self.store = SlowStore(folder / "store", self.node)
        self.known: dict[tuple[object, ...], object] = {}
        self.trained: dict[tuple[str, int], bytes] = {}

    @classmethod
    def build(cls, folder: Path, names: tuple[str, ...] = NAMES) -> Stage:
        """Deploy, admit everybody, and have them join a task."""
        funds = {address(name): 10**24 for name in ("owner", "aggregator", *names)}
        with EmbeddedNode.create(folder / "chain.sqlite", alloc=funds, virtual_time=True) as node:
            provider = EmbeddedProvider(node)
            deployed = deploy(provider, account("owner"))
            mint(provider, account("owner"), deployed.token, address("owner"), 100 * REWARD)
        stage = cls(folder, deployed.contract, names)
        stage.ledger("owner").approve(100 * REWARD)
        for name in names:
            stage.ledger("owner").admit(address(name), sha256(name.encode()))
        stage.begin()
        stage.node.close()
        return stage

    def copied_to(self, folder: Path) -> Stage:
        shutil.copytree(self.folder, folder)
        return Stage(folder, self.contract, self.names)

    def begin(self, base: weights.Arrays = BASE, **terms: Any) -> None:
        """Create a task that everybody joins."""
        agreed, owner = make_terms(base, **terms), self.ledger("owner")
        numbers = (REWARD, agreed.quorum, agreed.window, agreed.close_window, agreed.settle_delay)
        start = bytes.fromhex(agreed.weights.sha256)
        self.task = owner.create_task(
            TaskParams(agreed.id, start, address("aggregator"), address("owner"), *numbers)
        )
        owner.fund(self.task, 5 * REWARD)
        put_bytes(self.store, agreed.encode())
        put_bytes(self.store, weights.encode(base))
        for name in self.names:
            self.site(name).join(agreed, policy_digest(b"my policy", sha256(name.encode())))

    @cache  # noqa: B019 - a stage ends with its test
    def ledger(self, name: str) -> Web3Ledger:
        return Remembering(self, account(name))

    def site(self, name: str, kind: type[Site] = Honest) -> Any:
        """A new process of this site."""
        outbox, data = Outbox(self.folder / name), sha256(name.encode())
        return kind(self.ledger(name), self.store, self.task, outbox, code=CODE, data=data)

    # --- rounds

    def play(self, misdeed: Misdeed, lie: Lie | None = None) -> Record:
        """Play whole rounds, settled, in the last of which Mallory misbehaves; `lie` is the aggregator's."""
        if misdeed.begin:
            self.begin(**misdeed.begin)
        mallory = self.site(MALLORY, Mallory)
        mallory.mean(misdeed, self)

        def site_of(context: Context) -> Site:
            name = str(context.node_config["name"])
            return mallory if name == MALLORY else self.site(name)

        app = ClientApp(mods=[site_mod(site_of)])
        app.train()(self._train)
        grid = InProcessGrid(app, [{"name": name} for name in self.names])
        with flower.quiet():
            OnChain(self._strategy(misdeed.count), self._rounds(lie)).start(grid, num_rounds=misdeed.rounds)
        self.mallory = mallory
        return self.record()

    def _train(self, message: Message, context: Context) -> Message:
        """Add a number that nobody else adds to every float, and one to everything else."""
        name, round_ = str(context.node_config["name"]), int(context.state["fedledger"]["round"])
        step = (self.names.index(name) + 1) / 8 + round_ / 64
        arrays = {key: array.numpy() for key, array in message.content["arrays"].items()}
        for key, array in arrays.items():
            arrays[key] = np.asarray(array + (step if array.dtype.kind == "f" else 1), array.dtype)
        self.trained[name, round_] = weights.encode(arrays)
        record = ArrayRecord({key: Array(array) for key, array in arrays.items()})
        metrics = MetricRecord({"num-examples": EXAMPLES[name], "loss": 0.5})
        return Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=message)

    def _strategy(self, count: int | None) -> FedAvg:
        everybody = len(self.names)
        wanted = everybody if count is None else count
        return FedAvg(
            fraction_train=wanted / everybody,
            fraction_evaluate=0.0,
            min_train_nodes=wanted,
            min_available_nodes=everybody,
        )

    def _rounds(self, lie: Lie | None) -> Rounds:
        rule = rules.build(self.record().terms().rule)
        rounds = Liar(self.ledger("aggregator"), self.store, self.task, rule, lambda *_: 0, self._wait)
        if lie is not None:
            rounds.lie = lie
        return rounds

    def _wait(self, until: int, done: Callable[[], bool]) -> None:
        if not done():
            self.node.set_time(max(until, self.node.now()))

    # --- afterwards

    def record(self) -> Record:
        """The task as anybody finds it, with a store that is not slow."""
        return Record(self.ledger("nobody"), EmbeddedStore(self.folder / "store"), self.task)

    def verify(self) -> tuple[Finding, ...]:
        return replay.verify(self.record(), replay.Tools(lambda terms: rules.build(terms.rule), _no_utility))


def _no_utility(_terms: Terms, _validation: bytes | None) -> Any:
    raise UsageError("These terms need no utility.")
