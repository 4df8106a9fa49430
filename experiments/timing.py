"""Where a round's wall-clock time goes; kept in the run's folder, so that a resumed run has it all."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from aggregator.types import Utility
from experiments.results import Seconds, Timing
from fl.store.cid import Cid
from fl.store.port import BlobStore, read_bytes
from fl.weights import Arrays

_P = ParamSpec("_P")
_R = TypeVar("_R")
_FILE = "timing.jsonl"


class TimedStore:
    """A store whose reads and writes count as `store` on a stopwatch."""

    def __init__(self, store: BlobStore, stopwatch: Stopwatch) -> None:
        self._read = stopwatch.timed("store", partial(read_bytes, store))
        self.put = stopwatch.timed("store", store.put)
        self.keep = stopwatch.timed("store", store.keep)

    def open(self, cid: Cid, limit: int) -> BinaryIO:
        """As the port says; the blob is read at once, so that its time is counted."""
        return io.BytesIO(self._read(cid, limit))


class TimedUtility:
    """A utility whose evaluations count as `score` on a stopwatch."""

    def __init__(self, utility: Utility, stopwatch: Stopwatch) -> None:
        self._measure = stopwatch.timed("score", utility.__call__)
        self.outputs = stopwatch.timed("score", utility.outputs)
        self.of_outputs = stopwatch.timed("score", utility.of_outputs)

    def __call__(self, coalition: int, arrays: Arrays, /) -> int:
        """As the utility says."""
        return self._measure(coalition, arrays)


class Stopwatch:
    """Seconds by purpose since the round began, one purpose at a time; what has none is the chain's."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _FILE
        self.restart()

    def restart(self) -> None:
        """A round begins."""
        self._began = time.perf_counter()
        self._spent = {"train": 0.0, "store": 0.0, "score": 0.0}

    def start(self, purpose: str) -> None:
        """From now on, time is spent on `purpose`."""
        self._purpose, self._since = purpose, time.perf_counter()

    def stop(self) -> None:
        """Whatever was started is over."""
        self._spent[self._purpose] += time.perf_counter() - self._since

    def timed(self, purpose: str, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """The function, with its calls counted for `purpose`."""

        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            self.start(purpose)
            try:
                return function(*args, **kwargs)
            finally:
                self.stop()

        return call

    def finish(self, round_: int) -> Seconds:
        """The round is over: what it took, which is written down too."""
        rest = time.perf_counter() - self._began - sum(self._spent.values())
        seconds = Seconds(**self._spent, chain=rest)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"round": round_, **asdict(seconds)}) + "\n")
        self.restart()
        return seconds

    def timing(self, rounds: int) -> Timing:
        """All rounds so far; one that was interrupted and finished later counts its last attempt."""
        found: dict[int, Seconds] = {}
        if self._file.exists():
            for line in self._file.read_text("utf-8").splitlines():
                round_, seconds = _entry(line)
                found[round_] = seconds
        per_round = tuple(found.get(number, _NOTHING) for number in range(1, rounds + 1))
        total = sum(sum(asdict(seconds).values()) for seconds in per_round)
        return Timing(per_round, total)


_NOTHING = Seconds(0.0, 0.0, 0.0, 0.0)


def _entry(line: str) -> tuple[int, Seconds]:
    """One line of the file; a torn one, from a crash, is of no round."""
    try:
        entry = json.loads(line)
        return entry.pop("round"), Seconds(**entry)
    except (ValueError, KeyError, TypeError):
        return 0, _NOTHING
