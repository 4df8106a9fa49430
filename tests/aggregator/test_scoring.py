"""What values mean: the arithmetic of shares, guards, what scoring costs, and the table's bytes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import scoring
from aggregator.types import Update
from fl.errors import DocumentError, UsageError

UTILITY = st.integers(-(10**8), 10**8)


TABLES = st.dictionaries(st.integers(0, 2**512 - 1), UTILITY, max_size=20)


def updates(*examples):
    return [Update(f"trainer {i}", {}, count, {}) for i, count in enumerate(examples)]


def scored(terms, table, players=2):
    """The game of this table, as a round of these terms scores it."""
    return scoring.score(terms, b"seed", updates(*[1] * players), {}, lambda mask, _arrays: table[mask])


def shares(terms, table, players=2):
    return scoring.shares(terms, updates(*[1] * players), scored(terms, table, players))


# --- shares


@given(st.lists(st.fractions(), min_size=1, max_size=8))
def test_a_share_is_the_floor_of_a_million_times_its_part_of_what_is_positive(values):
    shares = scoring.in_proportion(values)
    total = sum(value for value in values if value > 0)
    for value, share in zip(values, shares, strict=True):
        if value <= 0:
            assert share == 0
        else:
            assert share <= 10**6 * value / total < share + 1
    assert not total or 10**6 - len(values) < sum(shares) <= 10**6


def test_nobody_of_positive_value_means_no_share_at_all():
    assert scoring.in_proportion([Fraction(0), Fraction(-3)]) == [0, 0]


def test_shapley_shares_are_in_proportion_to_the_positive_values(make_terms):
    # 0 gains 3 alone, 1 gains 1, 2 loses 2; no synergy, so these are their values
    worth = [3_000_000, 1_000_000, -2_000_000]
    table = {mask: sum(w for i, w in enumerate(worth) if mask >> i & 1) for mask in range(8)}
    assert shares(make_terms(scoring="shapley"), table, players=3) == [750_000, 250_000, 0]


@pytest.mark.parametrize(("gain", "expected"), [(1000, [1, 1]), (1001, [1_000_000, 0])])
def test_up_to_the_minimum_gain_everybody_who_did_no_harm_shares_equally(make_terms, gain, expected):
    table = {0: 5, 1: 5 + gain, 2: 5, 3: 5 + gain}
    assert shares(make_terms(scoring="shapley", minimum_gain=1000), table) == expected


def test_below_the_minimum_gain_sabotage_is_still_not_paid(make_terms):
    table = {0: 0, 1: 10, 2: -500_000, 3: -499_990}
    assert shares(make_terms(scoring="shapley", minimum_gain=1000), table) == [1, 0]


def test_the_minimum_gain_looks_at_the_best_coalition_not_at_everybody_together(make_terms):
    table = {0: 0, 1: 500_000, 2: -900_000, 3: -400_000}
    terms = make_terms(scoring="shapley", minimum_gain=1000)
    assert shares(terms, table) == [1_000_000, 0]


def test_equal_shares_are_one_each(make_terms):
    assert scoring.shares(make_terms(scoring="equal"), updates(5, 50, 500), scoring.Scored()) == [1, 1, 1]


def test_shares_by_examples_are_in_proportion_to_them(make_terms):
    assert scoring.shares(make_terms(scoring="examples"), updates(1, 2, 3), scoring.Scored()) == [
        166_666,
        333_333,
        500_000,
    ]


# --- what it costs


@pytest.mark.parametrize(
    ("rule", "guard", "trainers", "least"),
    [
        ("shapley", "none", 2, 4),  # all coalitions
        ("shapley", "none", 10, 22),
        ("shapley", "best", 10, 32),
        ("shapley", "best", 3, 8),  # all of them: the guard needs no more
        ("leave_one_out", "positive", 10, 12),
        ("gtg", "best", 10, 22),
        ("equal", "best", 10, 32),  # the guard needs Shapley values
    ],
)
def test_a_budget_is_refused_below_what_the_values_take(make_terms, rule, guard, trainers, least):
    scoring.demand_affordable(make_terms(scoring=rule, guard=guard, budget=least), trainers)
    with pytest.raises(UsageError) as refusal:
        scoring.demand_affordable(make_terms(scoring=rule, guard=guard, budget=least - 1), trainers)
    assert f"{least} evaluations" in refusal.value.message
    assert '"equal"' in refusal.value.hint


@pytest.mark.parametrize("rule", ["equal", "examples"])
def test_shares_that_need_no_utility_have_no_budget(make_terms, rule):
    scoring.demand_affordable(make_terms(scoring=rule, budget=1), 500)


# --- the model of a coalition


BASE = {"w": np.zeros(2, np.float32), "n": np.array(0, np.int64)}


def update(w, n, examples):
    return Update("", {"w": np.array(w, np.float32), "n": np.array(n, np.int64)}, examples, {})


def test_the_model_of_a_coalition_is_the_mean_by_examples_in_which_everybody_else_stands_still():
    members = [update([1, 2], 1, 3), update([100, 100], 9, 4), update([5, 6], 3, 1)]
    base = {"w": np.array([4, 8], np.float32), "n": np.array(1, np.int64)}
    model = scoring.coalition(0b101, members, base)
    assert model["w"].dtype == np.float32
    assert model["w"].tolist() == [(1 * 3 + 4 * 4 + 5 * 1) / 8, (2 * 3 + 8 * 4 + 6 * 1) / 8]
    assert model["n"].dtype == np.int64
    assert model["n"] == 1  # 1.25, half to even


@given(st.integers(0, 7), st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3))
def test_an_update_that_is_the_base_changes_no_coalition(mask, values):
    base = {"w": np.array([7, -3], np.float32), "n": np.array(2, np.int64)}
    still = [update([value, 1], 5, 10) for value in values]
    still.append(Update("", base, 40, {}))
    without, with_it = (scoring.coalition(mask | joined, still, base) for joined in (0, 8))
    assert with_it["w"] == pytest.approx(without["w"], rel=1e-6)
    assert with_it["n"] == without["n"]


def test_nobody_s_model_is_the_base():
    assert scoring.coalition(0, [update([1, 2], 1, 3)], BASE) is BASE


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3))
def test_the_mean_is_summed_in_chain_order_in_float64_so_its_bits_are_the_same_everywhere(values):
    members = [update([value, -value], i, i + 1) for i, value in enumerate(values)]
    first, second, third = (float(value) for value in values)
    mean = (first * 1 + second * 2 + third * 3) / 6
    assert scoring.coalition(7, members, BASE)["w"].tolist() == [np.float32(mean), np.float32(-mean)]


def test_every_coalition_is_measured_once_on_its_own_model(make_terms):
    members, asked = [update([1, 0], 0, 1), update([0, 1], 0, 1)], []

    def utility(mask, model):
        asked.append((mask, model["w"].tolist()))
        return mask * 10

    scored = scoring.score(make_terms(scoring="shapley"), b"", members, BASE, utility)
    assert scored.table == scoring.Table({0: 0, 1: 10, 2: 20, 3: 30})
    assert asked == [(0, [0, 0]), (1, [0.5, 0]), (2, [0, 0.5]), (3, [0.5, 0.5])]


# --- guards


@pytest.fixture
def chosen(make_terms):
    def chosen(guard, table, players=2):
        members = updates(*[1] * players)
        terms = make_terms(guard=guard, tolerance=5)
        found = scored(terms, table, players) if table else scoring.Scored()
        return [members.index(member) for member in scoring.guarded(terms, members, found)]

    return chosen


def test_without_a_guard_everybody_is_in_the_aggregate(chosen):
    assert chosen("none", {}) == [0, 1]


def test_positive_sets_aside_whose_value_is_not_positive(chosen):
    assert chosen("positive", {0: 0, 1: 800, 2: -200, 3: 600}) == [0]
    assert chosen("positive", {0: 0, 1: 800, 2: 0, 3: 800}) == [0]
    assert chosen("positive", {0: 0, 1: 800, 2: 100, 3: 900}) == [0, 1]
    assert chosen("positive", {0: 0, 1: -100, 2: -100, 3: -200}) == []


def test_best_lets_in_the_coalition_of_highest_utility(chosen):
    assert chosen("best", {0: 0, 1: 800, 2: 900, 3: 500}) == [1]
    assert chosen("best", {0: 1000, 1: 800, 2: 900, 3: 500}) == []


def test_of_equally_good_coalitions_the_smaller_wins_then_the_better_then_the_one_that_submitted_first(
    chosen,
):
    """Who adds nothing stands still, and in the mean it would only shorten the others' step."""
    assert chosen("best", {0: 900, 1: 900, 2: 900, 3: 900}) == []
    assert chosen("best", {0: 0, 1: 900, 2: 0, 3: 900}) == [0]
    assert chosen("best", {0: 0, 1: 900, 2: 900, 3: 500}) == [0]
    assert chosen("best", {0: 0, 1: 900, 2: 901, 3: 500}) == [1]
    game = {mask: 900 if mask.bit_count() == 2 else 0 for mask in range(8)}
    assert chosen("best", game, players=3) == [0, 1]


