"""How quantities are called and written, in tables and pictures alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from experiments.compare.facts import EARNED
from experiments.compare.statistics import Estimate


@dataclass(frozen=True)
class Quantity:
    """A quantity's name and unit; `better` is -1 where less is better, 1 where more is, 0 where neither."""

    title: str
    unit: str
    write: Callable[[float], str]
    better: int

    @property
    def name(self) -> str:
        """The title above a picture, whose axis says the unit."""
        name = self.title.removesuffix(" (%)")
        return name[:1].upper() + name[1:]

    def mean(self, found: Estimate, plus_minus: str = "±") -> str:
        """A mean with half the width of its interval."""
        half = f" {plus_minus} {self.write(found.half)}" if found.half is not None else ""
        return f"{self._finite(found.value)}{half}"

    def difference(self, found: Estimate) -> str:
        """A difference with its interval."""
        if found.low is None or found.high is None:
            return self._signed(found.value)
        return f"{self._signed(found.value)} [{self._signed(found.low)}, {self._signed(found.high)}]"

    def _signed(self, value: float) -> str:
        text = self._finite(value)
        return text if text.startswith("-") or not isfinite(value) else f"+{text}"

    def _finite(self, value: float) -> str:
        return self.write(value) if isfinite(value) else "diverged"


def _places(count: int) -> Callable[[float], str]:
    return lambda value: f"{value:.{count}f}"


_KNOWN = {
    "log_loss": Quantity("log loss", "nats", _places(4), -1),
    "accuracy": Quantity("accuracy (%)", "rows classified correctly", lambda value: f"{100 * value:.2f}", 1),
    "auc": Quantity("AUC", "area under the curve", _places(4), 1),
    "gas": Quantity("gas a round", "gas", lambda value: f"{value:,.0f}", -1),
    "seconds": Quantity("seconds a round", "seconds", _places(2), -1),
    "reward_error": Quantity("distance from exact", "part of all rewards", _places(4), -1),
}


def quantity(name: str) -> Quantity:
    """A quantity by the name that it has in compare.json."""
    if name.startswith(EARNED):
        kind = name.removeprefix(EARNED).replace("_", " ")
        return Quantity(kind, "equal shares", _places(3), 0)
    return _KNOWN[name]
