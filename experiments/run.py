"""One run, from a configuration to results: set up, rounds over the in-process grid, summary.

A run can be killed at any moment: chain, store and outboxes hold everything, and `resume` goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from flwr.app import Error, Message

from aggregator.app import asking
from aggregator.connecting import open_rounds
from aggregator.rounds import RoundEnd, Rounds
from aggregator.strategy import OnChain, Watch
from experiments import loading
from experiments.config import RunConfig
from experiments.federation import AGGREGATOR, virtual_waiting
from experiments.folder import CONFIG, MODEL, sweep
from experiments.grid import InProcessGrid
from experiments.misbehaviour import Own
from experiments.parts import divide
from experiments.progress import Silent
from experiments.results import Results
from experiments.setup import TEST, set_up
from experiments.sites import Sites
from experiments.summary import Summary, versions
from experiments.terms import demand_learnable, model_of, own_strategy, rule_of
from experiments.timing import Stopwatch, TimedStore, TimedUtility
from experiments.workers import App
from fl.documents import Announcement
from fl.errors import (
    ChainError,
    FedledgerError,
    LedgerUnavailable,
    OwnCodeError,
    StoreError,
    StoreUnavailable,
    UsageError,
)
from fl.examples import decode_examples
from fl.files import write_atomically
from fl.ledger.accounts import read_key
from fl.own import TRACEBACK_HINT
from fl.wiring import Deployment, close_chain, open_ledger, open_store

APP = "experiments.misbehaving:app"

logging.getLogger("flwr").setLevel(logging.ERROR)  # a run shows its own progress


def run(config: RunConfig, folder: Path, progress: Silent, app: App | None = None) -> Results:
    """Run a configuration in an empty folder. Raises UsageError for data that cannot be used.

    `app` is what trains at every site, in place of the presets' own.
    """
    if _is_large(Path(config.data.source)):
        progress.step(f"Reading {config.data.source}")
    rule_of(config)  # before anything is written, and first: it takes no time
    _find_own(config)
    parts = divide(config)
    demand_learnable(config, parts)
    write_atomically(folder / CONFIG, config.to_toml().encode())
    progress.step("Deploying the contract, dividing the data, joining the task")
    set_up(config, folder, parts)
    return _Run(config, folder, progress, app).finish()


def _find_own(config: RunConfig) -> None:
    """Raise UsageError for a model or a misbehaviour of one's own that is not there."""
    model_of(config)
    for misbehaviour in config.misbehaving.values():
        if isinstance(misbehaviour, Own):
            misbehaviour.function()


def _names(*kinds: type[Exception]) -> set[str]:
    """What error replies call these exceptions, and those that are one of them."""
    return {kind.__name__ for kind in kinds} | {
        name for kind in kinds for name in _names(*kind.__subclasses__())
    }


_OWN = f"{OwnCodeError.__name__}: "
_MACHINE = _names(OSError, ChainError, LedgerUnavailable, StoreError, StoreUnavailable)


def _is_large(file: Path) -> bool:
    """Whether reading a file takes so long that somebody wonders."""
    return file.is_file() and file.stat().st_size > 20_000_000


def resume(folder: Path, progress: Silent, app: App | None = None) -> Results:
    """Go on with a run wherever it was stopped; a finished one is summed up again."""
    config = loading.read(folder / CONFIG)
    sweep(folder)
    if not Deployment.exists(folder):
        return run(config, folder, progress, app)
    return _Run(config, folder, progress, app).finish()


