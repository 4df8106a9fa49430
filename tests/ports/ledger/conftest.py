"""The same federation on each ledger: named actors, one funded token, time that tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256

import pytest
from eth_account.signers.local import LocalAccount
from grounds import ACTORS, KINDS, Fresh, Ground
from web3.providers import BaseProvider

from fl.errors import Refused
from fl.ledger.port import Ledger
from fl.ledger.types import (
    FULL_QUALITY,
    Address,
    Entry,
    Position,
    Result,
    RoundClosed,
    TaskParams,
    UpdateSubmitted,
)

# where a second costs a block
MINUTES = {"window": 60, "close_window": 60, "settle_delay": 5}


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
    provider: BaseProvider | None
    window: int = 3_600
    close_window: int = 600
    settle_delay: int = 60
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
        """The next transaction comes so much later than it would."""
        self.set_time(self.nobody.now() + seconds)

    def at(self, moment: int) -> None:
        """The next transaction is stamped `moment`."""
        if moment > self.nobody.now():
            self.set_time(moment)
        assert self.nobody.now() == moment

    def last(self, task: int) -> Position:
        """Where and when the task's last event happened."""
        return self.nobody.history(task)[-1].at

    # --- tasks and members

    def params(self, **changes: object) -> TaskParams:
        usual = TaskParams(
            terms=digest("terms"),
            weights=digest("initial weights"),
            aggregator=self.address("aggregator"),
            sponsor=self.address("sponsor"),
            reward=1_000,
            quorum=1,
            window=self.window,
            close_window=self.close_window,
            settle_delay=self.settle_delay,
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
        if self.nobody.now() < closed.settle_after:
            self.set_time(closed.settle_after)
        self.stranger.settle_round(closed.task, closed.round, closed.settle_after, closed.entries)

    def paid(self, *names: str, **marks: tuple[int, int]) -> int:
        """A task whose first round was closed and settled."""
        task, round_ = self.sealed(*names)
        self.settle(self.close(task, round_, **marks))
        return task


@pytest.fixture(scope="session")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ground]]:
    """Gives out fresh federations by kind; a node is started when it is first asked for."""
    started: dict[str, Fresh] = {}
    with ExitStack() as stack:

        def fresh(kind: str) -> Ground:
            if kind not in started:
                started[kind] = stack.enter_context(KINDS[kind](tmp_path_factory.mktemp(kind)))
            return started[kind]()

        yield fresh


@pytest.fixture
def new_world(grounds: Callable[[str], Ground]) -> Callable[[str], World]:
    """Makes fresh federations by kind; in memory and on the embedded chain as many as are wanted at once."""
    return lambda kind: World(kind, *grounds(kind), **(MINUTES if kind == "geth" else {}))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes `world` on each ledger, or on those that its module names in LEDGERS."""
    if "world" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "LEDGERS", tuple(KINDS))
        slow = [kind if kind == "memory" else pytest.param(kind, marks=pytest.mark.slow) for kind in kinds]
        metafunc.parametrize("world", slow, indirect=True)


@pytest.fixture
def world(request: pytest.FixtureRequest, new_world: Callable[[str], World]) -> World:
    """The federation on one ledger."""
    return new_world(request.param)


@pytest.fixture
def provider(world: World) -> BaseProvider:
    """The node under the ledger."""
    assert world.provider is not None
    return world.provider


@pytest.fixture
def refused() -> Callable[..., object]:
    """`with refused("TooEarly"): …` demands that refusal, with exactly these arguments."""

    @contextmanager
    def expect(name: str, *arguments: object) -> Iterator[None]:
        with pytest.raises(Refused) as caught:
            yield
        assert (caught.value.name, caught.value.arguments) == (name, arguments)

    return expect
