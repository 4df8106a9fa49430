"""What a comparison knows of each run: everything that its tables and pictures are made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from experiments.results import Metrics, Results

Metric = Literal["log_loss", "accuracy", "auc"]
METRICS: tuple[Metric, ...] = ("log_loss", "accuracy", "auc")
HONEST = "honest"
EARNED = "earned_"
"""Begins the names of quantities that say what trainers of one kind earned."""


@dataclass(frozen=True)
class Trainer:
    """One trainer of a run: what each round paid it, in the token's smallest unit.

    `misbehaviour` is what it did in place of its duty, None for an honest one; `equal_shares` what it earned
    in units of an equal share. `exact` is its part of all rewards by exact Shapley values of each round's
    updates. Both are None where nobody knows.
    """

    name: str
    misbehaviour: str | None
    earned: tuple[str, ...]
    equal_shares: float | None
    exact: float | None = None

    @property
    def units(self) -> int:
        """What the whole run paid it."""
        return sum(map(int, self.earned))


@dataclass(frozen=True)
class Run:
    """One run. `curve` begins before the first round; `gas` and `seconds` are of each round.

    `inexact` says why exact Shapley values are not known; empty where they are. `varied` is what its sweep
    varied, but for the seed, in the sweep's own words; empty for a run of none.
    """

    folder: str
    seed: int
    curve: tuple[Metrics, ...]
    gas: tuple[int, ...]
    seconds: tuple[float, ...]
    closed: int
    trainers: tuple[Trainer, ...]
    inexact: str = ""
    varied: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.curve) - 1 == len(self.gas) == len(self.seconds):
            raise ValueError("a run has a cost for each round, and metrics from before the first")

    @property
    def final(self) -> Metrics:
        """The model after all rounds."""
        return self.curve[-1]

    @property
    def paid(self) -> dict[str, float]:
        """Each trainer's part of all that was paid; empty where nothing was."""
        whole = sum(trainer.units for trainer in self.trainers)
        return {trainer.name: trainer.units / whole for trainer in self.trainers} if whole else {}

    @property
    def exact(self) -> dict[str, float]:
        """Each trainer's part by exact Shapley values; empty where they are not known."""
        return {trainer.name: trainer.exact for trainer in self.trainers if trainer.exact is not None}

    @cached_property
    def quantities(self) -> dict[str, float]:
        """What is compared, by name; what does not apply is left out.

        `gas` and `seconds` are those of a mean round. `reward_error` is the mean distance of a trainer's
        part from its part by exact Shapley values; `earned_KIND` what trainers of that kind earned on
        average, in units of an equal share.
        """
        found: dict[str, float] = {name: getattr(self.final, name) for name in METRICS}
        if self.gas:
            found["gas"] = sum(self.gas) / len(self.gas)
            found["seconds"] = sum(self.seconds) / len(self.seconds)
        if self.paid and self.exact:
            found["reward_error"] = _mean(abs(self.paid[name] - part) for name, part in self.exact.items())
        return found | self._earned()

    def _earned(self) -> dict[str, float]:
        """Only where somebody misbehaved."""
        found: dict[str, list[float]] = {}
        for trainer in self.trainers:
            if trainer.equal_shares is not None:
                found.setdefault(trainer.misbehaviour or HONEST, []).append(trainer.equal_shares)
        return {EARNED + kind: _mean(found[kind]) for kind in found} if found.keys() - {HONEST} else {}


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seeds only. `label` is what sets them apart from the other groups."""

    label: str
    settings: dict[str, Any]
    runs: Annotated[tuple[Run, ...], Field(min_length=1)]

    def by_seed(self, quantity: str) -> dict[int, float]:
        """A quantity of every run that has it."""
        return {run.seed: run.quantities[quantity] for run in self.runs if quantity in run.quantities}


def facts(folder: Path, results: Results, varied: Mapping[str, Any] | None = None) -> Run:
    """What a comparison takes from a run's results; exact Shapley values are filled in elsewhere."""
    return Run(
        folder=str(folder),
        seed=results.config.seed,
        curve=(results.initial, *(ended.metrics for ended in results.rounds)),
        gas=tuple(ended.gas.total for ended in results.rounds),
        seconds=_seconds(results),
        closed=sum(ended.manifest is not None for ended in results.rounds),
        trainers=_trainers(results),
        varied=dict(varied or {}),
    )


def _seconds(results: Results) -> tuple[float, ...]:
    """Of each round; 0 where results do not say."""
    told = [one.train + one.chain + one.store + one.score for one in results.timing.rounds]
    count = len(results.rounds)
    return (*told[:count], *[0.0] * (count - len(told)))


def _trainers(results: Results) -> tuple[Trainer, ...]:
    paid = [{credit.trainer: credit.earned for credit in ended.credits} for ended in results.rounds]
    return tuple(
        Trainer(
            one.name,
            one.misbehaviour,
            tuple(credits.get(one.name, "0") for credits in paid),
            one.equal_shares,
        )
        for one in results.contributors
    )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