def test_no_guard_lets_in_for_what_two_machines_cannot_tell_apart(chosen):
    """Each of two utilities may be off by the tolerance: nobody gets in by a lie within it."""
    assert chosen("positive", {0: 0, 1: 900, 2: 10, 3: 910}) == [0]
    assert chosen("positive", {0: 0, 1: 900, 2: 11, 3: 911}) == [0, 1]
    assert chosen("best", {0: 0, 1: 900, 2: 10, 3: 910}) == [0]
    assert chosen("best", {0: 0, 1: 900, 2: 11, 3: 911}) == [0, 1]


def test_at_convergence_a_lie_within_the_tolerance_takes_nobodys_pay(make_terms):
    terms = make_terms(scoring="shapley", minimum_gain=1000, tolerance=5)
    assert shares(terms, {0: 0, 1: 5, 2: -5, 3: 0}) == [1, 1]
    assert shares(terms, {0: 0, 1: 0, 2: -11, 3: -11}) == [1, 0]


# --- the table as a blob


@given(TABLES, TABLES)
def test_a_table_comes_back_from_its_bytes(true, surrogate):
    table = scoring.Table(true, surrogate)
    assert scoring.decode_table(scoring.encode_table(table)) == table


def test_equal_tables_have_equal_bytes_whatever_their_order():
    written = b"fedledger utilities 2\n0 -1\n2 5\nb 7\n~2 4\n~b 8\n"
    assert scoring.encode_table(scoring.Table({2: 5, 0: -1, 11: 7}, {11: 8, 2: 4})) == written
    assert scoring.encode_table(scoring.Table({0: -1, 11: 7, 2: 5}, {2: 4, 11: 8})) == written


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"0 1\n",
        b"fedledger utilities 1\n0 1\n",
        b"fedledger utilities 2\n0 1",
        b"fedledger utilities 2\n0 1\r\n",
        b"fedledger utilities 2\n0  1\n",
        b"fedledger utilities 2\n0 01\n",
        b"fedledger utilities 2\n0 +1\n",
        b"fedledger utilities 2\n0 1_0\n",
        b"fedledger utilities 2\n0 1.0\n",
        b"fedledger utilities 2\nA 1\n",
        b"fedledger utilities 2\n1 1\n0 1\n",
        b"fedledger utilities 2\n0 1\n0 1\n",
        b"fedledger utilities 2\n0 1\n0 2\n",
        b"fedledger utilities 2\n~1 1\n0 1\n",
        b"fedledger utilities 2\n~~1 1\n",
        b"fedledger utilities 2\n~ 1\n",
        b"fedledger utilities 2\n0 " + b"9" * 5000 + b"\n",
        "fedledger utilities 2\n0 ١\n".encode(),
    ],
)
def test_any_other_table_is_refused(data):
    with pytest.raises(DocumentError):
        scoring.decode_table(data)


@given(st.binary(max_size=64).map(lambda tail: b"fedledger utilities 2\n" + tail) | st.binary(max_size=64))
def test_arbitrary_bytes_are_a_table_s_own_or_refused(data):
    try:
        table = scoring.decode_table(data)
    except DocumentError:
        return
    assert scoring.encode_table(table) == data
