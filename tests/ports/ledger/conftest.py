"""The same federation on each ledger: named actors, one funded token, time that only tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest
import rlp
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.errors import Refused
from fl.ledger.accounts import account_from_seed
from fl.ledger.contract import Web3Ledger
from fl.ledger.deploy import deploy, mint
from fl.ledger.memory import MemoryFederation
from fl.ledger.port import Ledger
from fl.ledger.types import FULL_QUALITY, Address, Entry, Result, RoundClosed, TaskParams, UpdateSubmitted

START = 1_700_000_000
CHAIN_ID = 31337
RICHES = 10_000
NAMES = ("owner", "aggregator", "sponsor", "ada", "bert", "cleo", "stranger")
ACTORS = {name: account_from_seed(b"ledger suite", name) for name in NAMES}


def digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


@dataclass
class World:
    """One federation as each actor sees it: `world.ada` calls in Ada's name, `world.nobody` only reads.

    The sponsor has money, and the federation's allowance for all of it.
    """

    kind: str
    open_as: Callable[[LocalAccount | None], Ledger]
    set_time: Callable[[int], None]
    digest = staticmethod(digest)

    def __getattr__(self, name: str) -> Ledger:
        if name != "nobody" and name not in ACTORS:
            raise AttributeError(name)
        view = self.open_as(ACTORS.get(name))
        setattr(self, name, view)
        return view

    def address(self, name: str) -> Address:
        return Address(ACTORS[name].address)

    def key(self, name: str) -> LocalAccount:
        return ACTORS[name]

    def wait(self, seconds: int) -> None:
        self.set_time(self.nobody.now() + seconds)

    # --- tasks and members

    def params(self, **changes: object) -> TaskParams:
        usual = TaskParams(
            terms=digest("terms"),
            weights=digest("initial weights"),
            aggregator=self.address("aggregator"),
            sponsor=self.address("sponsor"),
            reward=1_000,
            quorum=1,
            window=3_600,
            close_window=600,
            settle_delay=60,
        )
        return replace(usual, **changes)

    def create(self, funds: int = 5_000, **changes: object) -> int:
        task = self.owner.create_task(self.params(**changes))
        if funds:
            self.sponsor.fund(task, funds)
        return task

    def admit(self, *names: str) -> None:
        for name in names:
            self.owner.admit(self.address(name), digest(f"profile of {name}"))

    def join(self, task: int, *names: str) -> None:
        for name in names:
            getattr(self, name).join_task(task, digest("terms"), digest(f"policy of {name}"))

    def seated(self, *names: str, **changes: object) -> int:
        """A new, funded task that these new members have joined."""
        task = self.create(**changes)
        self.admit(*names)
        self.join(task, *names)
        return task

    # --- rounds

    def open(self, task: int) -> int:
        known = self.nobody.task(task)
        round_ = known.round + 1
        self.aggregator.open_round(task, round_, known.weights, digest(f"announcement {round_}"))
        return round_

    def submit(self, task: int, round_: int, *names: str) -> None:
        for name in names:
            getattr(self, name).submit_update(task, round_, digest(f"receipt {round_} of {name}"))

    def sealed(self, *names: str, **changes: object) -> tuple[int, int]:
        """A task whose first round has every submission."""
        task = self.seated(*names, **changes)
        round_ = self.open(task)
        self.submit(task, round_, *names)
        return task, round_

    def result(self, task: int, round_: int, **marks: tuple[int, int]) -> Result:
        """All submissions in order; an equal share and full quality unless `marks` says (share, quality)."""
        said = [e for e in self.nobody.history(task) if isinstance(e, UpdateSubmitted) and e.round == round_]
        names = {actor.address: name for name, actor in ACTORS.items()}
        usual = (1, FULL_QUALITY)
        entries = tuple(Entry(e.trainer, *marks.get(names[e.trainer], usual)) for e in said)
        return Result(
            announcement=digest(f"announcement {round_}"),
            weights=digest(f"weights {round_}"),
            manifest=digest(f"manifest {round_}"),
            entries=entries,
            receipts=tuple(e.receipt for e in said),
        )

    def close(self, task: int, round_: int, **marks: tuple[int, int]) -> RoundClosed:
        self.aggregator.close_round(task, round_, self.result(task, round_, **marks))
        closed = self.nobody.history(task)[-1]
        assert isinstance(closed, RoundClosed)
        return closed

    def settle(self, closed: RoundClosed) -> None:
        self.set_time(max(self.nobody.now(), closed.settle_after))
        self.stranger.settle_round(closed.task, closed.round, closed.settle_after, closed.entries)

    def paid(self, *names: str, **marks: tuple[int, int]) -> int:
        """A task whose first round was closed and settled."""
        task, round_ = self.sealed(*names)
        self.settle(self.close(task, round_, **marks))
        return task


def memory_world() -> World:
    owner = ACTORS["owner"].address
    # what the chain gives to the second contract that this owner deploys
    contract = to_checksum_address(keccak(rlp.encode([to_canonical_address(owner), 1]))[12:])
    federation = MemoryFederation(Address(owner), chain_id=CHAIN_ID, contract=contract, time=START)
    federation.mint(Address(ACTORS["sponsor"].address), RICHES)
    return _approved(World("memory", federation.as_account, federation.set_time))


def chain_world(folder: Path) -> tuple[World, EmbeddedNode]:
    alloc = {actor.address: 10**21 for actor in ACTORS.values()}
    node = EmbeddedNode.create(
        folder / "chain.db", chain_id=CHAIN_ID, alloc=alloc, genesis_time=START, virtual_time=True
    )
    provider = EmbeddedProvider(node)
    owner = ACTORS["owner"]
    contract, token = deploy(provider, owner)
    mint(provider, owner, token, Address(ACTORS["sponsor"].address), RICHES)
    world = World("web3", lambda account: Web3Ledger(provider, contract, account), node.set_time)
    return _approved(world), node


def _approved(world: World) -> World:
    world.sponsor.approve(RICHES)
    return world


@pytest.fixture
def new_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], World]]:
    """Makes fresh federations by kind, "memory" or "web3"."""
    nodes = []

    def make(kind: str) -> World:
        if kind == "memory":
            return memory_world()
        world, node = chain_world(tmp_path_factory.mktemp("chain"))
        nodes.append(node)
        return world

    yield make
    for node in nodes:
        node.close()


@pytest.fixture(params=["memory", pytest.param("web3", marks=pytest.mark.slow)])
def world(request: pytest.FixtureRequest, new_world: Callable[[str], World]) -> World:
    """The federation on one ledger; every test that takes it runs on both."""
    return new_world(request.param)


@pytest.fixture
def refused() -> Callable[..., object]:
    """`with refused("TooEarly"): …` demands that refusal, with exactly these arguments."""

    @contextmanager
    def expect(name: str, *arguments: object) -> Iterator[None]:
        with pytest.raises(Refused) as caught:
            yield
        assert (caught.value.name, caught.value.arguments) == (name, arguments)

    return expect
