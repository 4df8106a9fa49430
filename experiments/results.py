"""What a run found, as it is written to results.json.

Everything but `timing` follows from the configuration: the same seed gives the same facts. Metrics are of
the test rows, which neither training nor scoring has seen. Money is a decimal string in the token's
smallest unit; shares and reputation are integers as in the protocol.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from experiments.config import RunConfig
from experiments.folder import RESULTS
from fl.errors import UsageError
from fl.files import write_atomically
from fl.output import to_json


@dataclass(frozen=True)
class Metrics:
    """A model on the test rows: mean negative log likelihood (nats), fraction right, area under the curve."""

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="strings")  # a diverged baseline is a finding too

    log_loss: float
    accuracy: float
    auc: float


@dataclass(frozen=True)
class Gas:
    """What a round's calls used, intrinsic gas included; `submit` is the sum over trainers."""

    open: int
    submit: int
    close: int
    settle: int

    @property
    def total(self) -> int:
        """All calls of the round."""
        return self.open + self.submit + self.close + self.settle


@dataclass(frozen=True)
class Refusal:
    """An update that did not count, and the verdict on it."""

    trainer: str
    verdict: str


@dataclass(frozen=True)
class Credit:
    """What a round gave one trainer: `share` as in the manifest, `earned` in units, reputation afterwards."""

    trainer: str
    share: int
    earned: str
    reputation: int


@dataclass(frozen=True)
class Round:
    """One round of the chain; `metrics` are of the model in force after it, `manifest` is that of a close.

    `aggregated` are those of the accepted whose updates are in the model; a guard set the others aside.
    """

    round: int
    outcome: str
    metrics: Metrics
    gas: Gas
    accepted: tuple[str, ...]
    refused: tuple[Refusal, ...]
    credits: tuple[Credit, ...]
    manifest: str | None
    aggregated: tuple[str, ...]

    @property
    def set_aside(self) -> tuple[str, ...]:
        """Whose updates were accepted and are not in the model: a guard's choice."""
        return tuple(name for name in self.accepted if name not in self.aggregated)


@dataclass(frozen=True)
class Contributor:
    """One trainer over the whole run.

    `share` is its mean fraction of a settled round's reward; `quality` the fraction of its updates that
    were accepted; `reputation` out of 10,000. `misbehaviour` is what it did in place of its duty, None for an
    honest trainer. `equal_shares` is what it earned in units of an equal share: of what it would have got if
    each settled round that asked for it had paid all whom it asked alike; None where none did.
    """

    name: str
    address: str
    examples: int
    share: float
    quality: float
    reputation: int
    earned: str
    balance: str
    misbehaviour: str | None = None
    equal_shares: float | None = None


def mean_equal_shares(some: Sequence[Contributor]) -> float | None:
    """What they earned on average, in units of an equal share; None where no round asked any of them."""
    shares = [one.equal_shares for one in some if one.equal_shares is not None]
    return sum(shares) / len(shares) if shares else None


@dataclass(frozen=True)
class Alone:
    """The model that one trainer gets from its own rows, with as many epochs as the run."""

    trainer: str
    metrics: Metrics


@dataclass(frozen=True)
class Baselines:
    """What the result is compared with: each trainer alone, and all training rows in one place."""

    alone: tuple[Alone, ...]
    pooled: Metrics

    @property
    def mean_alone(self) -> Metrics:
        """The mean of each metric over the trainers alone."""
        mine = [alone.metrics for alone in self.alone]
        return Metrics(
            log_loss=sum(m.log_loss for m in mine) / len(mine),
            accuracy=sum(m.accuracy for m in mine) / len(mine),
            auc=sum(m.auc for m in mine) / len(mine),
        )


@dataclass(frozen=True)
class Seconds:
    """Where the wall-clock time of one round went.

    `train`: sites read the base, train, seal and store. `store`: the aggregator's reads and writes. `score`:
    utilities. `chain`: the rest, which is transactions, questions to the chain, and checks.
    """

    train: float
    chain: float
    store: float
    score: float


@dataclass(frozen=True)
class Timing:
    """Wall-clock seconds, by round in the order of `Results.rounds`, and of the whole run."""

    rounds: tuple[Seconds, ...] = ()
    total: float = 0.0


@dataclass(frozen=True)
class Results:
    """Everything that a run found. `initial` and `final` are of the model before and after all rounds.

    `baselines` is None where the configuration wants none.
    """

    config: RunConfig
    contract: str
    task: int
    weights: str
    initial: Metrics
    final: Metrics
    rounds: tuple[Round, ...]
    contributors: tuple[Contributor, ...]
    baselines: Baselines | None
    versions: dict[str, str] = field(default_factory=dict)
    timing: Timing = Timing()

    def updates_of(self, trainer: str) -> list[str]:
        """What became of each update that a trainer submitted to a closed round: "set aside" or a verdict."""
        found = []
        for ended in self.rounds:
            if trainer in ended.accepted:
                found.append("set aside" if trainer in ended.set_aside else "accepted")
            found += [refusal.verdict for refusal in ended.refused if refusal.trainer == trainer]
        return found

    def equal_shares_by_kind(self) -> dict[str | None, float]:
        """What trainers earned on average in units of an equal share, by misbehaviour; None is the honest."""
        kinds = dict.fromkeys([None, *(one.misbehaviour for one in self.contributors)])
        means = {
            kind: mean_equal_shares([one for one in self.contributors if one.misbehaviour == kind])
            for kind in kinds
        }
        return {kind: mean for kind, mean in means.items() if mean is not None}

    def facts(self) -> dict[str, Any]:
        """What two runs of one seed must agree on, whatever their workers and machines."""
        facts = self.to_dict()
        del facts["timing"], facts["versions"], facts["config"]["workers"]
        return facts

    def to_dict(self) -> dict[str, Any]:
        """The results as JSON values."""
        values: dict[str, Any] = json.loads(_ADAPTER.dump_json(self))
        return values

    def write(self, folder: Path) -> Path:
        """Write `results.json` into a run's folder."""
        file = folder / RESULTS
        write_atomically(file, to_json(self.to_dict()).encode())
        return file

    @classmethod
    def read(cls, folder: Path) -> Results:
        """Read what `write` wrote; raises UsageError when it is not there or is something else."""
        file = folder / RESULTS
        try:
            return _ADAPTER.validate_json(file.read_bytes())
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}.", "Is the run finished?") from error
        except ValidationError as error:
            raise UsageError(f"{file} is not what a run writes.", str(error).splitlines()[1]) from error


_ADAPTER = TypeAdapter(Results)
