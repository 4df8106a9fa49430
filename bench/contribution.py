"""How near estimated shares come to exact Shapley values, from a tenth of the evaluations.

One round of 10 trainers (label skew, Dirichlet 0.5), whose updates are scored by log loss on a quarter of the
rows: models on scikit-learn's digits and breast cancer data, the first and the fourth round, the latter also
with two trainers that flip labels. Beside ours: GTG-Shapley, and the regression of kernel SHAP, at the same
budget. An error is the mean, over trainers and seeds, of how far a share is from the exact one, as a part of
the reward; an equal share of ten is 0.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from math import comb
from statistics import mean

import numpy as np
from figures import Figure
from one_round import OneRound

from aggregator import scoring
from aggregator.scoring.chance import permutations
from aggregator.scoring.estimate import Surrogate, control_variate
from aggregator.scoring.game import Game
from aggregator.scoring.gtg import gtg
from aggregator.scoring.shapley import Worth, of_size, sampled, shapley
from fl.learning.evaluation import Kind

SEEDS = (0, 1, 2)
TRAINERS, BUDGET = 10, 102
MANY, LARGE_BUDGET, ORDERS = 30, 500, 2000
SETTINGS = tuple(
    (data, model, *how)
    for data, models in {"digits": ("MLP", "deep MLP", "CNN"), "breast cancer": ("MLP", "deep MLP")}.items()
    for model in models
    for how in (("round 1", 0, 0), ("round 4", 3, 0), ("round 4, 2 flip labels", 3, 2))
)
"""Data, model, what the round is called, rounds before it, and how many trainers flip labels."""

Values = Sequence[float | Fraction]
Estimates = Mapping[str, Callable[[Game, int], Values]]
OURS, GTG, KERNEL = "ours", "GTG-Shapley", "kernel regression"


def figures() -> Iterator[Figure]:
    """The error in each of the 15 settings, and on average that of each estimate."""
    yield from _settings("log_loss", "shares", 0.007, 4)


def long_figures() -> Iterator[Figure]:
    """By accuracy; and 30 trainers, from 500 evaluations, against a reference of some 50,000."""
    yield from _settings("accuracy", "shares by accuracy", None, 1)
    orders = list(islice(permutations(b"reference", MANY), ORDERS))
    for data, model, called, before, flipping in SETTINGS[:6]:
        one = OneRound(data, model, seed=SEEDS[0], trainers=MANY, before=before, flipping=flipping)
        errors = _errors(one, sampled(one.game(), MANY, 2, orders), LARGE_BUDGET, LARGE)
        setting = f"shares of {MANY}: {data}, {model}, {called}"
        for name, error in errors.items():
            yield Figure(f"{setting}, {name}", error, "of the reward")
        yield Figure(f"{setting}, {GTG} against ours", errors[GTG] / errors[OURS], "times", "at least", 1)


def _settings(utility: Kind, title: str, bound: float | None, times: float) -> Iterator[Figure]:
    errors: dict[str, list[float]] = {name: [] for name in ESTIMATES}
    for data, model, called, before, flipping in SETTINGS:
        rounds = (
            OneRound(
                data, model, seed=seed, trainers=TRAINERS, before=before, flipping=flipping, utility=utility
            )
            for seed in SEEDS
        )
        found = [_errors(one, shapley(one.game(), TRAINERS), BUDGET, ESTIMATES) for one in rounds]
        for name, of_setting in errors.items():
            of_setting.append(mean(one[name] for one in found))
        yield Figure(f"{title}: {data}, {model}, {called}", errors[OURS][-1], "of the reward", bound=bound)
    for name, of_setting in errors.items():
        yield Figure(f"{title}: mean of all, {name}", mean(of_setting), "of the reward")
        yield Figure(f"{title}: worst of all, {name}", max(of_setting), "of the reward")
    ratio = mean(errors[GTG]) / mean(errors[OURS])
    yield Figure(f"{title}: mean of all, {GTG} against ours", ratio, "times", "at least", times)


def _errors(one: OneRound, truth: Values, budget: int, estimates: Estimates) -> dict[str, float]:
    """The mean error of a share, by estimate; each evaluates for itself, and is held to the budget."""
    errors = {}
    for name, estimate in estimates.items():
        game = one.game()
        errors[name] = float(np.abs(_shares(estimate(game, budget)) - _shares(truth)).mean())
        assert len(game.table.true) <= budget, name
    return errors


def _shares(values: Values) -> np.ndarray:
    return np.array(scoring.in_proportion([Fraction(value) for value in values])) / 10**6


# --- what the literature estimates with


def _kernel_regression(worth: Worth, players: int, budget: int) -> Values:
    """Lundberg and Lee (2017): the smallest and largest coalitions, then pairs of complements by chance.

    Covert and Lee (2021) on the pairing.
    """
    weights, everybody = _design(players, budget - 2), (1 << players) - 1
    whole = worth(everybody) - worth(0)
    members = np.array([[mask >> i & 1 for i in range(players)] for mask in weights], float)
    gains = np.array([worth(mask) - worth(0) for mask in weights], float)
    root = np.sqrt(list(weights.values()))
    left = (members[:, :-1] - members[:, -1:]) * root[:, None]
    values, *_ = np.linalg.lstsq(left, (gains - members[:, -1] * whole) * root, rcond=None)
    return [*map(float, values), float(whole - values.sum())]


def _averaged_outputs(game: Game, budget: int) -> Values:
    """Ours without pairs: outputs are averaged, and the rest of the budget corrects them by regression."""
    surrogate = Surrogate(game, ())
    surrogate.mix(range(1, 1 << game.players))
    rest = _kernel_regression(lambda mask: game(mask) - surrogate(mask), game.players, budget)
    return [float(a) + float(b) for a, b in zip(shapley(surrogate, game.players), rest, strict=True)]


def _design(players: int, budget: int) -> dict[int, float]:
    """Coalitions and their weights."""
    everybody, chance = (1 << players) - 1, np.random.default_rng(0)
    weights: dict[int, float] = {}
    size = 1
    while 2 * size < players and 2 * comb(players, size) <= budget - len(weights):
        for mask in of_size(players, size):
            weights[mask] = weights[everybody - mask] = _mass(players, size) / comb(players, size)
        size += 1
    sizes = range(size, players // 2 + 1)
    masses = np.array([_mass(players, one) * (1 if 2 * one < players else 0.5) for one in sizes])
    drawn: set[int] = set()
    while len(drawn) < (budget - len(weights)) // 2:
        one = int(chance.choice(sizes, p=masses / masses.sum()))
        drawn.add(sum(1 << int(player) for player in chance.choice(players, one, replace=False)))
    each = masses.sum() / len(drawn) if drawn else 0.0
    return weights | {mask: each for one in drawn for mask in (one, everybody - one)}


def _mass(players: int, size: int) -> float:
    """The kernel's weight of all coalitions of a size."""
    return (players - 1) / (size * (players - size))


LARGE: Estimates = {
    OURS: lambda game, budget: control_variate(game, budget, b"bench"),
    GTG: lambda game, budget: gtg(game, game.players, budget, b"bench"),
    KERNEL: lambda game, budget: _kernel_regression(game, game.players, budget),
}
ESTIMATES: Estimates = {
    **LARGE,
    "averaged outputs and regression": _averaged_outputs,
    "ours from 22 evaluations": lambda game, _budget: control_variate(game, 22, b"bench"),
    "ours from 44 evaluations": lambda game, _budget: control_variate(game, 44, b"bench"),
}
