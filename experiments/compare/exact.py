"""Each trainer's part of a run's rewards by exact Shapley values, worked out from its chain and store.

The updates of every settled round are opened and checked as for a decision, every coalition of the accepted
ones is measured, and shares follow as the terms would have them if they said "shapley". A run that was paid
so in the first place is not worked out again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from aggregator import utilities
from experiments.compare.facts import Run
from experiments.results import Results
from fl.errors import FedledgerError, UsageError
from fl.own import is_own

if TYPE_CHECKING:
    from aggregator.record import Record, Round
    from aggregator.types import Utility
    from fl.documents import Terms

MOST_TRAINERS = 12
QUICKLY = 20_000
"""Evaluations that are made without being asked for: about a minute with a small model."""

Advance = Callable[[int], None]
"""Is told how many more evaluations were made."""


def fill(
    runs: Sequence[tuple[Run, Results]], wanted: bool | None, advance: Advance, model: str | None
) -> Iterator[tuple[Run, Results]]:
    """Every run with the parts by exact Shapley values of its trainers, or with the reason why not.

    `wanted`: whether to work them out where that takes evaluations; None: where it takes few. `model` is the
    function of a model of somebody's own, as a person typed it: what a run's documents say runs no code.
    """
    quick = sum(evaluations(results) for _, results in runs) <= QUICKLY
    for run, results in runs:
        if why := _why_not(results, quick if wanted is None else wanted):
            yield replace(run, inexact=why), results
        else:
            yield _filled(run, results, advance, model), results


def evaluations(results: Results) -> int:
    """How many evaluations exact Shapley values of a run take; none where it was paid by them."""
    sizes = _sizes(results)
    if _paid_exactly(results) or max(sizes, default=0) > MOST_TRAINERS:
        return 0
    return sum(2**size for size in sizes)


def _why_not(results: Results, wanted: bool) -> str:
    largest = max(_sizes(results), default=0)
    if not largest:
        return "no round was paid"
    if _paid_exactly(results):
        return ""
    if largest > MOST_TRAINERS:
        return f"{largest} trainers would take 2^{largest} evaluations a round"
    return "" if wanted else f"it takes {evaluations(results):,} evaluations; ask for them with --shapley"


def _sizes(results: Results) -> list[int]:
    """How many updates each paid round accepted."""
    return [len(ended.accepted) for ended in results.rounds if ended.credits]


def _paid_exactly(results: Results) -> bool:
    scoring = results.config.scoring
    return scoring.rule == "shapley" and all(2**size <= scoring.budget for size in _sizes(results))


def _filled(run: Run, results: Results, advance: Advance, model: str | None) -> Run:
    """The run with its trainers' parts."""
    names = {one.address: one.name for one in results.contributors}
    try:
        exactly = _paid_exactly(results)
        parts = run.paid if exactly else _worked_out(Path(run.folder), names, advance, model)
    except FedledgerError as error:  # its chain or store are gone, or what terms name is not installed
        return replace(run, inexact=f"{error.message} {error.hint}".strip())
    trainers = (replace(trainer, exact=parts.get(trainer.name, 0.0)) for trainer in run.trainers)
    return replace(run, trainers=tuple(trainers))


# --- from chain and store


def _worked_out(folder: Path, names: dict[str, str], advance: Advance, model: str | None) -> dict[str, float]:
    """Parts by name. Raises FedledgerError for what cannot be had."""
    record = _record(folder)
    utility = _utility(record, model)
    earned: defaultdict[str, Fraction] = defaultdict(Fraction)
    for round_ in record.rounds:
        if round_.settled:
            shares = _shares(record, round_, utility)
            advance(2 ** len(shares))
            for trainer, share in shares:
                earned[names.get(trainer, trainer)] += share
    whole = sum(earned.values())
    return {name: float(part / whole) for name, part in earned.items()} if whole else {}


def _utility(record: Record, model: str | None) -> Utility:
    """What the terms measure coalitions by."""
    from fl.learning import models  # noqa: PLC0415  # brings torch, which nothing else here needs

    terms = record.terms()
    if model and terms.model and is_own(terms.model.builder):
        models.name_own(model, terms.model.builder)
    validation = terms.scoring.validation
    return utilities.build(terms, record.blob(validation, record.sizes.validation) if validation else None)


def _record(folder: Path) -> Record:
    from aggregator.record import Record  # noqa: PLC0415  # brings the chain
    from fl import wiring  # noqa: PLC0415  # as above

    if not wiring.Deployment.exists(folder):
        raise UsageError("its chain and store are not beside its results")
    place = wiring.Deployment.read(folder)
    return Record(wiring.open_ledger(place).confirmed(), wiring.open_store(place.store), place.task)


def _shares(record: Record, round_: Round, utility: Utility) -> list[tuple[str, Fraction]]:
    """What each accepted trainer would have had of this round's reward."""
    from aggregator import decision, scoring  # noqa: PLC0415  # as above

    facts = record.facts(round_)
    yardstick = facts.yardstick
    checked = decision.examine(facts.submissions, yardstick, record.read, facts.hindsight, dict)
    updates = [one.update for one in checked if one.update]
    terms = _exactly(facts.terms, 2 ** len(updates))
    scored = scoring.score(terms, facts.context.accumulator, updates, yardstick.base_arrays, utility)
    shares = scoring.shares(terms, updates, scored)
    whole = sum(shares) or 1
    return [(one.trainer, Fraction(share, whole)) for one, share in zip(updates, shares, strict=True)]


def _exactly(terms: Terms, budget: int) -> Terms:
    """The terms, had they asked for exact Shapley values."""
    scoring = terms.scoring.model_copy(update={"rule": "shapley", "budget": budget})
    return terms.model_copy(update={"scoring": scoring, "guard": "none"})
