"""`kill -9` at a chosen moment: a function that ends its process at one of its calls."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import reduce
from importlib import import_module


def make_deadly(module: str, function: str, when: str, fatal: int) -> None:
    """Let the n-th call of a function kill this process, before or after it does its work."""
    *owners, name = function.split(".")
    owner = reduce(getattr, owners, import_module(module))
    real, calls = getattr(owner, name), 0

    def deadly(*args, **kwargs):
        nonlocal calls
        calls += 1
        if (calls, when) == (fatal, "before"):
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **kwargs)
        if (calls, when) == (fatal, "after"):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


def forked(work: Callable[[], int]) -> int:
    """Do something in a child process; its exit code, or minus the signal that ended it.

    The caller has imported what the work needs, and started no thread.
    """
    child = os.fork()
    if not child:
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
