"""Values of cooperative games: Shapley's axioms, orders of arrival, first and last, and GTG-Shapley."""

from __future__ import annotations

import hashlib
import struct
from fractions import Fraction
from itertools import islice, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.scoring import chance
from aggregator.scoring.gtg import gtg
from aggregator.scoring.shapley import first_and_last, leave_one_out, sampled, shapley

UTILITY = st.integers(-(10**8), 10**8)


@st.composite
def games(draw, least=1, most=4):
    players = draw(st.integers(least, most))
    utilities = draw(st.lists(UTILITY, min_size=2**players, max_size=2**players))
    return players, dict(enumerate(utilities))


def values(table, players):
    return shapley(table.__getitem__, players)


def by_definition(table, players):
    """The mean of a player's marginal contribution over every order in which players may arrive."""
    orders = list(permutations(range(players)))
    found = [Fraction(0)] * players
    for order in orders:
        mask = 0
        for player in order:
            found[player] += Fraction(table[mask | 1 << player] - table[mask], len(orders))
            mask |= 1 << player
    return found


# --- exact


@given(games())
def test_a_shapley_value_is_the_mean_marginal_contribution_over_all_orders(game):
    players, table = game
    assert values(table, players) == by_definition(table, players)


@given(games(most=6))
def test_efficiency_the_values_add_up_to_what_everybody_gained_together(game):
    players, table = game
    assert sum(values(table, players)) == table[2**players - 1] - table[0]


@given(games())
def test_symmetry_swapping_two_players_swaps_their_values(game):
    players, table = game
    swapped = {_swap(mask, players): utility for mask, utility in table.items()}
    found = values(table, players)
    assert values(swapped, players) == [found[-1], *found[1:-1], found[0]][:players]


def _swap(mask, players):
    last = players - 1
    first_bit, last_bit = mask & 1, mask >> last & 1
    if last == 0:
        return mask
    return mask & ~1 & ~(1 << last) | last_bit | first_bit << last


@given(games())
def test_null_player_who_changes_no_coalition_has_value_zero(game):
    players, table = game
    with_null = table | {mask | 1 << players: utility for mask, utility in table.items()}
    assert values(with_null, players + 1) == [*values(table, players), 0]


@given(st.data())
def test_additivity_the_value_in_a_sum_of_games_is_the_sum_of_values(data):
    players, one = data.draw(games())
    other = {mask: data.draw(UTILITY) for mask in one}
    together = {mask: one[mask] + other[mask] for mask in one}
    pairs = zip(values(one, players), values(other, players), strict=True)
    assert values(together, players) == [a + b for a, b in pairs]


# --- over orders, and at their ends


@given(games(), st.integers(0, 4))
def test_sampled_over_all_orders_the_values_are_shapley_s_whatever_is_enumerated(game, size):
    players, table = game
    orders = list(permutations(range(players)))
    assert sampled(table.__getitem__, players, min(size, players), orders) == values(table, players)


@given(games(most=6), st.binary(max_size=4))
def test_sampled_with_every_size_enumerated_the_values_are_shapley_s_whatever_the_orders(game, seed):
    players, table = game
    one = [next(chance.permutations(seed, players))]
    assert sampled(table.__getitem__, players, players, one) == values(table, players)


@given(games(), st.binary(max_size=4), st.integers(0, 4))
def test_sampled_over_any_orders_the_values_add_up_to_the_whole(game, seed, size):
    players, table = game
    orders = list(islice(chance.permutations(seed, players), 3))
    found = sampled(table.__getitem__, players, min(size, players), orders)
    assert sum(found) == table[2**players - 1] - table[0]


def test_an_order_ranks_players_by_the_digest_of_seed_number_and_player():
    def rank(seed, number, player):
        return hashlib.sha256(seed + struct.pack(">QQ", number, player)).digest()

    for seed in (b"\1" * 32, b"\2" * 32):
        for number, order in enumerate(islice(chance.permutations(seed, 5), 3)):
            assert order == sorted(range(5), key=lambda player: rank(seed, number, player))


def test_every_player_comes_first_about_as_often():
    firsts = [order[0] for order in islice(chance.permutations(b"", 4), 4000)]
    assert all(900 < firsts.count(player) < 1100 for player in range(4))


