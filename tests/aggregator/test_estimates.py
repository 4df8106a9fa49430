"""Estimated Shapley values: exact where they should be, near elsewhere, the same again, and hard to spoil."""

from __future__ import annotations

import numpy as np
import pytest
from games import Modelled, bent, linear, players, quadratic
from hypothesis import given
from hypothesis import strategies as st

from aggregator import scoring
from aggregator.scoring.estimate import MAX_SURROGATES, control_variate, tamed
from aggregator.scoring.game import Game
from aggregator.scoring.gtg import gtg
from aggregator.scoring.mixture import Mixture, choose_pairs
from aggregator.scoring.shapley import shapley

SEED = b"\5" * 32


def game_of(outputs, count, **how):
    return Game(*players(count, **how), Modelled(outputs))


def all_pairs(count):
    """The evaluations with which every pair is measured."""
    return 2 + 2 * count + count * (count - 1) // 2


def exact(game):
    return np.array(shapley(game, game.players), float)


def error(values, truth):
    """The mean error of a share."""
    found, right = (np.clip(np.array(one, float), 0, None) for one in (values, truth))
    return np.abs(found / found.sum() - right / right.sum()).mean()


# --- the surrogate


def test_a_linear_model_is_exact_with_the_fewest_evaluations():
    """Its outputs are linear in the weights, so averaging outputs and averaging weights is the same."""
    game = game_of(linear, 7)
    values = np.array(control_variate(game, 16, SEED), float)
    assert len(game.table.true) == 16
    assert values == pytest.approx(exact(game), abs=4)  # millionths: each utility is rounded


def test_a_model_of_the_second_degree_is_exact_once_every_pair_is_measured():
    game = game_of(quadratic, 7)
    values = np.array(control_variate(game, all_pairs(7), SEED), float)
    assert len(game.table.true) == all_pairs(7)
    assert values == pytest.approx(exact(game), abs=4)
    fewest = control_variate(game_of(quadratic, 7), 16, SEED)
    assert error(fewest, exact(game)) > 0.003


@pytest.mark.parametrize("size", [0.1, 0.3])
def test_the_estimate_of_a_network_is_near_and_nearer_than_gtg(size):
    truth = exact(game_of(bent, 9, size=size))
    guided = error(gtg(game_of(bent, 9, size=size), 9, all_pairs(9), SEED), truth)
    for budget in (20, all_pairs(9)):
        found = error(control_variate(game_of(bent, 9, size=size), budget, SEED), truth)
        assert found < 0.006
        assert 2 * found < guided


def test_coefficients_give_back_what_was_measured():
    """A trainer alone and a measured pair are their own outputs, and everybody's add up to one."""
    examples, pairs = [30, 70, 20, 110], [(0, 1), (2, 3), (0, 2), (1, 3), (0, 3)]
    masks = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1], [0, 1, 1, 0]]
    found = Mixture(examples, pairs).coefficients(np.array(masks, float))
    expected = np.zeros((4, 10))
    expected[[0, 1, 2, 3], [1, 2, 6, 9]] = 1
    assert found[:4] == pytest.approx(expected, abs=1e-12)
    assert found.sum(axis=1) == pytest.approx(np.ones(6))


@given(st.lists(st.integers(1, 2**53), min_size=2, max_size=7))
def test_where_every_pair_is_measured_each_counts_once_in_the_coalitions_that_it_is_in(examples):
    """However different the sizes: rounding errors of a pair's outputs are never magnified."""
    count = len(examples)
    masks = np.array([[mask >> i & 1 for i in range(count)] for mask in range(1, 2**count)], float)
    pairs = choose_pairs(examples, count**2)
    found = Mixture(examples, pairs).coefficients(masks)[:, 1 + count :]
    for column, (i, j) in enumerate(pairs):
        assert found[:, column].tolist() == (masks[:, i] * masks[:, j]).tolist()


def test_without_pairs_each_adds_what_it_adds_to_the_base():
    assert Mixture([10, 20, 30], []).coefficients(np.array([[1.0, 0, 1]])).tolist() == [[-1, 1, 0, 1]]


def test_pairs_that_were_not_measured_are_taken_to_be_additive():
    """Where updates bend in ways of their own, the mixture is right although most pairs are unmeasured."""
    count, chance = 8, np.random.default_rng(3)
    examples = chance.integers(10, 90, count).tolist()
    base, *single = chance.normal(size=count + 1)
    parts, y = np.array(examples) / sum(examples), chance.normal(size=count)
    pairs = choose_pairs(examples, 2 * count - 3)
    assert len(pairs) == 13

    def outputs(members):
        together = members[:, None] * members
        bends = [together[i, j] * (parts[j] * y[i] + parts[i] * y[j]) for i in range(count) for j in range(i)]
        return base + members @ single + sum(bends)

    rows = np.eye(count)
    measured = [outputs(0 * rows[0]), *(outputs(row) for row in rows)]
    measured += [outputs(rows[i] + rows[j]) for i, j in pairs]
    masks = chance.integers(0, 2, (20, count)).astype(float)
    found = Mixture(examples, pairs).coefficients(masks) @ measured
    assert found == pytest.approx([outputs(members) for members in masks])


