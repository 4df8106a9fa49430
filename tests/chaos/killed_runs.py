"""kill -9 of `fl run` at random moments, each followed by `--resume`, and the ends compared."""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import processes

from experiments import plots, report, run  # noqa: F401 - once for all: children are forked
from experiments.results import Results
from fl.chain.node import EmbeddedNode
from fl.cli import main

FL = Path(sys.executable).with_name("fl")
WORDS = ("--trainers", "4", "--set", "training.epochs=1")
MOST = 5
"""Kills of one run: what is left of it gets shorter each time, and all of it is to be hit."""


@dataclass(frozen=True)
class Way:
    """How `fl run` is started, and whether its workers die with it or must find out that they are alone."""

    name: str
    words: tuple[str, ...] = ()
    forked: bool = False
    group: bool = True

    def start(self, folder: Path, words: tuple[str, ...]) -> ForkProcess:
        """Begin a run, or go on with it once it has begun."""
        begun = (folder / "config.toml").exists()
        said = ("--resume", str(folder)) if begun else (*words, *self.words, "--out", str(folder))
        log = folder.with_suffix(".log")
        if self.forked:
            return processes.start(log, main, ["run", *said])
        return processes.start(log, processes.become, FL, "run", *said)


FORKED = Way("forked", forked=True)
WAYS = (
    *(FORKED, FORKED, Way("alone")),
    *(FORKED, FORKED, Way("workers", ("--workers", "2"))),
    *(FORKED, FORKED, Way("orphans", ("--workers", "2"), group=False)),
)


@dataclass(frozen=True)
class End:
    """What disturbed and undisturbed runs have in common: every block, the model, the results, every file."""

    head: bytes
    model: bytes
    facts: dict[str, Any]
    files: frozenset[str]

    @classmethod
    def of(cls, folder: Path) -> End:
        """Read the folder of a run that has ended."""
        with EmbeddedNode.open(folder / "chain.sqlite") as node, node.reading() as snapshot:
            head = snapshot.head().hash
        names = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
        own = frozenset(
            name for name in names if not name.startswith("chain.sqlite-")
        )  # SQLite's come and go
        return cls(head, (folder / "model.safetensors").read_bytes(), Results.read(folder).facts(), own)

    def differences(self, other: End) -> list[str]:
        """What is not the same."""
        names = [name for name in ("head", "model", "facts") if getattr(self, name) != getattr(other, name)]
        return names + sorted(self.files ^ other.files)


class KilledRuns:
    """Small runs below `folder`, compared with one that nobody disturbed."""

    def __init__(self, folder: Path, rounds: int, chance: random.Random) -> None:
        self._folder = folder
        self._words = (*WORDS, "--rounds", str(rounds))
        self._chance = chance
        self._seconds: dict[tuple[bool, tuple[str, ...]], float] = {}
        self._undisturbed = End.of(self._undisturbed_run(FORKED))

    def kill(self, times: int, ways: tuple[Way, ...] = WAYS) -> Iterator[tuple[int, list[str]]]:
        """Yield, for one run after the other, how often it was killed, and what is not as it should be."""
        done = 0
        for number, way in enumerate(cycle(ways), start=1):
            if done >= times:
                return
            folder = self._folder / f"{number}-{way.name}"
            killed = self._disturbed_run(way, folder, min(MOST, times - done))
            done += killed
            yield killed, self._wrong(folder)

    def _undisturbed_run(self, way: Way) -> Path:
        """Let a run be, and remember how long it takes."""
        folder, began = self._folder / f"undisturbed-{way.name}", time.monotonic()
        if processes.end_of(way.start(folder, self._words)):
            raise RuntimeError(f"Nobody disturbed this run, and it failed: {folder}.log says why.")
        self._seconds[way.forked, way.words] = time.monotonic() - began
        return folder

    def _disturbed_run(self, way: Way, folder: Path, most: int) -> int:
        """Kill a run and let it go on, until it ends before it is killed; how often it was killed."""
        if (way.forked, way.words) not in self._seconds:
            self._undisturbed_run(way)
        killed, began = 0, time.monotonic()
        process = way.start(folder, self._words)
        while killed < most and self._outlives(process, way):
            processes.kill(process, group=way.group)
            killed += 1
            process = way.start(folder, self._words)
        processes.end_of(process)
        if not killed:  # it was quicker than the one before
            self._seconds[way.forked, way.words] = time.monotonic() - began
        return killed

    def _outlives(self, process: ForkProcess, way: Way) -> bool:
        """Whether a process is still there at a random moment of the time that a whole run takes."""
        process.join(self._chance.uniform(0, self._seconds[way.forked, way.words]))
        return process.exitcode is None

    def _wrong(self, folder: Path) -> list[str]:
        """What is not as if nothing had happened; the folder stays for whoever looks into it."""
        try:
            wrong = End.of(folder).differences(self._undisturbed)
        except Exception as error:  # noqa: BLE001 - whatever cannot be read is a finding
            return [f"{folder}: {type(error).__name__}: {error}"]
        if processes.end_of(processes.start(folder.with_suffix(".log"), main, ["verify", str(folder)])):
            wrong.append("fl verify")
        if not wrong:
            shutil.rmtree(folder)
        return [f"{folder}: {', '.join(wrong)}"] if wrong else []
