"""Processes that somebody kills: forked from this one, which has imported everything, or programs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkProcess
from pathlib import Path

_forks = multiprocessing.get_context("fork")  # this process starts no thread, so a child has all of it


def start(log: Path, function: Callable[..., int], *arguments: object) -> ForkProcess:
    """Call a function in a process group of its own; it returns the exit code, and `log` gets its words."""
    process = _forks.Process(target=_alone, args=(log, function, *arguments))
    process.start()
    return process


def _alone(log: Path, function: Callable[..., int], *arguments: object) -> None:
    os.setsid()
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, sys.stdout.fileno())
    os.dup2(said, sys.stderr.fileno())
    sys.exit(function(*arguments))


def become(program: Path, *words: str) -> int:
    """Go on as another program."""
    os.execv(program, [str(program), *words])


def kill(process: ForkProcess, *, group: bool) -> None:
    """kill -9 of a process, or of everything that it started too."""
    assert process.pid is not None, "it was started"
    with suppress(ProcessLookupError):  # it has no group yet
        if group:
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def end_of(process: ForkProcess) -> int:
    """Wait for the exit code."""
    process.join()
    assert process.exitcode is not None, "it was waited for"
    return process.exitcode
