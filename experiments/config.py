"""One typed configuration a run: what it says, and what is refused before anything is started.

A saved configuration is complete: `fl run config.toml` runs it again. Loading is in `experiments.loading`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fl.errors import UsageError
from fl.ledger.types import MAX_TRAINERS
from fl.money import units

BREAST_CANCER = "breast_cancer"
_SAFE_INTEGER = 2**53 - 1
_YEAR = 366 * 24 * 3600


def _between(low: float, high: float) -> AfterValidator:
    """From `low` to `high`, both included; not a number is neither."""

    def check(value: float) -> float:
        if not low <= value <= high:
            raise ValueError(f"a number from {low:,} to {high:,} is needed")
        return value

    return AfterValidator(check)


def _number_as_text(value: object) -> object:
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _number_or_text(value: object) -> object:
    if type(value) not in (int, float, str):
        raise ValueError("a number or a text is needed")
    return value


Argument = Annotated[Any, AfterValidator(_number_or_text)]
Count = Annotated[int, _between(1, 10_000)]
Width = Annotated[int, _between(1, 4096)]
Seconds = Annotated[int, _between(1, _YEAR)]
Millionths = Annotated[int, _between(0, 1_000_000)]
Rate = Annotated[float, _between(1e-9, 100)]
Fraction = Annotated[float, _between(0.01, 0.9)]
Bound = Annotated[float, _between(1e-9, 1e9)]
Tokens = Annotated[
    str, Field(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,18})?$"), BeforeValidator(_number_as_text)
]
RunName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class Section(BaseModel):
    """Settings that belong together: read-only, of exactly these keys and types."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class DataConfig(Section):
    """Where rows come from and who gets which.

    `source` is `breast_cancer` or a CSV file; `test` and `validation` are fractions of its rows that no
    trainer sees; `alpha` is the concentration of a `dirichlet` partition (smaller: more different sites).
    """

    source: Annotated[str, Field(min_length=1)] = BREAST_CANCER
    label: Annotated[str, Field(min_length=1)] | None = None
    test: Fraction = 0.2
    validation: Fraction = 0.2
    partition: Literal["iid", "dirichlet"] = "iid"
    alpha: Annotated[float, _between(0.001, 1000)] = 0.5

    @property
    def is_file(self) -> bool:
        """Whether the rows come from a file rather than from an installed library."""
        return self.source != BREAST_CANCER

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.test + self.validation > 0.9:
            raise UsageError(
                f"data.test = {self.test} and data.validation = {self.validation} leave too few to train on.",
                "Together they may take 0.9 of the rows at most.",
            )
        if self.is_file and self.label is None:
            raise UsageError(
                f"Which column of {self.source} is to be predicted?",
                "Name it: --label COLUMN, or data.label.",
            )
        if not self.is_file and self.label is not None:
            raise UsageError(
                f"data.label names a column of a CSV file, and {BREAST_CANCER} is none.",
                "Name the file too: --data FILE, or data.source.",
            )
        return self


class ModelConfig(Section):
    """Which model; `hidden` are the widths of an MLP's hidden layers (a logistic model has none)."""

    name: Literal["mlp", "logistic"] = "mlp"
    hidden: Annotated[tuple[Width, ...], Field(strict=False, min_length=1, max_length=16)] = (16,)


class TrainingConfig(Section):
    """What a site does with its rows in one round: epochs of SGD over mini-batches."""

    epochs: Count = 2
    batch_size: Annotated[int, _between(1, 1_000_000)] = 16
    learning_rate: Rate = 0.05
    momentum: Annotated[float, _between(0, 0.999)] = 0.9
    weight_decay: Annotated[float, _between(0, 1)] = 0.0


class RuleConfig(Section):
    """How updates become one model: one of Flower's strategies, its defaults for arguments that are left out.

    FedProx is not among them: what makes it one is a term in training that these sites do not have.
    """

    name: Literal[
        "FedAvg",
        "FedAvgM",
        "FedMedian",
        "FedTrimmedAvg",
        "FedAdam",
        "FedYogi",
        "FedAdagrad",
        "QFedAvg",
        "Krum",
        "MultiKrum",
        "Bulyan",
    ] = "FedAvg"
    arguments: dict[str, Argument] = {}


