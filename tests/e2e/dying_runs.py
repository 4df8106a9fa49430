"""Begin `fl run WORDS… --out FOLDER`, then resume it, in one process after the other; each dies by SIGKILL.

Usage: dying_runs.py MOMENTS FOLDER WORDS…, where MOMENTS is JSON: lists of what the moment is called, a
module, a function in it, "before" or "after", and which of its calls. Prints the moments that never came.
"""

import json
import os
import signal
import sys
from pathlib import Path

from deadly import forked, make_deadly

from experiments import plots, report, run  # noqa: F401 - once for all: children are forked
from fl.cli import main


def dies(module: str, function: str, when: str, fatal: int) -> bool:
    """Whether a process that begins the run, or goes on with it, reaches the moment."""
    begun = Path(folder, "config.toml").exists()

    def work() -> int:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        make_deadly(module, function, when, fatal)
        return main(["run", "--resume", folder] if begun else ["run", *words, "--out", folder])

    return forked(work) == -signal.SIGKILL


moments, folder, *words = sys.argv[1:]
print([name for name, *moment in json.loads(moments) if not dies(*moment)])