class _Run:
    """A folder that is set up, and what it takes to go on from there."""

    def __init__(self, config: RunConfig, folder: Path, progress: Silent, app: App | None) -> None:
        self.config = config
        self.folder = folder
        self.progress = progress
        self.app = app or APP
        self.place = Deployment.read(folder.absolute())  # as `set_up` calls it: opened once, closed once
        self.sites = Sites(config, folder)
        self.stopwatch = Stopwatch(folder)
        self.strategy = own_strategy(config)
        _find_own(config)
        self.rounds = self._open_rounds()
        test = decode_examples((folder / TEST).read_bytes())
        self.summary = Summary(config, self.sites, self.rounds.terms(), test)

    def _open_rounds(self) -> Rounds:
        aggregator = read_key(self.sites.federation.key(AGGREGATOR))
        ledger = open_ledger(self.place, aggregator)
        store = TimedStore(open_store(self.place.store), self.stopwatch)
        wait = virtual_waiting(Path(self.place.chain))
        rounds = open_rounds(ledger, store, self.place.task, wait, self.strategy)
        rounds.utility = TimedUtility(rounds.utility, self.stopwatch)
        return rounds

    def finish(self) -> Results:
        """Run the rounds that are left, then sum up; the chain's file is whole by itself afterwards."""
        try:
            self._train()
            return self._sum_up()
        finally:
            close_chain(self.place.chain)

    def _sum_up(self) -> Results:
        if self.config.baselines:
            self.progress.step("Training the baselines: each site alone, and all data in one place")
        record = self.rounds.record()
        rows = [self.sites.rows(name) for name in self.sites.names]
        found = self.summary.rounds(record)
        in_force = record.heritage().weights
        if in_force is None:
            raise UsageError("The contract holds weights that no document of this run names.")
        write_atomically(self.folder / MODEL, record.blob(in_force))
        return Results(
            config=self.config,
            contract=self.place.contract,
            task=self.place.task,
            weights=in_force.sha256,
            initial=self.summary.metrics(record, record.terms().weights),
            final=self.summary.metrics(record, in_force),
            rounds=found,
            contributors=self.summary.contributors(record, rows),
            baselines=self.summary.baselines(record, rows) if self.config.baselines else None,
            versions=versions(),
            timing=self.stopwatch.timing(len(found)),
        )

    def _train(self) -> None:
        self.rounds.settle_all()  # what was closed just before the run was stopped
        done = self.rounds.ended()
        self.progress.run_started(self.config.rounds, self.config.trainers, done)
        asked = asking(self.rounds.terms(), self.config.fraction_train, self.strategy)
        strategy = OnChain(asked, self.rounds, _Watch(self))
        nodes = [self.sites.node_config(name, self.place) for name in self.sites.names]
        with InProcessGrid(
            self.app,
            nodes,
            workers=self.config.workers,
            answered=self._site_answered,
            failed=self._site_failed,
        ) as grid:
            self.stopwatch.restart()
            strategy.start(grid, num_rounds=self.config.rounds)

    def _site_answered(self, position: int) -> None:
        self.progress.training_done(self.sites.names[position])

    def _site_failed(self, position: int, error: Error) -> None:
        """Stop for what is this machine's trouble, such as a full disk: it must cost no site its round.

        For code of a person's own that fails, too: a study would take its trainer for one that never came.
        """
        name, reason = self.sites.names[position], error.reason or ""
        if (kind := reason.partition(" ")[0]) in _MACHINE:
            raise FedledgerError(f"{name} cannot go on ({kind}).", "The line above says what is wrong.")
        if reason.startswith(_OWN):
            sentence, _, trace = reason.removeprefix(_OWN).partition("\n")
            stopped = OwnCodeError(f"{name} cannot go on. {sentence}", TRACEBACK_HINT)
            stopped.add_note(trace)
            raise stopped


class _Watch(Watch):
    """Tells progress and stopwatch how the rounds go, and settles each before the next begins."""

    def __init__(self, run_: _Run) -> None:
        self._run = run_

    def opened(self, announcement: Announcement) -> None:
        self._run.progress.round_started(announcement.round)
        self._run.stopwatch.start("train")

    def trained(self, round_: int, replies: Sequence[Message]) -> None:  # noqa: ARG002 - Watch's signature
        self._run.stopwatch.stop()

    def ended(self, end: RoundEnd) -> None:
        rounds = self._run.rounds
        rounds.settle_all()
        record = rounds.record()
        round_ = record.round(end.round)
        in_force = record.heritage().weights
        assert in_force is not None, "a run's own rounds produced them"
        found = self._run.summary.round(record, round_, end.manifest, in_force)
        if end.fault:
            self._run.progress.rule_failed(end.fault)
        self._run.progress.round_ended(found, self._run.stopwatch.finish(end.round))
