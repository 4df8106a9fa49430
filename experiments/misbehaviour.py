"""What a trainer may do in place of its duty, for demonstrations and studies: a class each, with settings.

What reaches the chain is up to the misbehaving site alone: `experiments.misbehaving` lets it pass its own
checks. A misbehaviour of one's own is a function, named as `module:function`, from the turn (and settings by
their names) to arrays:

    def boosted(turn, factor=10.0):
        trained = turn.train()
        return {name: base + factor * (trained[name] - base) for name, base in turn.base.items()}
"""

from __future__ import annotations

import math
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast

from pydantic import ConfigDict, ValidationError, model_validator

from experiments.fields import Section, between
from fl import own
from fl.errors import OwnCodeError, UsageError
from fl.weights import Array, Arrays

if TYPE_CHECKING:
    from experiments.misbehaving import Turn

MISBEHAVIOUR = "misbehaviour"
"""Under which a node's configuration has what its trainer does in place of its duty, as JSON."""

OWN_HINT = "Name a function (turn, settings…) that returns arrays: module:function."

_SIMPLE = "Its settings are numbers, texts, true or false."

Scale = Annotated[float, between(1e-12, 1e6)]


class Misbehaviour(Section):
    """One way to misbehave; its fields are its settings, and this one is an honest trainer's."""

    name: str
    publishes: ClassVar[bool] = True
    """Whether it publishes the receipts of what it submitted."""

    def takes_part(self, turn: Turn) -> bool:  # noqa: ARG002 - most come whatever the round is
        """Whether it submits anything in this round."""
        return True

    def update(self, turn: Turn) -> Arrays:
        """What it hands in as its update."""
        return turn.train()


class LabelFlip(Misbehaviour):
    """Trains on its own rows with every label shifted to the next class."""

    name: str = "label_flip"

    def update(self, turn: Turn) -> Arrays:
        """See `Misbehaviour.update`."""
        rows = turn.rows
        return turn.train(rows._replace(y=(rows.y + 1) % turn.classes))


class SignFlip(Misbehaviour):
    """Trains, and hands in the base minus `factor` times what it learned."""

    name: str = "sign_flip"
    factor: Scale = 1.0

    def update(self, turn: Turn) -> Arrays:
        """See `Misbehaviour.update`."""
        trained = turn.train()
        return _changed(turn.base, lambda name, base: base - self.factor * (trained[name] - base))


class Noise(Misbehaviour):
    """Hands in the base with Gaussian noise of standard deviation `scale`; trains nothing."""

    name: str = "noise"
    scale: Scale = 0.05

    def update(self, turn: Turn) -> Arrays:
        """See `Misbehaviour.update`."""
        return _noisy(turn.base, self.scale, turn)


class NaN(Misbehaviour):
    """Hands in not a number, everywhere."""

    name: str = "nan"

    def update(self, turn: Turn) -> Arrays:
        """See `Misbehaviour.update`."""
        return _changed(turn.base, lambda _name, base: base * float("nan"))


class FreeRider(Misbehaviour):
    """Trains nothing, adds so little noise to the base that it is another file, and claims its examples."""

    name: str = "free_rider"
    scale: Scale = 1e-4

    def update(self, turn: Turn) -> Arrays:
        """See `Misbehaviour.update`."""
        return _noisy(turn.base, self.scale, turn)


class Copycat(Misbehaviour):
    """Hands in the update that earned somebody else most in the last closed round.

    Those of its own round are sealed until it is too late. With a `scale` it adds noise, so that its copy is
    another file. While there is nothing to copy, it does not come.
    """

    name: str = "copycat"
    scale: Annotated[float, between(0, 1e6)] = 0.0

    def takes_part(self, turn: Turn) -> bool:
        """See `Misbehaviour.takes_part`."""
        return turn.best_earlier() is not None

    def update(self, turn: Turn) -> Arrays:
        """See `Misbehaviour.update`."""
        copied = turn.best_earlier()
        assert copied is not None, "it would not have come"
        return _noisy(copied, self.scale, turn) if self.scale else copied


