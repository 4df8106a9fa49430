"""24 short runs: as a sweep with two workers, as one with one worker, and as 24 commands in a loop.

Whole processes, from `fl` to its end. One process that runs one cell after another is the harder of the two
ways to be compared with, because it starts once; so the target is for that one.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from figures import Figure

from experiments.sweep.plan import Plan

FILE = Path(__file__).parent / "studies" / "short.toml"
FL = Path(sys.executable).with_name("fl")
PATIENCE = 900.0
"""Seconds for one command."""


def figures() -> Iterator[Figure]:
    """Seconds of each, and how many times faster two workers are than one process and than a loop."""
    with TemporaryDirectory(prefix="fedledger-bench-") as folder:
        _seconds("sweep", FILE, "--dry-run")  # warm: bytecode, and what the machine reads from its disk
        one = _sweep(Path(folder) / "one", 1)
        two = _sweep(Path(folder) / "two", 2)
        loop = _loop(Path(folder))
    yield Figure("sweep: 24 runs, two workers", two, "s")
    yield Figure("sweep: 24 runs, one process", one, "s")
    yield Figure("sweep: 24 runs, `fl run` in a loop", loop, "s")
    yield Figure("sweep: two workers against one process", one / two, "times faster", "at least", 1.6)
    yield Figure("sweep: two workers against a loop", loop / two, "times faster")


def _sweep(folder: Path, workers: int) -> float:
    return _seconds("sweep", FILE, "--out", folder, "--workers", workers)


def _loop(folder: Path) -> float:
    """The same configurations, a command each; pictures are drawn too, as `fl run` does."""
    whole = 0.0
    for cell in Plan.read(FILE).cells:
        config = folder / f"{cell.name}.toml"
        config.write_text(cell.config.to_toml(), encoding="utf-8")
        whole += _seconds("run", config, "--out", folder / "loop" / cell.name)
    return whole


def _seconds(*words: object) -> float:
    begin = perf_counter()
    done = subprocess.run(  # noqa: S603 - ours
        [FL, *map(str, words)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if done.returncode:
        raise RuntimeError(f"fl {' '.join(map(str, words))} failed:\n{done.stderr}")
    return perf_counter() - begin