@given(games())
def test_leave_one_out_is_what_everybody_lose_without_one(game):
    players, table = game
    everybody = sum(1 << i for i in range(players))
    expected = [
        table[everybody] - table[sum(1 << j for j in range(players) if j != i)] for i in range(players)
    ]
    assert leave_one_out(table.__getitem__, players) == expected


@st.composite
def pairwise(draw):
    """A game in which every player and every pair has a worth of its own, and nothing else has."""
    players = draw(st.integers(1, 5))
    alone = draw(st.lists(UTILITY, min_size=players, max_size=players))
    pair = {(i, j): draw(UTILITY) for i in range(players) for j in range(i)}

    def worth(mask):
        inside = [i for i in range(players) if mask >> i & 1]
        return 7 + sum(alone[i] for i in inside) + sum(pair[i, j] for i in inside for j in inside if j < i)

    return players, {mask: worth(mask) for mask in range(2**players)}


@given(pairwise())
def test_first_and_last_are_enough_where_nothing_interacts_but_pairs(game):
    players, table = game
    assert first_and_last(table.__getitem__, players) == values(table, players)


@given(games())
def test_first_and_last_add_up_to_the_whole_in_any_game(game):
    players, table = game
    assert sum(first_and_last(table.__getitem__, players)) == table[2**players - 1] - table[0]


@given(games(least=2, most=5))
def test_first_and_last_are_the_regression_on_the_smallest_and_largest_coalitions(game):
    """Kernel SHAP's weighted least squares, written down as such."""
    players, table = game
    everybody = 2**players - 1
    masks = [m for i in range(players) for m in (1 << i, everybody - (1 << i))]
    z = np.array([[mask >> i & 1 for i in range(players)] for mask in masks], float)
    gain = np.array([table[mask] - table[0] for mask in masks], float)
    whole = float(table[everybody] - table[0])
    x, *_ = np.linalg.lstsq(z[:, :-1] - z[:, -1:], gain - z[:, -1] * whole, rcond=None)
    expected = [*x, whole - x.sum()]
    assert [float(v) for v in first_and_last(table.__getitem__, players)] == pytest.approx(expected, abs=0.01)


# --- GTG-Shapley


class Counting:
    def __init__(self, table):
        self.table = table
        self.asked = set()

    def __call__(self, mask):
        self.asked.add(mask)
        return self.table[mask]


def gtg_reference(table, players, budget, seed):
    """The published pseudo-code (Algorithm 1), with a budget in place of its test for convergence."""
    full = 2**players - 1
    seen, contributions = {0, full}, []
    for k, order in enumerate(islice(chance.permutations(seed, players), budget)):
        guide = k % players
        v = [table[0]]
        phi = [0] * players
        members = 0
        for player in [guide] + [p for p in order if p != guide]:
            if abs(table[full] - v[-1]) < 0.01 * abs(table[full] - table[0]):
                v.append(v[-1])
            else:
                members |= 1 << player
                if members not in seen and len(seen) == budget:
                    return [Fraction(sum(c), len(contributions)) for c in zip(*contributions, strict=True)]
                seen.add(members)
                v.append(table[members])
            phi[player] = v[-1] - v[-2]
        contributions.append(phi)
    return [Fraction(sum(c), len(contributions)) for c in zip(*contributions, strict=True)]


@given(games(most=6), st.integers(0, 40), st.binary(max_size=3))
def test_gtg_is_the_published_algorithm_within_its_budget(game, more, seed):
    players, table = game
    budget = players + 2 + more
    worth = Counting(table)
    assert gtg(worth, players, budget, seed) == gtg_reference(table, players, budget, seed)
    assert len(worth.asked) <= budget


def test_gtg_stops_an_order_where_nothing_is_left_to_gain():
    """Whoever comes later adds nothing, and nothing is evaluated for it."""
    worth = Counting({mask: 1000 if mask & 1 else 0 for mask in range(16)})
    gtg(worth, 4, 6, b"")
    assert worth.asked <= {0, 15, 1} | {mask for mask in range(16) if not mask & 1} | {3, 5, 9, 7, 11, 13}
    assert len(worth.asked) < 10
