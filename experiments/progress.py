"""What a run tells while it runs: nothing, one line a round, or a live display."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from experiments.results import Round, Seconds
from fl.output import console, safe
from fl.own import Fault


class Silent:
    """Hears everything and shows nothing; the others override what they show."""

    fault: Fault | None = None
    """What the rule raised in the last round that failed by it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""

    def run_started(self, rounds: int, trainers: int, done: int = 0) -> None:
        """The run has so many rounds and trainers; `done` rounds have ended before."""

    def step(self, text: str) -> None:
        """Something outside the rounds is worth a line, such as that training the baselines begins."""

    def round_started(self, number: int) -> None:
        """A round was opened."""

    def training_done(self, trainer: str) -> None:
        """One trainer has its update."""

    def rule_failed(self, fault: Fault) -> None:
        """The rule raised, and so the round fails."""
        self.fault = fault
        self.step(f"The rule failed: {fault.said}.")

    def round_ended(self, ended: Round, seconds: Seconds) -> None:
        """A round has come to its outcome."""


class Lines(Silent):
    """One line a round on stderr: for pipes, logs and continuous integration."""

    def __init__(self) -> None:
        self._out = console(stderr=True)

    def step(self, text: str) -> None:
        """One line."""
        self._out.print(safe(text), soft_wrap=True)

    def round_ended(self, ended: Round, seconds: Seconds) -> None:
        """One line."""
        self._out.print(describe(ended, seconds), soft_wrap=True)


class Bars:
    """What has bars on the screen from the beginning of a `with` to its end."""

    _bars: Progress

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bars off the screen; the lines stay."""
        self._bars.stop()


class Live(Bars, Silent):
    """A bar for the rounds, one for the trainers of the round, and a line for each round that ended."""

    def __init__(self, out: Console | None = None) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=out or console(stderr=True),
            transient=True,
        )
        self._rounds = self._bars.add_task("rounds", visible=False, total=None)
        self._trainers = self._bars.add_task("updates", visible=False, total=None)

    def run_started(self, rounds: int, trainers: int, done: int = 0) -> None:
        """Show the bars."""
        self._bars.update(self._rounds, total=rounds, completed=done, visible=True)
        self._bars.update(self._trainers, total=trainers, visible=True)

    def step(self, text: str) -> None:
        """One line."""
        self._bars.console.print(safe(text))

    def round_started(self, number: int) -> None:
        """Empty the bar of the trainers."""
        self._bars.update(self._rounds, description=f"round {number}")
        self._bars.reset(self._trainers)

    def training_done(self, trainer: str) -> None:  # noqa: ARG002  # counted, not named
        """One step for the trainers."""
        self._bars.advance(self._trainers)

    def round_ended(self, ended: Round, seconds: Seconds) -> None:
        """One step for the rounds, and a line above the bars."""
        self._bars.advance(self._rounds)
        self._bars.console.print(describe(ended, seconds))


def describe(ended: Round, seconds: Seconds) -> str:
    """A round in one line, as rich markup; with no update refused, it fits a terminal of 80 columns."""
    took = seconds.train + seconds.chain + seconds.store + seconds.score
    metrics = f"loss {ended.metrics.log_loss:.4f}, accuracy {ended.metrics.accuracy:.1%}"
    refused = "".join(f", [yellow]{safe(r.trainer)} {safe(r.verdict)}[/]" for r in ended.refused)
    updates = f"{len(ended.accepted)} accepted{refused}"
    return f"round {ended.round:>3} {safe(ended.outcome)}: {metrics}; {updates}; {took:.1f} s"


def choose() -> Silent:
    """A live display on a terminal, lines elsewhere."""
    return Live() if console(stderr=True).is_terminal else Lines()
