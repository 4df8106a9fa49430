"""`fl` in processes of its own that need not import anything: each is forked from one that has.

Most of a short command's time goes into imports. What is not as somebody types it is how the process begins:
tests of that, and of what a process imports, start the real one.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from fl.cli import main

_NEEDED = [
    *("aggregator.cli", "experiments.cli_compare", "experiments.cli_sweep", "experiments.run"),
    *("experiments.partition_picture", "experiments.plots", "experiments.report", "fl.learning.training"),
]

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(_NEEDED)


class Done(NamedTuple):
    """What a command ended with and said, as `subprocess.run` tells it."""

    returncode: int
    stdout: str
    stderr: str


def run(*words: str | Path, cwd: Path) -> Done:
    """`fl WORDS…` in a folder."""
    with tempfile.TemporaryDirectory() as name:
        outputs = Path(name, "stdout"), Path(name, "stderr")
        process = _processes.Process(target=_main, args=([str(word) for word in words], cwd, outputs))
        process.start()
        process.join()
        assert process.exitcode is not None, "it was waited for"
        return Done(process.exitcode, *(output.read_text() for output in outputs))


def _main(words: list[str], cwd: Path, outputs: tuple[Path, Path]) -> None:
    os.chdir(cwd)
    for stream, output in zip((sys.stdout, sys.stderr), outputs, strict=True):
        with output.open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    sys.exit(main(words))