class ScoringConfig(Section):
    """How a round's reward is divided.

    `budget` bounds model evaluations a round; `tolerance` (between two machines) and `minimum_gain` (below
    which trainers share equally) are in millionths of the utility.
    """

    rule: Literal["shapley", "equal", "examples"] = "shapley"
    utility: Literal["log_loss", "auc", "accuracy"] = "log_loss"
    budget: Annotated[int, _between(1, 2**20)] = 1024
    tolerance: Millionths = 10
    minimum_gain: Millionths = 1000
    guard: Literal["none", "positive", "best"] = "none"

    @model_validator(mode="after")
    def _gain_beats_tolerance(self) -> Self:
        if self.minimum_gain < 100 * self.tolerance:
            raise UsageError(
                f"scoring.minimum_gain = {self.minimum_gain} is less than 100 times "
                f"scoring.tolerance = {self.tolerance}.",
                "A gain must be told from noise: raise one or lower the other.",
            )
        return self


class LimitsConfig(Section):
    """What one update may be at most: largest element and norm of its change, examples it claims."""

    element: Bound = 100.0
    norm: Bound = 1000.0
    examples: Annotated[int, _between(1, _SAFE_INTEGER)] = 100_000


class MoneyConfig(Section):
    """What a round pays, in tokens: a decimal text of up to 18 places."""

    reward: Tokens = "100"

    @property
    def units(self) -> int:
        """The reward in the token's smallest unit."""
        return units(self.reward)


class WindowsConfig(Section):
    """Accepted updates that a round needs, and how long its phases last, in seconds of the chain."""

    quorum: Annotated[int, _between(1, MAX_TRAINERS)] = 2
    window: Seconds = 3600
    close_window: Annotated[int, _between(2, _YEAR)] = 3600
    settle_delay: Annotated[int, _between(0, _YEAR)] = 600


class ChainConfig(Section):
    """The embedded chain; its time is virtual and begins at `genesis_time`, so a run can be repeated."""

    chain_id: Annotated[int, _between(1, _SAFE_INTEGER)] = 31337
    genesis_time: Annotated[int, _between(1, 2**32 - 1)] = 1_735_689_600


class RunConfig(Section):
    """Everything that a run depends on.

    `site` is what a trainer is called (hospital-1, …); `workers` is how many processes train, which changes
    no result.
    """

    name: RunName = "run"
    purpose: Annotated[str, Field(min_length=1, max_length=2000)] = "An experiment."
    site: RunName = "site"
    rounds: Annotated[int, _between(1, 10_000)] = 10
    trainers: Annotated[int, _between(1, MAX_TRAINERS)] = 5
    seed: Annotated[int, _between(0, _SAFE_INTEGER)] = 1
    workers: Annotated[int, _between(1, 64)] = 1
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    rule: RuleConfig = RuleConfig()
    scoring: ScoringConfig = ScoringConfig()
    limits: LimitsConfig = LimitsConfig()
    money: MoneyConfig = MoneyConfig()
    windows: WindowsConfig = WindowsConfig()
    chain: ChainConfig = ChainConfig()

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.windows.quorum > self.trainers:
            raise UsageError(
                f"windows.quorum = {self.windows.quorum} can never be met by {self.trainers} trainers.",
                f"Set windows.quorum to {self.trainers} at most, or raise trainers.",
            )
        if self.scoring.rule == "shapley" and 2**self.trainers > self.scoring.budget:
            raise UsageError(
                f"Exact Shapley values of {self.trainers} trainers take 2^{self.trainers} model evaluations "
                f"a round, and scoring.budget allows {self.scoring.budget:,}.",
                'Set scoring.rule to "equal" or "examples", or have fewer trainers.',
            )
        return self

    def to_toml(self) -> str:
        """The complete configuration as TOML; an absent label is left out."""
        values: dict[str, Any] = self.model_dump(exclude_none=True)
        return tomli_w.dumps(values)
