"""Worker processes that live over many jobs, so that what they import serves all; none outlives its parent.

A job that raises, or takes its process with it, has failed; the others go on.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self

from experiments import processes
from fl.errors import FedledgerError
from fl.own import said

Tell = Callable[[object], None]
Heard = Callable[[int, object], None]
"""Number of a job, and what it told."""

_TOLD, _DONE, _FAILED = "told", "done", "failed"


@dataclass(frozen=True)
class Job:
    """A function of a module, to be called as `function(*arguments, tell)` in a worker."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Failure:
    """Why a job has no result."""

    reason: str
    hint: str = ""


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    job: int = -1


class Pool:
    """`count` processes, begun when they are needed; use it as a context manager, whose end is theirs.

    `needs`: the module with which most of what they import comes.
    """

    def __init__(self, count: int, needs: str) -> None:
        self._count = count
        self._needs = needs
        self._free: list[_Worker] = []
        self._busy: dict[Connection, _Worker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all workers at once, also those in the middle of something."""
        for worker in (*self._free, *self._busy.values()):
            worker.connection.close()
            worker.process.kill()
        for worker in (*self._free, *self._busy.values()):
            worker.process.join()

    def run(self, jobs: Sequence[Job], heard: Heard) -> Iterator[tuple[int, Any]]:
        """Number and result, or Failure, of each job, as they are done; they begin in their order."""
        left = deque(enumerate(jobs))
        while left or self._busy:
            while left and len(self._busy) < self._count:
                self._begin(*left.popleft())
            for connection in wait(list(self._busy)):
                worker = self._busy[connection]  # type: ignore[index]  # connections went in, and come out
                kind, value = _received(worker)
                if kind == _TOLD:
                    heard(worker.job, value)
                else:
                    yield self._end(worker), value

    def _begin(self, number: int, job: Job) -> None:
        worker = self._free.pop() if self._free else _start(self._needs)
        worker.job = number
        self._busy[worker.connection] = worker
        with suppress(BrokenPipeError):  # it died while it had nothing to do, which will be found
            worker.connection.send(job)

    def _end(self, worker: _Worker) -> int:
        """A job has ended; its worker takes the next, unless it is no more."""
        del self._busy[worker.connection]
        if worker.process.is_alive():
            self._free.append(worker)
        else:
            worker.connection.close()
        return worker.job


def _start(needs: str) -> _Worker:
    return _Worker(*processes.start(_serve, needs=needs))


def _received(worker: _Worker) -> tuple[str, Any]:
    try:
        kind, value = worker.connection.recv()
    except (EOFError, OSError):  # ended before it said anything, or in the middle
        worker.process.join()
        return _FAILED, Failure(f"Its process was ended ({_code(worker.process.exitcode)}).")
    return kind, value


def _code(code: int | None) -> str:
    return signal.Signals(-code).name if code and code < 0 else f"exit code {code}"


# --- in the worker


def _serve(connection: Connection) -> None:
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(_outcome(job, lambda value: connection.send((_TOLD, value))))


def _outcome(job: Job, tell: Tell) -> tuple[str, Any]:
    try:
        return _DONE, job.function(*job.arguments, tell)
    except FedledgerError as error:
        return _FAILED, Failure(error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - whatever one job raises must not end the others
        return _FAILED, Failure(f"{said(error)}.")
