"""What settings are made of: read-only sections, numbers within bounds, names out of a list."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import AfterValidator, BaseModel, ConfigDict

from fl.own import is_own


class Section(BaseModel):
    """Settings that belong together: read-only, of exactly these keys and types."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def between(low: float, high: float) -> AfterValidator:
    """From `low` to `high`, both included; not a number is neither."""

    def check(value: float) -> float:
        if not low <= value <= high:
            raise ValueError(f"a number from {low:,} to {high:,} is needed")
        return value

    return AfterValidator(check)


def one_of(names: Sequence[str]) -> AfterValidator:
    """One of these names, or code of one's own as `module:attribute`."""

    def check(value: str) -> str:
        if value not in names and not is_own(value):
            raise ValueError(f"choose one of {', '.join(map(repr, names))}, or your own as module:attribute")
        return value

    return AfterValidator(check)
