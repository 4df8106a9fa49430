"""kill -9 of a served chain and of Kubo while rounds go on, and the ends compared.

Aggregator and sites are one process here; it is started again whenever it gives up, as a supervisor would.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from multiprocessing.context import ForkProcess
from pathlib import Path

import processes
import rounding_app  # noqa: F401 - once for all: children are forked
from flwr.app import Context, RecordDict
from nodes import Kubo, Program, ServedChain

from aggregator import app as server
from aggregator.record import Record, Round
from experiments.config import RunConfig
from experiments.federation import AGGREGATOR, CHAIN, KEYS, STORE
from experiments.grid import RUN, InProcessGrid
from experiments.loading import load
from experiments.parts import divide
from experiments.setup import set_up
from experiments.sites import Sites
from fl.cli import main
from fl.store.kubo import KuboStore
from fl.store.port import put_bytes
from fl.wiring import Deployment, open_ledger, open_store

SETTINGS = (
    *("trainers=4", "data.partition=iid", "training.epochs=1"),
    *("windows.window=60", "windows.close_window=60", "windows.settle_delay=1"),
)
AWAY = 2.0
"""Seconds for which a service stays dead at most, before it is started again."""

PATIENCE = 300.0
"""Seconds in which all rounds are over, at the latest."""

CHAIN_SERVER, KUBO = "chain", "Kubo"
Plan = Sequence[tuple[float, str]]
"""When which service dies, in seconds since the rounds began, in order."""


class Federation:
    """A task that was set up in `folder`; its chain is served over HTTP, and its store is a Kubo node."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        self.folder = folder
        self.config = config
        self.sites = Sites(config, folder)
        self.services: dict[str, Program] = {CHAIN_SERVER: ServedChain(folder / CHAIN), KUBO: Kubo(folder)}

    @property
    def place(self) -> Deployment:
        """Where aggregator, sites and auditors meet."""
        own = Deployment.read(self.folder)
        return Deployment(
            self.services[CHAIN_SERVER].url, own.contract, own.task, self.services[KUBO].address
        )

    def fill_kubo(self) -> None:
        """Put everything that the set-up stored, all of it of one block, into Kubo."""
        store = KuboStore(self.place.store)
        for file in (self.folder / STORE / "blocks").glob("*/*"):
            assert put_bytes(store, file.read_bytes()).digest.hex() == file.name

    def start(self) -> ForkProcess:
        """The aggregator and all sites, in one process."""
        return processes.start(self.folder / "rounds.log", self._run_rounds)

    def _run_rounds(self) -> int:
        server.POLL_SECONDS = 0.1
        place = self.place
        where = {"chain": place.chain, "contract": place.contract, "task": place.task, "store": place.store}
        key = str(self.folder / KEYS / f"{AGGREGATOR}.key")
        nodes = [self.sites.node_config(name, place) | {"submit": True} for name in self.sites.names]
        with InProcessGrid("rounding_app:app", nodes) as grid:
            config = {**where, "key": key, "num-rounds": self.config.rounds}
            server.app(grid, Context(RUN, 0, {}, RecordDict(), config))
        return 0

    def verify(self) -> int:
        """`fl verify` over the services."""
        place = self.place
        words = ("--contract", place.contract, "--task", str(place.task), "--store", place.store)
        log = self.folder / "verify.log"
        return processes.end_of(processes.start(log, main, ["verify", "--rpc", place.chain, *words]))


@dataclass(frozen=True)
class End:
    """What a task has come to: the model, who got what in each round, who holds what, what still waits."""

    weights: str
    rounds: tuple[object, ...]
    members: dict[str, tuple[int, int]]
    waiting: tuple[str, ...]

    @classmethod
    def of(cls, federation: Federation) -> End:
        """Read the chain's file and the outboxes."""
        place, sites = Deployment.read(federation.folder), federation.sites
        ledger = open_ledger(place)
        record = Record(ledger, open_store(place.store), place.task)
        held = {name: ledger.member(sites.address(name)) for name in sites.names}
        return cls(
            ledger.task(place.task).weights.hex(),
            tuple(map(_in_any_order, record.rounds)),
            {name: (one.balance, one.reputation) for name, one in held.items()},
            tuple(file.name for file in federation.folder.glob("sites/*/outbox/receipts/*")),
        )

    def differences(self, other: End) -> list[str]:
        """What is not the same."""
        return [name for name in vars(self) if getattr(self, name) != getattr(other, name)]