class Absent(Misbehaviour):
    """Joined the task, and never comes."""

    name: str = "absent"

    def takes_part(self, turn: Turn) -> bool:  # noqa: ARG002 - whatever the round is
        """See `Misbehaviour.takes_part`."""
        return False


class Withholding(Misbehaviour):
    """Trains and submits, and never publishes the receipt that would open its update."""

    name: str = "withholding"
    publishes: ClassVar[bool] = False


class Own(Misbehaviour):
    """Somebody's own: the function that `name` names gets the turn and whatever settings there are."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _is_simple(self) -> Self:
        for setting, value in (self.model_extra or {}).items():
            if type(value) not in (bool, int, float, str):
                raise UsageError(f"{self.name} cannot have {setting} = {value!r:.60}.", _SIMPLE)
        return self

    def function(self) -> Callable[..., Arrays]:
        """The function; runs its module's code. Raises UsageError when there is no such function."""
        found = own.find(self.name, "a misbehaviour", OWN_HINT)
        if not callable(found):
            raise UsageError(f"{self.name} is no function, but {type(found).__name__}.", OWN_HINT)
        return cast("Callable[..., Arrays]", found)

    def update(self, turn: Turn) -> Arrays:
        """See `Misbehaviour.update`."""
        function = self.function()
        try:
            made = function(turn, **(self.model_extra or {}))
        except OwnCodeError:  # of the model, while it trained
            raise
        except (Exception, SystemExit) as error:  # somebody else's code may raise anything
            raise own.failed(f"The misbehaviour {self.name}", error) from error
        if not isinstance(made, dict):
            raise OwnCodeError(
                f"The misbehaviour {self.name} returned {type(made).__name__}, and arrays by name are needed."
            )
        return made


def _changed(arrays: Arrays, change: Callable[[str, Array], Array]) -> Arrays:
    """The arrays with every float tensor changed; integers and booleans count things and stay."""
    return {
        name: change(name, array).astype(array.dtype) if array.dtype.kind == "f" else array
        for name, array in arrays.items()
    }


def _noisy(arrays: Arrays, scale: float, turn: Turn) -> Arrays:
    return _changed(arrays, lambda _name, array: array + scale * turn.chance.standard_normal(array.shape))


# --- from settings

KINDS: dict[str, type[Misbehaviour]] = {
    kind.model_fields["name"].default: kind
    for kind in (LabelFlip, SignFlip, Noise, NaN, FreeRider, Copycat, Absent, Withholding)
}


def read(key: str, value: object) -> Misbehaviour:
    """The misbehaviour that a setting names, or describes as a table with a `name`.

    Raises UsageError, which names the setting's `key`, for whatever is none.
    """
    if isinstance(value, Misbehaviour):
        return value
    if isinstance(value, float) and math.isnan(value):
        value = "nan"  # what TOML makes of it without quotes
    said = {"name": value} if isinstance(value, str) else value
    name = said.get("name") if isinstance(said, dict) else None
    if not isinstance(name, str) or not (name in KINDS or own.is_own(name)):
        raise _unknown(key, name if isinstance(said, dict) else value)
    try:
        return KINDS.get(name, Own).model_validate(said)
    except ValidationError as error:
        raise _explained(key, name, error) from error


def _unknown(key: str, name: object) -> UsageError:
    close = get_close_matches(str(name), KINDS, n=1)
    return UsageError(
        f"{key} = {name!r} is no misbehaviour.",
        f"Do you mean {close[0]}?" if close else f"There are: {', '.join(KINDS)}; or module:function.",
    )


def _explained(key: str, name: str, error: ValidationError) -> UsageError:
    detail: Any = error.errors(include_url=False)[0]
    setting, reason = detail["loc"][0], detail["msg"].removeprefix("Value error, ")
    known = [field for field in KINDS[name].model_fields if field != "name"] if name in KINDS else []
    if detail["type"] == "extra_forbidden":
        there = f"It has: {', '.join(known)}." if known else "It has none."
        return UsageError(f"{key}: {name} has no setting {setting}.", there)
    if detail["type"] == "float_type":
        reason = "a number is needed"
    return UsageError(f"{key}.{setting} cannot be {detail['input']!r}: {reason}.")
