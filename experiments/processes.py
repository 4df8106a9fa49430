"""Processes beside this one, forked from a server: what all of them need is imported there, and once.

Started from nothing, each would import for seconds, which a short run feels; and a fork of this process would
copy torch's threads half. The server has no threads.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

_OURS = ("aggregator", "clients", "experiments", "fl")

_processes = multiprocessing.get_context("forkserver")


def start(
    serve: Callable[..., None], *arguments: object, needs: str, name: str | None = None, daemon: bool = False
) -> tuple[BaseProcess, Connection]:
    """Start a process that runs `serve(connection, *arguments)`; also its connection's other end.

    `needs` is the module that most of its imports come with. Somebody's own is left to each process: the
    server would not survive one that cannot be imported.
    """
    ours = needs.split(".", maxsplit=1)[0] in _OURS
    _processes.set_forkserver_preload([needs] if ours else [])
    here, there = _processes.Pipe()
    process = _processes.Process(
        target=_run, args=(dict(os.environ), serve, there, *arguments), name=name, daemon=daemon
    )
    process.start()
    there.close()
    return process, here


def _run(environment: dict[str, str], serve: Callable[..., None], *arguments: object) -> None:
    os.environ.clear()  # the server's, as it was when the first process was started
    os.environ.update(environment)
    serve(*arguments)
