"""Begin `fl run WORDS… --out FOLDER`, then resume it, in one process after the other; each dies by SIGKILL.

Usage: dying_runs.py MOMENTS FOLDER WORDS…, where MOMENTS is JSON: lists of what the moment is called, a
module, a function in it, "before" or "after", and which of its calls. Prints the moments that never came.
"""

import json
import os
import signal
import sys
from functools import reduce
from importlib import import_module
from pathlib import Path

from experiments import plots, report, run  # noqa: F401 - once for all: children are forked
from fl.cli import main


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


def dies(module: str, function: str, when: str, fatal: int) -> bool:
    """Whether a process that begins the run, or goes on with it, reaches the moment."""
    begun = Path(folder, "config.toml").exists()
    child = os.fork()  # this process has imported modules and started no thread
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        make_deadly(module, function, when, fatal)
        os._exit(main(["run", "--resume", folder] if begun else ["run", *words, "--out", folder]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


moments, folder, *words = sys.argv[1:]
print([name for name, *moment in json.loads(moments) if not dies(*moment)])
