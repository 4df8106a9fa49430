"""How many model evaluations a round's values take."""

from __future__ import annotations

from fl.agreement import needs_utilities
from fl.documents import Terms
from fl.errors import UsageError


def least_evaluations(rule: str, guard: str, trainers: int) -> int:
    """The fewest evaluations from which values come about; guards without a rule of values use Shapley's.

    Guard "best" tries a coalition for every trainer, unless all coalitions are evaluated anyway.
    """
    tried = trainers if guard == "best" else 0
    if rule in ("leave_one_out", "gtg"):
        return trainers + 2 + tried
    return min(1 << trainers, 2 * trainers + 2 + tried)


def demand_affordable(terms: Terms, trainers: int) -> None:
    """Refuse a budget that is too small for so many trainers. Raises UsageError."""
    if not needs_utilities(terms):
        return
    least, budget = least_evaluations(terms.scoring.rule, terms.guard, trainers), terms.scoring.budget
    if least > budget:
        raise UsageError(
            f"To score {trainers} trainers takes {least:,} evaluations a round at least; the terms allow "
            f"{budget:,}.",
            'Allow a larger budget, or score by "equal" or by "examples" and without a guard.',
        )
