"""What chain and store add to a round: the same app on the same grid, with its rounds on a chain and without.

Five sites train a second each, and evaluate; the chain is the embedded one, and everything is synced to the
disk. With one worker sites train one after the other, as they do unless somebody asks for more; with a worker
for each, all at once. The first round is left out: whatever is imported late is imported then.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from digits.paced import BEGAN, SITES
from figures import Figure
from simulation import run, write_rows

PLAIN, CHAIN = "plain", "on the chain"
PROGRAMS = {
    PLAIN: """
from experiments.simulation import simulate
simulate("digits.paced:server_app", "digits.paced:client_app", {sites}, workers={workers})
""",
    CHAIN: """
from experiments.simulation import simulate
simulate("digits.paced:chain_server_app", "digits.paced:chain_client_app", {sites}, workers={workers},
         folder="run")
""",
}


def figures() -> Iterator[Figure]:
    """Seconds of a round of each kind, and which part of ours is chain and store."""
    for workers, how, bound in ((1, "one after the other", 5.0), (SITES, "all at once", None)):
        plain, ours = (_round(program, workers) for program in (PLAIN, CHAIN))
        name = f"1 s of training at {SITES} sites, {how}"
        yield Figure(f"{name}: a round without a chain", plain, "s")
        yield Figure(f"{name}: our round", ours, "s")
        yield Figure(f"{name}: chain and store", 100 * (ours - plain) / ours, "% of a round", bound=bound)


def _round(program: str, workers: int) -> float:
    """Seconds from one round's beginning to the next one's: the median of all but the first."""
    with TemporaryDirectory(prefix="fedledger-bench-") as name:
        folder = Path(name)
        write_rows(folder)
        run(PROGRAMS[program].format(sites=SITES, workers=workers), folder)
        began = [float(line) for line in (folder / BEGAN).read_text("utf-8").splitlines()]
    _, *rest = [after - before for before, after in pairwise(began)]
    return median(rest)
