"""What an app's own `start` asks for: enough to found a task for it.

A grid that brings its own chain founds the task there: a simulation, or a draft of the terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from flwr.serverapp.strategy import Strategy

from aggregator.rounds import Rounds
from fl.canonical import Setting
from fl.weights import Arrays


@dataclass(frozen=True)
class Plan:
    """The wrapped strategy, initial arrays in the app's order, and what the first round trains with.

    `training` has the settings of the first round but for its number.
    """

    strategy: Strategy
    arrays: Arrays
    training: Mapping[str, Setting]
    rounds: int


@runtime_checkable
class FoundingGrid(Protocol):
    """A grid with a chain of its own."""

    def found(self, plan: Plan) -> Rounds:
        """Found a task for the plan, or go on with the one that is there."""
