"""What a run found, as it is written to results.json.

Everything but `timing` follows from the configuration: the same seed gives the same facts. Metrics are of
the test rows, which neither training nor scoring has seen. Money is a decimal string in the token's
smallest unit; shares and reputation are integers as in the protocol.
"""

from __future__ import annotations

import json
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
    """One round of the chain; `metrics` are of the model in force after it, `manifest` is that of a close."""

    round: int
    outcome: str
    metrics: Metrics
    gas: Gas
    accepted: tuple[str, ...]
    refused: tuple[Refusal, ...]
    credits: tuple[Credit, ...]
    manifest: str | None


@dataclass(frozen=True)
class Contributor:
    """One trainer over the whole run.

    `share` is its mean fraction of a settled round's reward; `quality` the fraction of its updates that
    were accepted; `reputation` out of 10,000.
    """

    name: str
    address: str
    examples: int
    share: float
    quality: float
    reputation: int
    earned: str
    balance: str


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
    """Everything that a run found. `initial` and `final` are of the model before and after all rounds."""

    config: RunConfig
    contract: str
    task: int
    weights: str
    initial: Metrics
    final: Metrics
    rounds: tuple[Round, ...]
    contributors: tuple[Contributor, ...]
    baselines: Baselines
    versions: dict[str, str] = field(default_factory=dict)
    timing: Timing = Timing()

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
