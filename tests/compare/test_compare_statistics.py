"""Means and differences with intervals, against computations that are not ours."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.compare.statistics import difference, mean

LOSSES = {1: 0.31, 2: 0.29, 3: 0.35, 4: 0.30}
OTHERS = {1: 0.36, 2: 0.31, 3: 0.41, 4: 0.33}
finite = st.floats(-1e6, 1e6)


def test_a_mean_and_its_interval_are_those_of_a_textbook() -> None:
    found = mean([2.0, 4.0, 6.0])  # standard error 2 / √3, t of 2 degrees of freedom at 97.5 % is 4.30265
    assert found.value == 4
    assert found.half == pytest.approx(4.30265 * 2 / math.sqrt(3), rel=1e-6)
    assert (found.low, found.basis) == (pytest.approx(4 - 4.96828, abs=1e-4), "over 3 runs")


def test_one_run_has_no_interval_and_says_so() -> None:
    found = mean([0.5])
    assert (found.value, found.low, found.high, found.half) == (0.5, None, None, None)
    assert "no interval" in found.basis


def test_seeds_that_both_have_are_paired() -> None:
    found = difference(LOSSES, OTHERS)
    expected = stats.ttest_rel(list(LOSSES.values()), list(OTHERS.values())).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.basis == "paired over 4 seeds"


def test_pairing_leaves_out_seeds_that_only_one_has() -> None:
    found = difference(LOSSES | {9: 100.0}, {8: -100.0} | OTHERS)
    assert (found.value, found.basis) == (pytest.approx(-0.04), "paired over 4 seeds")


def test_without_common_seeds_the_means_are_compared_by_welch() -> None:
    other = {seed + 100: value for seed, value in OTHERS.items() if seed != 4}
    found = difference(LOSSES, other)
    test = stats.ttest_ind(list(LOSSES.values()), list(other.values()), equal_var=False)
    expected = test.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.basis == "Welch, 4 against 3 runs"


def test_one_run_against_others_is_a_difference_without_an_interval() -> None:
    found = difference({1: 0.5}, OTHERS)
    assert found.value == pytest.approx(0.5 - sum(OTHERS.values()) / 4)
    assert (found.low, found.basis) == (None, "1 against 4, no interval")


def test_runs_that_agree_to_the_last_bit_have_an_interval_without_width() -> None:
    same = dict.fromkeys((1, 2, 3), 0.25)
    elsewhere = {seed + 10: 0.5 for seed in same}
    for found, value in ((difference(same, same), 0), (difference(same, elsewhere), -0.25)):
        assert (found.value, found.low, found.high) == (value, value, value)


@pytest.mark.parametrize("diverged", [math.inf, math.nan])
def test_a_run_that_diverged_leaves_no_interval_and_is_counted(diverged: float) -> None:
    assert mean([0.1, diverged, 0.2]).half is None
    assert "1 not finite" in mean([0.1, diverged, 0.2]).basis
    wild = LOSSES | {2: diverged}
    for found in (difference(wild, OTHERS), difference(wild, {7: 0.1, 8: 0.2}), difference(wild, wild)):
        assert not math.isfinite(found.value)
        assert (found.low, found.high) == (None, None)
        assert "not finite" in found.basis


@given(st.lists(finite, min_size=2, max_size=12))
def test_the_interval_of_a_mean_is_scipys(values: list[float]) -> None:
    found = mean(values)
    half = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1)
    assert found.half == pytest.approx(half, rel=1e-6, abs=1e-6)
    assert found.value == pytest.approx(sum(values) / len(values), rel=1e-9, abs=1e-6)


@given(st.dictionaries(st.integers(0, 9), st.tuples(finite, finite), min_size=2))
def test_a_difference_the_other_way_round_is_the_same_with_the_other_sign(
    pairs: dict[int, tuple[float, float]],
) -> None:
    one = {seed: pair[0] for seed, pair in pairs.items()}
    two = {seed: pair[1] for seed, pair in pairs.items()}
    there, back = difference(one, two), difference(two, one)
    assert there.high is not None
    assert back.low is not None
    assert there.value == pytest.approx(-back.value)
    assert there.high == pytest.approx(-back.low)


def test_the_interval_holds_the_truth_in_19_of_20_experiments() -> None:
    chance = random.Random(5)
    held = 0
    for _ in range(2000):
        found = mean([chance.gauss(3, 2) for _ in range(4)])
        held += found.low is not None and found.high is not None and found.low <= 3 <= found.high
    assert 0.935 < held / 2000 < 0.965
