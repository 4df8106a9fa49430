"""Whole runs through the real path: contract on a chain file, store, sites, aggregator, command line."""

import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from aggregator.record import Record
from experiments.loading import load
from experiments.progress import Silent
from experiments.results import Results
from experiments.run import run
from experiments.workers import App
from fl.chain.node import EmbeddedNode
from fl.cli import main
from fl.wiring import Deployment, open_ledger, open_store

SMALL = ("trainers=4", "rounds=2", "training.epochs=1")


@dataclass(frozen=True)
class Finished:
    """A run that came to its end, and where it lies."""

    folder: Path
    results: Results

    @property
    def record(self) -> Record:
        """The task as chain and store have it."""
        place = Deployment.read(self.folder)
        return Record(open_ledger(place), open_store(place.store), place.task)

    @property
    def head(self) -> bytes:
        """The hash of the chain's newest block, in which everything before it is committed to."""
        with EmbeddedNode.open(self.folder / "chain.sqlite") as node, node.reading() as snapshot:
            return snapshot.head().hash

    def copied_to(self, folder: Path) -> "Finished":
        """A copy that may be tampered with."""
        shutil.copytree(self.folder, folder)
        return Finished(folder, self.results)


@dataclass(frozen=True)
class Verification:
    """What `fl verify --json` answered."""

    code: int
    said: dict[str, Any]

    def texts(self, level: str, round_: int | None) -> list[str]:
        """The findings of one level about one round; None for the task as a whole."""
        found = self.said["findings"]
        return [one["text"] for one in found if (one["level"], one["round"]) == (level, round_)]

    @property
    def wrong_rounds(self) -> set[int | None]:
        """Which rounds have a mismatch; None stands for the task as a whole."""
        return {one["round"] for one in self.said["findings"] if one["level"] == "mismatch"}


def _fl(*words: object) -> tuple[int, str]:
    out = StringIO()
    with redirect_stdout(out):
        code = main([str(word) for word in words])
    return code, out.getvalue()


def _finish(folder: Path, *changes: str, app: App | None = None) -> Finished:
    folder.mkdir(parents=True)
    return Finished(folder, run(load("hospitals", (*SMALL, *changes)), folder, Silent(), app))


def _verify(*words: object) -> Verification:
    code, out = _fl("verify", *words, "--json")
    return Verification(code, json.loads(out))


@pytest.fixture(scope="session")
def fl() -> Callable[..., tuple[int, str]]:
    """`fl WORDS…` in this process: exit code and stdout."""
    return _fl


@pytest.fixture(scope="session")
def finish() -> Callable[..., Finished]:
    """Run hospitals, small unless changed, in a new folder."""
    return _finish


@pytest.fixture(scope="session")
def verify() -> Callable[..., Verification]:
    """`fl verify WORDS… --json`."""
    return _verify


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Four honest sites, two rounds. Shared: copy it before changing anything."""
    return _finish(tmp_path_factory.mktemp("honest") / "run")
