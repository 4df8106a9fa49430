"""What a benchmark says: a number, and whether it is good enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One measured number. Without a bound it is there for comparison only."""

    name: str
    value: float
    unit: str
    sense: Literal["at most", "at least"] = "at most"
    bound: float | None = None

    @property
    def target(self) -> str | None:
        """Such as "at most 4"."""
        return None if self.bound is None else f"{self.sense} {self.bound:,}"

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.bound is None:
            return None
        good = self.value <= self.bound if self.sense == "at most" else self.value >= self.bound
        return bool(good)  # numpy's own is no bool to JSON

    def record(self) -> dict[str, object]:
        """What is kept of it."""
        return {
            "name": self.name,
            "value": float(f"{self.value:.6g}"),
            "unit": self.unit,
            "target": self.target,
            "met": self.met,
        }