def test_pairs_of_similar_size_come_first_and_too_few_are_none():
    assert choose_pairs([50, 10, 40, 20], 100) == [(1, 3), (3, 2), (2, 0), (1, 2), (3, 0), (1, 0)]
    assert choose_pairs([50, 10, 40, 20], 5) == [(1, 3), (3, 2), (2, 0), (1, 2), (3, 0)]
    assert choose_pairs([50, 10, 40, 20], 4) == []


# --- large rounds


def test_above_fourteen_trainers_the_surrogate_is_sampled_in_orders_of_the_seed():
    game, again, other = (game_of(linear, 16, size=0.3) for _ in range(3))
    values = control_variate(game, 40, SEED)
    assert control_variate(again, 40, SEED) == values
    assert again.table == game.table
    assert control_variate(other, 40, b"another") != values
    assert len(game.table.true) == 34  # too few are left for pairs
    assert len(game.table.surrogate) <= MAX_SURROGATES + 2 * 16 + 1
    everybody = 2**16 - 1
    assert sum(values) == pytest.approx(game(everybody) - game(0))
    assert error(values, control_variate(other, 40, b"a third")) < 0.01


@pytest.mark.slow
def test_sixty_trainers_are_scored_within_the_default_budget():
    game = game_of(bent, 60)
    values = control_variate(game, 1024, SEED)
    assert len(game.table.true) <= 1024
    assert sum(values) == game(2**60 - 1) - game(0)


# --- models that say nothing, or too much


def test_absurd_outputs_are_bounded_and_nan_says_nothing():
    wild = np.array([[np.nan, np.inf, -np.inf, 1e300, 3.0]])
    assert tamed(wild).tolist() == [[0.0, 1e6, -1e6, 1e6, 3.0]]


@pytest.mark.parametrize("absurd", [np.nan, np.inf, 1e200])
def test_an_absurd_model_takes_nothing_from_anybody_else(absurd):
    """Its own value is negative; the others' are as good an estimate as without it."""
    updates, base = players(6)
    updates[2].arrays["w"] = updates[2].arrays["w"] * absurd

    class Bounded(Modelled):
        def of_outputs(self, coalition, outputs):
            return super().of_outputs(coalition, outputs) if np.isfinite(outputs).all() else -100_000_000

    with np.errstate(all="ignore"):
        game = Game(updates, base, Bounded(bent))
        truth, values = exact(game), control_variate(game, all_pairs(6), SEED)
    assert values[2] < 0
    assert truth[2] < 0
    assert np.isfinite(np.array(values, float)).all()
    # every coalition with it is worthless, so each value is dominated by the one step of 100 nats
    assert np.array(values, float) == pytest.approx(truth, rel=0.1, abs=2_000_000)


# --- rounds


def terms(make_terms, rule, guard="none", budget=12, **changes):
    return make_terms(scoring=rule, guard=guard, budget=budget, **changes)


@pytest.mark.parametrize("rule", ["shapley", "gtg", "leave_one_out"])
@pytest.mark.parametrize("guard", ["none", "positive", "best"])
def test_no_rule_evaluates_more_than_the_budget(make_terms, rule, guard):
    updates, base = players(8)
    for budget in (26, 30, 44, 60):
        utility = Modelled(bent)
        agreed = terms(make_terms, rule, guard, budget)
        scoring.demand_affordable(agreed, 8)
        scored = scoring.score(agreed, SEED, updates, base, utility)
        assert len(utility.measured) == len(set(utility.measured)) == len(scored.table.true) <= budget


def test_the_guard_best_tries_the_best_trainers_together(make_terms):
    """Three of eight push the wrong way: no trainer or pair alone is as good as the other five together."""
    updates, base = players(8, size=1.5)
    truth = np.random.default_rng(9).normal(size=base["w"].shape)
    utility = Modelled(linear)
    utility.y = (utility.x @ truth).argmax(axis=1)
    for i, update in enumerate(updates):
        update.arrays["w"] += truth * (-2 if i < 3 else 2)
    agreed = terms(make_terms, "shapley", "best", 26)
    scored = scoring.score(agreed, SEED, updates, base, utility)
    chosen = [update.trainer for update in scoring.guarded(agreed, updates, scored)]
    assert set(chosen) <= {f"trainer {i}" for i in range(3, 8)}
    assert len(chosen) >= 3


def test_a_value_may_be_off_by_more_tolerances_where_it_is_estimated(make_terms):
    updates, base = players(6)
    estimated = scoring.score(
        terms(make_terms, "shapley", budget=14, tolerance=3, minimum_gain=300),
        SEED,
        updates,
        base,
        Modelled(bent),
    )
    exact_ = scoring.score(
        terms(make_terms, "shapley", budget=64, tolerance=3, minimum_gain=300),
        SEED,
        updates,
        base,
        Modelled(bent),
    )
    assert (estimated.doubt, exact_.doubt) == (24, 6)


def test_rows_that_are_alike_stay_alike_in_every_mixture():
    """Ties decide an AUC, and a product of matrices ends in other digits in other columns."""
    updates, base = players(12)
    seen = []

    class Repeated(Modelled):
        def of_outputs(self, coalition, outputs):
            seen.append(len(np.unique(outputs, axis=0)))
            return super().of_outputs(coalition, outputs)

    utility = Repeated(bent)
    utility.x, utility.y = utility.x[np.arange(201) % 6], np.arange(201) % 3
    control_variate(Game(updates, base, utility), 120, SEED)
    assert len(seen) > 4000
    assert max(seen) <= 6
