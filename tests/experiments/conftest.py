"""A small run's results, made up by hand: three trainers, three rounds, one refusal, one failed round."""

import pytest

from experiments.loading import load
from experiments.results import (
    Alone,
    Baselines,
    Contributor,
    Credit,
    Gas,
    Metrics,
    Refusal,
    Results,
    Round,
    Seconds,
    Timing,
)

A, B, C = "site-1", "site-2", "[b]site-3"
GAS = Gas(open=48_000, submit=129_000, close=75_000, settle=60_000)
TOKEN = 10**18


def contributor(
    name: str,
    byte: str,
    examples: int,
    share: float,
    quality: float,
    reputation: int,
    tokens: int,
    equal_shares: float,
) -> Contributor:
    earned = str(tokens * TOKEN)
    return Contributor(
        name, "0x" + byte * 20, examples, share, quality, reputation, earned, earned, None, equal_shares
    )


@pytest.fixture
def results() -> Results:
    first = Round(
        round=1,
        outcome="settled",
        metrics=Metrics(0.4, 0.9, 0.95),
        gas=GAS,
        accepted=(A, B, C),
        refused=(),
        credits=tuple(Credit(name, 333_333, str(20 * TOKEN), 5_625) for name in (A, B, C)),
        manifest="11" * 32,
        aggregated=(A, B, C),
    )
    second = Round(2, "failed", Metrics(0.4, 0.9, 0.95), Gas(48_000, 0, 30_000, 0), (), (), (), None, ())
    third = Round(
        round=3,
        outcome="settled",
        metrics=Metrics(0.2, 0.95, 0.98),
        gas=GAS,
        accepted=(A, B),
        refused=(Refusal(C, "not_finite"),),
        credits=(
            Credit(A, 900_000, str(54 * TOKEN), 6_171),
            Credit(B, 100_000, str(6 * TOKEN), 6_171),
            Credit(C, 0, "0", 4_922),
        ),
        manifest="33" * 32,
        aggregated=(A,),
    )
    alone = tuple(Alone(name, Metrics(loss, 0.85, 0.9)) for name, loss in ((A, 0.5), (B, 0.6), (C, 0.7)))
    return Results(
        config=load(overrides=["trainers=3", "rounds=3"]),
        contract="0x" + "ab" * 20,
        task=1,
        weights="cd" * 32,
        initial=Metrics(0.7, 0.5, 0.5),
        final=third.metrics,
        rounds=(first, second, third),
        contributors=(
            contributor(A, "01", 90, 0.6167, 1.0, 6_171, 74, 1.85),
            contributor(B, "02", 60, 0.2167, 1.0, 6_171, 26, 0.65),
            contributor(C, "03", 30, 0.1667, 0.5, 4_922, 20, 0.5),
        ),
        baselines=Baselines(alone, Metrics(0.15, 0.97, 0.99)),
        versions={"fedledger": "0.1.0"},
        timing=Timing(tuple(Seconds(0.1, 0.2, 0.3, 0.4) for _ in range(3)), 3.5),
    )