def _in_any_order(round_: Round) -> tuple[object, ...]:
    """A round without the order of its submissions: sites submit as they come."""
    entries = round_.closed.entries if round_.closed else ()
    return round_.number, round_.stage, frozenset((one.trainer, one.share, one.quality) for one in entries)


class Supervisor:
    """Starts a federation's process again whenever it gives up; `restarts` counts that."""

    def __init__(self, federation: Federation) -> None:
        self.restarts = 0
        self._federation = federation
        self._process = federation.start()

    def watch(self, seconds: float) -> bool:
        """For so many seconds, unless all rounds are over before: then True."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._process.join(min(left, 0.2))
            if self._process.exitcode == 0:
                return True
            if self._process.exitcode is not None:
                self.restarts += 1
                self._process = self._federation.start()
        return False

    def end(self) -> None:
        """Whatever is going on."""
        processes.kill(self._process, group=True)


class KilledServices:
    """Small federations below `folder`, compared with one whose services nobody killed."""

    def __init__(self, folder: Path, rounds: int, chance: random.Random) -> None:
        self.kills = {CHAIN_SERVER: 0, KUBO: 0}
        self.restarts = 0
        self._folder = folder
        self._chance = chance
        self._config = load("hospitals", (*SETTINGS, f"rounds={rounds}"))
        if processes.end_of(
            processes.start(folder / "template.log", _set_up, self._config, folder / "template")
        ):
            raise RuntimeError(f"Nothing could be set up: {folder}/template.log says why.")
        self._seconds = 0.0
        self._undisturbed, wrong = self._run("undisturbed", ())
        if wrong:
            raise RuntimeError(f"Nobody disturbed {folder}/undisturbed, and it failed: {', '.join(wrong)}.")

    def kill(self, times: int) -> Iterator[list[str]]:
        """Kill chain and Kubo so often, once each in a federation; yields what is wrong with its end."""
        numbers = count(1)
        while min(self.kills.values()) < times:  # some federation is done before its services die
            name, kinds = str(next(numbers)), self._chance.sample(list(self.kills), len(self.kills))
            moments = sorted(self._chance.uniform(0, self._seconds) for _ in kinds)
            end, wrong = self._run(name, list(zip(moments, kinds, strict=True)))
            wrong += end.differences(self._undisturbed)
            yield [f"{self._folder / name}: {', '.join(wrong)}"] if wrong else []

    def _run(self, name: str, plan: Plan) -> tuple[End, list[str]]:
        """All rounds of a new federation whose services die by a plan; its end, and what went wrong."""
        shutil.copytree(self._folder / "template", self._folder / name)
        federation = Federation(self._folder / name, self._config)
        with federation.services[CHAIN_SERVER], federation.services[KUBO]:
            federation.fill_kubo()
            over = self._supervise(federation, plan)
            wrong = ["fl verify"] if over and federation.verify() else [] if over else ["never over"]
        return End.of(federation), wrong

    def _supervise(self, federation: Federation, plan: Plan) -> bool:
        began, supervisor = time.monotonic(), Supervisor(federation)
        try:
            for moment, kind in plan:
                if not supervisor.watch(began + moment - time.monotonic()):
                    self._interrupt(federation.services[kind], supervisor)
                    self.kills[kind] += 1
            over = supervisor.watch(PATIENCE)
        finally:
            supervisor.end()
        self.restarts += supervisor.restarts
        self._seconds = self._seconds or time.monotonic() - began  # of the first, which nobody disturbs
        return over

    def _interrupt(self, service: Program, supervisor: Supervisor) -> None:
        service.kill()
        supervisor.watch(self._chance.uniform(0, AWAY))
        service.start()


def _set_up(config: RunConfig, folder: Path) -> int:
    """A run's folder before its first round, whose chain lives by the wall clock from now on."""
    folder.mkdir()
    set_up(config, folder, divide(config))
    with closing(sqlite3.connect(folder / CHAIN)) as database, database:
        database.execute("DELETE FROM settings WHERE name = 'virtual_now'")
    return 0
