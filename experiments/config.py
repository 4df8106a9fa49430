"""One typed configuration a run: what it says, and what is refused before anything is started.

A saved configuration is complete: `fl run config.toml` runs it again. Loading is in `experiments.loading`.

Whatever stands here can be varied by its dotted key, in a TOML file, with `--set KEY=VALUE`, and in a sweep:

    seed, trainers, fraction_train, rounds        how much of everything
    data.partition, data.alpha, model.*, training.*   who has which rows, and what is learned from them how
    rule.name, rule.arguments.*, scoring.*        how updates become one model, and who is paid for it
    attackers, attack, attack.*, misbehaviour.*   who misbehaves: the first few alike, or each by its number

Code of one's own is `module:attribute` in data.source, data.partition, model.name, rule.name and attack.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, field_validator, model_validator

from aggregator.scoring.costs import least_evaluations
from experiments.fields import Section
from experiments.fields import between as _between
from experiments.fields import one_of as _one_of
from experiments.learning_config import DataConfig, ModelConfig, TrainingConfig
from experiments.misbehaviour import KINDS as MISBEHAVIOURS
from experiments.misbehaviour import Misbehaviour
from experiments.misbehaviour import read as read_misbehaviour
from fl.agreement import needs_values
from fl.errors import UsageError
from fl.ledger.types import MAX_TRAINERS
from fl.money import units
from fl.own import is_own

RULES = (
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
)
_SAFE_INTEGER = 2**53 - 1
_YEAR = 366 * 24 * 3600


def _number_as_text(value: object) -> object:
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _number_or_text(value: object) -> object:
    if type(value) not in (int, float, str):
        raise ValueError("a number or a text is needed")
    return value


Argument = Annotated[Any, AfterValidator(_number_or_text)]
Seconds = Annotated[int, _between(1, _YEAR)]
Millionths = Annotated[int, _between(0, 1_000_000)]
Bound = Annotated[float, _between(1e-9, 1e9)]
Tokens = Annotated[
    str, Field(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,18})?$"), BeforeValidator(_number_as_text)
]
RunName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class RuleConfig(Section):
    """How updates become one model: a strategy of Flower's, or one's own as `module:attribute`.

    Arguments that are left out are Flower's defaults; a strategy of one's own has its arguments already.
    FedProx is not among them: what makes it one is a term in training that these sites do not have.
    """

    name: Annotated[str, _one_of(RULES)] = "FedAvg"
    arguments: dict[str, Argument] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if is_own(self.name) and self.arguments:
            raise UsageError(
                f"rule.arguments are for Flower's strategies, and {self.name} is somebody's own.",
                "Name a function without arguments that makes it with these.",
            )
        return self


class ScoringConfig(Section):
    """How a round's reward is divided.

    "shapley" is exact while the 2^N evaluations fit `budget`, and estimated above it; "gtg" is a published
    estimate, "leave_one_out" what everybody lose without one. `budget` bounds model evaluations a round;
    `tolerance` (between two machines) and `minimum_gain` (below which trainers share equally) are in
    millionths of the utility.
    """

    rule: Literal["shapley", "gtg", "leave_one_out", "equal", "examples"] = "shapley"
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
    no result. `fraction_train` is the part of the trainers that a round asks, as in Flower; without
    `baselines` nothing is trained for comparison. `misbehaviour` says by its number what a trainer does in
    place of its duty; trainers 1 to `attackers` do what `attack` says, unless the table names them.
    """

    name: RunName = "run"
    purpose: Annotated[str, Field(min_length=1, max_length=2000)] = "An experiment."
    site: RunName = "site"
    rounds: Annotated[int, _between(1, 10_000)] = 10
    trainers: Annotated[int, _between(1, MAX_TRAINERS)] = 5
    seed: Annotated[int, _between(0, _SAFE_INTEGER)] = 1
    workers: Annotated[int, _between(1, 64)] = 1
    fraction_train: Annotated[float, _between(0.001, 1)] = 1.0
    baselines: bool = True
    attackers: Annotated[int, _between(0, MAX_TRAINERS)] = 0
    attack: SerializeAsAny[Misbehaviour] | None = None
    misbehaviour: dict[str, SerializeAsAny[Misbehaviour]] = Field(default_factory=dict)
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
        scoring = self.scoring
        least = least_evaluations(scoring.rule, scoring.guard, self.invited)
        measured = needs_values(scoring.rule) or scoring.guard != "none"
        if measured and least > scoring.budget:
            raise UsageError(
                f"To score {self.invited} trainers takes {least:,} model evaluations a round at least, and "
                f"scoring.budget allows {scoring.budget:,}.",
                f"Set scoring.budget to {least} or more; a larger one makes a better estimate.",
            )
        return self

    @model_validator(mode="after")
    def _can_be_scored(self) -> Self:
        if not self.data.validation and (
            self.scoring.rule not in ("equal", "examples") or self.scoring.guard != "none"
        ):
            raise UsageError(
                "data.validation = 0 leaves no rows to score on.",
                'Set it above 0, or scoring.rule to "equal" or "examples", without a guard.',
            )
        return self

    @field_validator("attack", mode="before")
    @classmethod
    def _is_an_attack(cls, value: object) -> object:
        return None if value is None else read_misbehaviour("attack", value)

    @field_validator("misbehaviour", mode="before")
    @classmethod
    def _are_misbehaviours(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {number: read_misbehaviour(f"misbehaviour.{number}", said) for number, said in value.items()}

    @model_validator(mode="after")
    def _misbehave_if_they_exist(self) -> Self:
        numbers = {str(number) for number in range(1, self.trainers + 1)}
        if strangers := self.misbehaviour.keys() - numbers:
            raise UsageError(
                f"misbehaviour.{min(strangers)} is of a trainer that does not exist.",
                f"The {self.trainers} trainers count from 1.",
            )
        if self.attackers > self.trainers:
            raise UsageError(f"attackers = {self.attackers}, and there are {self.trainers} trainers.")
        if self.attackers and self.attack is None:
            raise UsageError(
                f"attackers = {self.attackers} do what?", f"Set attack to one of: {', '.join(MISBEHAVIOURS)}."
            )
        return self

    @property
    def misbehaving(self) -> dict[int, Misbehaviour]:
        """What trainers do in place of their duty, by their numbers, which count from 1."""
        short = {number: self.attack for number in range(1, self.attackers + 1) if self.attack}
        table = {int(number): kind for number, kind in self.misbehaviour.items()}
        return dict(sorted({**short, **table}.items()))

    @property
    def invited(self) -> int:
        """How many trainers a round asks, as Flower's FedAvg counts: rounded down, but at least a quorum."""
        return max(int(self.trainers * self.fraction_train), self.windows.quorum)

    def to_toml(self) -> str:
        """The complete configuration as TOML; an absent label is left out."""
        values: dict[str, Any] = self.model_dump(exclude_none=True)
        return tomli_w.dumps(values)
