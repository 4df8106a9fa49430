"""A cell: one run of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.config import RunConfig

SEED = "seed"


@dataclass(frozen=True)
class Cell:
    """One run of a sweep: its name, which is its folder's too, and what sets it apart by column."""

    name: str
    varied: Mapping[str, object]
    config: RunConfig
