"""Means and differences with 95 % intervals, over the seeds of runs.

Intervals are Student's ("The probable error of a mean", 1908): of a mean, of the mean of paired
differences, and of the difference of two means by Welch ("The generalization of 'Student's' problem when
several different population variances are involved", 1947).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from pydantic import ConfigDict
from scipy.special import stdtrit

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean or a difference, its interval where there is one, and in words what it rests on."""

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="strings")  # a diverged run is a finding too

    value: float
    low: float | None
    high: float | None
    basis: str

    @property
    def half(self) -> float | None:
        """Half the width of the interval, which lies around the value evenly."""
        return None if self.high is None else self.high - self.value


def mean(values: Sequence[float]) -> Estimate:
    """The mean of a quantity over runs of different seeds; ValueError for none."""
    if len(values) == 1:
        return Estimate(values[0], None, None, "1 run, no interval")
    return _around_mean(values, f"over {len(values)} runs")


def difference(own: Mapping[int, float], other: Mapping[int, float]) -> Estimate:
    """By how much `own` lies above `other`, both by seed.

    Seeds that both have are paired, if there are at least two; the rest of the seeds is left out then.
    Otherwise the means are compared by Welch's interval; a run alone has none.
    """
    common = sorted(own.keys() & other.keys())
    if len(common) > 1:
        return _around_mean([own[seed] - other[seed] for seed in common], f"paired over {len(common)} seeds")
    one, two = list(own.values()), list(other.values())
    if min(len(one), len(two)) == 1:
        basis = f"{len(one)} against {len(two)}, no interval"
        return Estimate(_mean(one) - _mean(two), None, None, basis)
    return _welch(one, two)


def _around_mean(values: Sequence[float], basis: str) -> Estimate:
    count = len(values)
    if wild := sum(not isfinite(value) for value in values):
        return Estimate(_mean(values), None, None, f"{basis}, {wild} not finite")
    return _interval(_mean(values), _spread(values) / sqrt(count), count - 1, basis)


def _welch(one: Sequence[float], two: Sequence[float]) -> Estimate:
    basis = f"Welch, {len(one)} against {len(two)} runs"
    apart = _mean(one) - _mean(two)
    if not isfinite(apart):
        return Estimate(apart, None, None, f"{basis}, not finite")
    first, second = _spread(one) ** 2 / len(one), _spread(two) ** 2 / len(two)
    uncertain = first**2 / (len(one) - 1) + second**2 / (len(two) - 1)
    freedom = (first + second) ** 2 / uncertain if uncertain else len(one) + len(two) - 2
    return _interval(apart, sqrt(first + second), freedom, basis)


def _interval(value: float, error: float, freedom: float, basis: str) -> Estimate:
    half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    return Estimate(value, value - half, value + half, basis)


def _mean(values: Sequence[float]) -> float:
    with np.errstate(invalid="ignore"):  # infinity less infinity is not a number, and that is said
        return float(np.mean(values))


def _spread(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1))
