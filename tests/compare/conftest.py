"""Results of runs made up by hand, in memory and as folders."""

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from experiments.compare.comparison import Comparison, compare, distinct, grouped
from experiments.compare.facts import facts
from experiments.loading import load
from experiments.results import Contributor, Credit, Gas, Metrics, Results, Round, Seconds, Timing

TOKEN = 10**18
ALL_DIVERGED = Metrics(math.inf, 0.5, 0.5)

Make = Callable[..., Results]


@pytest.fixture
def make() -> Make:
    """A run's results: its settings and seed, its final log loss, and each round's shares by trainer."""
    return _results


def _results(
    *changes: str,
    seed: int = 1,
    loss: float = 0.1,
    shares: Sequence[Sequence[int]] = ((3, 1), (1, 1)),
    bad: Sequence[int] = (),
) -> Results:
    names = [f"site-{number}" for number in range(1, 1 + max([2, *map(len, shares)]))]
    rounds = tuple(
        _round(number, names, paid, _metrics(loss, len(shares) - number, seed))
        for number, paid in enumerate(shares, start=1)
    )
    told = [f"trainers={len(names)}", f"rounds={max(1, len(shares))}", f"seed={seed}", *changes]
    initial = _metrics(loss, len(shares), seed)
    return Results(
        config=load(overrides=told),
        contract="0x" + "ab" * 20,
        task=1,
        weights="cd" * 32,
        initial=initial,
        final=rounds[-1].metrics if rounds else initial,
        rounds=rounds,
        contributors=tuple(
            _contributor(name, len(names), rounds, "label_flip" if number in bad else None)
            for number, name in enumerate(names, start=1)
        ),
        baselines=None,
        timing=Timing(tuple(Seconds(0.1, 0.2, 0.3, 0.4) for _ in rounds), float(len(rounds))),
    )


def _metrics(loss: float, rounds_left: int, seed: int) -> Metrics:
    if not math.isfinite(loss):
        return ALL_DIVERGED
    noise = random.Random(f"{rounds_left} {seed}").random() / 50 if rounds_left else 0
    value = loss + 0.1 * rounds_left + noise
    return Metrics(value, 1 - value / 2, 1 - value / 4)


def _round(number: int, names: Sequence[str], shares: Sequence[int], metrics: Metrics) -> Round:
    """Pays 100 tokens; without shares it is a failed round."""
    whole = sum(shares)
    credits = tuple(
        Credit(name, share, str(100 * TOKEN * share // whole), 5_000)
        for name, share in zip(names, shares, strict=bool(shares))
    )
    gas = Gas(49_000, 43_000 * len(shares), 75_000, 65_000 if shares else 0)
    return Round(
        number,
        "settled" if shares else "failed: below_quorum",
        metrics,
        gas,
        tuple(names) if shares else (),
        (),
        credits,
        "11" * 32 if shares else None,
        tuple(names) if shares else (),
    )


def _contributor(name: str, of: int, rounds: Sequence[Round], misbehaviour: str | None) -> Contributor:
    credits = [one for ended in rounds for one in ended.credits]
    earned = sum(int(one.earned) for one in credits if one.trainer == name)
    whole = sum(int(one.earned) for one in credits)
    return Contributor(
        name=name,
        address="0x" + name[-1] * 40,
        examples=90,
        share=0.5,
        quality=1.0,
        reputation=5_000,
        earned=str(earned),
        balance=str(earned),
        misbehaviour=misbehaviour,
        equal_shares=earned * of / whole if whole else None,
    )


@pytest.fixture
def compared() -> Callable[..., Comparison]:
    """A comparison of results, against a group if one is named."""

    def comparing(*results: Results, against: str | None = None) -> Comparison:
        runs = [(facts(Path(f"runs/{number}"), one), one) for number, one in enumerate(results, start=1)]
        known, repeated = distinct(runs)
        return compare(grouped(known), against, repeated=repeated)

    return comparing


Put = Callable[[Path, Results], Path]


@pytest.fixture
def put() -> Put:
    """Writes results as a run leaves them."""

    def write(folder: Path, results: Results) -> Path:
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(results.config.to_toml())
        results.write(folder)
        return folder

    return write


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A data file that is there; nobody reads it."""
    file = tmp_path / "rows.csv"
    file.write_text("x,y\n")
    return file


@pytest.fixture
def runs(make: Make, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with four finished runs in `runs`: two rules, seeds 1 and 2 each."""
    monkeypatch.chdir(tmp_path)
    for rule, loss in (("FedAvg", 0.1), ("FedMedian", 0.2)):
        for seed in (1, 2):
            put(
                tmp_path / f"runs/{rule}-{seed}", make(f"rule.name={rule}", seed=seed, loss=loss + seed / 100)
            )
    return tmp_path
