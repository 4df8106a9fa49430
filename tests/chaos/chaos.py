"""`make chaos`: kill -9 at random moments of whatever runs, and the same end as if nothing had happened.

Kills `fl run`, which is resumed each time, and in mid-round a federation's served chain and its Kubo node.
The last line counts; the exit code is 1 when an end was another. What is killed when follows from the seed,
as far as a machine repeats itself.
"""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "support"))

from killed_runs import FORKED, WAYS, KilledRuns
from killed_services import CHAIN_SERVER, KUBO, KilledServices
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Chaos:
    """What was killed so far, and how it ended."""

    def __init__(self, words: argparse.Namespace, folder: Path) -> None:
        self.faults: list[str] = []
        self.killed = self.ends = 0
        self._words = words
        self._folder = folder
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        # no thread and no replaced stdout: processes are forked meanwhile
        self._progress = Progress(
            *columns,
            console=Console(stderr=True),
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def kill_runs(self) -> None:
        """Kill `fl run`, and resume it."""
        chance = random.Random(f"runs {self._words.seed}")
        runs = KilledRuns(self._made("runs"), self._words.rounds, chance)
        bar = self._progress.add_task("kills of fl run", total=self._words.kills)
        for killed, wrong in runs.kill(self._words.kills, (FORKED,) if self._words.forked else WAYS):
            self.killed += killed
            self._tell(bar, self.killed, wrong)

    def kill_services(self) -> dict[str, int]:
        """Kill chain and Kubo; how often each."""
        chance = random.Random(f"services {self._words.seed}")
        services = KilledServices(self._made("services"), self._words.rounds, chance)
        bar = self._progress.add_task("kills of chain and Kubo", total=2 * self._words.services)
        for wrong in services.kill(self._words.services):
            self._tell(bar, sum(services.kills.values()), wrong)
        return services.kills

    def run(self) -> str:
        """Everything; the line of counts."""
        with self._progress:
            self.kill_runs()
            services = self.kill_services()
        return (
            f"{self.killed} kills of fl run, each resumed; {services[CHAIN_SERVER]} kills of a served chain, "
            f"{services[KUBO]} of Kubo; {self.ends} ends, {self.ends - len(self.faults)} as if undisturbed; "
            f"{len(self.faults)} lost"
        )

    def _made(self, name: str) -> Path:
        (self._folder / name).mkdir()
        return self._folder / name

    def _tell(self, bar: int, done: int, wrong: list[str]) -> None:
        self.ends += 1
        self.faults += wrong
        self._progress.update(bar, completed=done, refresh=True)
        for fault in wrong:
            self._progress.console.print(fault, markup=False)


def main() -> int:
    """Say what is done, do it, count."""
    words = _words()
    print(f"--seed {words.seed}", file=sys.stderr)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    chaos = Chaos(words, folder)
    counts = chaos.run()
    if not chaos.faults:
        shutil.rmtree(folder)
    print(counts)
    return 1 if chaos.faults else 0


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="kills of `fl run`")
    parser.add_argument("--services", type=int, default=6, help="kills of a served chain, and of Kubo")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each run and each federation")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="for the same moments again"
    )
    parser.add_argument("--forked", action="store_true", help="no run pays for its imports, or has workers")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
