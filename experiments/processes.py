"""Processes beside this one, which none of them outlives, forked from a server: it imports for all, once.

Started from nothing, each would import for seconds, which a short run feels; and a fork of this process would
copy torch's threads half. The server has no threads.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

_OURS = ("aggregator", "clients", "experiments", "fl")

_processes = multiprocessing.get_context("forkserver")


def start(
    serve: Callable[..., None], *arguments: object, needs: str, name: str | None = None, daemon: bool = False
) -> tuple[BaseProcess, Connection]:
    """Start a process that runs `serve(connection, *arguments)`; also its connection's other end.

    `needs` is the module that most of its imports come with, if any. Somebody's own is left to each process:
    the server would not survive one that cannot be imported.
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group: the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.clear()  # the server's, as it was when the first process was started
    os.environ.update(environment)
    serve(*arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a worker runs this"
    parent.join()
    os._exit(1)
