"""The values of a round's updates, by the rule that the terms name, and the table that they follow from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from aggregator.scoring.estimate import control_variate
from aggregator.scoring.game import Game
from aggregator.scoring.gtg import gtg
from aggregator.scoring.shapley import leave_one_out, shapley
from aggregator.scoring.table import Table
from aggregator.types import Update, Utility
from fl import weights
from fl.agreement import needs_utilities
from fl.documents import Terms


@dataclass(frozen=True)
class Scored:
    """Values in millionths of the utility, in chain order, and every utility that they rest on.

    `doubt`: by how much a value may be off where no utility is by more than the tolerance.
    """

    values: tuple[Fraction, ...] = ()
    table: Table = field(default_factory=Table)
    doubt: int = 0


def score(
    terms: Terms, seed: bytes, updates: Sequence[Update], base: weights.Arrays, utility: Utility
) -> Scored:
    """Score the accepted updates, in chain order; nothing where neither shares nor guard need values.

    `seed` is the round's final accumulator; the budget is enough (`demand_affordable`).
    """
    if not needs_utilities(terms):
        return Scored()
    game = Game(updates, base, utility)
    values = _values(terms, game, seed)
    if terms.guard == "best":
        _try_the_best(game, values)
    return Scored(tuple(values), game.table, _doubt(terms, game))


def _values(terms: Terms, game: Game, seed: bytes) -> list[Fraction]:
    budget = terms.scoring.budget
    left = budget - game.players if terms.guard == "best" else budget
    match terms.scoring.rule:
        case "leave_one_out":
            game(0)
            return leave_one_out(game, game.players)
        case "gtg":
            return gtg(game, game.players, left, seed)
        case _ if 1 << game.players <= budget:
            return shapley(game, game.players)
        case _:
            return control_variate(game, left, seed)


def _try_the_best(game: Game, values: Sequence[Fraction]) -> None:
    """Measure the best trainer, the best two, … as far as they have not been."""
    mask = 0
    for player in sorted(range(game.players), key=lambda player: (-values[player], player)):
        mask |= 1 << player
        game(mask)


def _doubt(terms: Terms, game: Game) -> int:
    """Two utilities make a contribution; an estimate adds contributions to two games and shifts them."""
    return (8 if game.table.surrogate else 2) * terms.tolerance
