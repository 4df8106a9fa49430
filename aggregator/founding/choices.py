"""What terms say that no app says: purpose, price, windows, limits, what may differ from round to round."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from fl.errors import UsageError
from fl.money import units

_YEAR = 366 * 24 * 3600


def _in_order(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the lower bound {bounds[0]} is above the upper bound {bounds[1]}")
    return bounds


def _number_as_text(value: object) -> object:
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


_AS_TEXT = BeforeValidator(_number_as_text)
Number = Annotated[float, Field(allow_inf_nan=False)]
Bounds = Annotated[tuple[Number, Number], Field(strict=False), AfterValidator(_in_order)]
Seconds = Annotated[int, Field(ge=1, le=_YEAR)]
Modules = Annotated[tuple[str, ...], Field(strict=False)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class UpdateLimits(_Section):
    """What one update may be at most, compared with the weights that it started from.

    `element` bounds the change of any one number, `norm` the Euclidean norm of the whole change, `examples`
    what a site may claim. The defaults stop what has gone mad, and nothing that trains.
    """

    element: Annotated[Number, Field(gt=0)] = 1e6
    norm: Annotated[Number, Field(gt=0)] = 1e9
    examples: Annotated[int, Field(ge=1, le=2**53 - 1)] = 1_000_000


class Choices(_Section):
    """Everything in a task's terms that does not follow from the app.

    `reward` is what a round pays, in tokens; `window` is how long a round takes updates, `close_window` how
    long it may be decided, `settle_delay` how long it may be disputed, all in seconds. `metrics` are the
    numbers that every update reports, with the bounds of an honest one. `adjustable` are training settings
    that a round may choose within these bounds. `code` are the modules that train; empty: the package that
    the ClientApp is in.
    """

    purpose: Annotated[str, Field(min_length=1, max_length=2000)] = "Train a model with a Flower app."
    quorum: Annotated[int, Field(ge=1, le=512)] = 2
    reward: Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,18})?$"), _AS_TEXT] = "0"
    scoring: Literal["examples", "equal"] = "examples"
    window: Seconds = 3600
    close_window: Annotated[int, Field(ge=2, le=_YEAR)] = 3600
    settle_delay: Annotated[int, Field(ge=0, le=_YEAR)] = 600
    limits: UpdateLimits = UpdateLimits()
    metrics: dict[str, Bounds] = {}
    adjustable: dict[str, Bounds] = {}
    code: Modules = ()

    @property
    def reward_units(self) -> int:
        """The reward in the token's smallest unit."""
        return units(self.reward)

    @classmethod
    def read(cls, file: Path | None = None, changes: Sequence[str] = ()) -> Choices:
        """From a TOML file, then changes such as "quorum=3" or "metrics.loss=[0, 100]".

        Raises UsageError with a sentence for what cannot be chosen.
        """
        values = _read(file) if file else {}
        for change in changes:
            _merge(values, _parsed(change))
        return cls.of(values)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Choices:
        """From plain values. Raises UsageError with a sentence for what cannot be chosen."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _explained(error) from error


def _explained(error: ValidationError) -> UsageError:
    detail = error.errors(include_url=False)[0]
    key, reason = ".".join(map(str, detail["loc"])), detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        return UsageError(f"There is no choice {key}.", f"There are: {', '.join(Choices.model_fields)}.")
    return UsageError(f"{key} cannot be {detail['input']!r:.60}: {reason[:1].lower()}{reason[1:]}.")


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # no UTF-8, or no TOML
        raise UsageError(f"{file} is not valid TOML: {error}.") from error


def _parsed(change: str) -> dict[str, Any]:
    """A line of TOML; a text needs no quotes."""
    key, equals, value = (part.strip() for part in change.partition("="))
    for line in (f"{key} = {value}", f'{key} = "{value}"'):
        try:
            if equals and value:
                return tomllib.loads(line)
        except tomllib.TOMLDecodeError:
            continue
    raise UsageError(f"{change!r} does not say what to choose.", "Write KEY=VALUE, such as quorum=3.")


def _merge(values: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value
