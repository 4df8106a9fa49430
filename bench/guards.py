"""Guards against Flower's robust rules under attack: what attackers earn, and what the model is worth.

    python bench/guards.py [DIR]

Five sweeps, some 550 runs of the preset `digits`: see bench/studies. They go on where they were stopped, in
DIR or runs/guards. Accuracies are of test rows that neither training nor scoring has seen; a setting is the
mean of three seeds. The table of settings is kept in bench/long/guards.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from figures import Figure

from experiments.folder import MODEL
from experiments.results import Results
from experiments.setup import TEST
from experiments.terms import model_of
from fl import weights
from fl.examples import decode_examples
from fl.learning import evaluation, models

HERE = Path(__file__).parent
STUDIES, KEPT = HERE / "studies", HERE / "long" / "guards.json"
RUNS = HERE.parent / "runs" / "guards"
FL = Path(sys.executable).with_name("fl")

GUARDS = ("best", "positive")
BY_SHAPLEY = (*GUARDS, "FedAvg")
OTHERS = ("FedAvg", "FedMedian", "FedTrimmedAvg", "Krum", "MultiKrum", "Bulyan")
SETTING = ["data", "attack", "defence"]
STUDIED = ("guards", "lost", "others", "refused", "unusual")
NINE, CLASSES = 9, 10


def long_figures(folder: Path = RUNS) -> Iterator[Figure]:
    """What is asked of guards, and what they cost an honest trainer with unusual data."""
    guards, lost, others, refused, unusual = (_swept(name, folder) for name in STUDIED)
    unusual = unusual.join(pd.DataFrame([_of_the_last(folder / "unusual" / one) for one in unusual.folder]))
    kept = (
        _means(guards, SETTING),
        _means(lost.assign(attack="absent"), ["data", "attack", "attackers"]),
        _means(others, _GUARDED),
        _means(refused, SETTING),
        _means(unusual.assign(attack="none"), _GUARDED),
    )
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text("[\n" + ",\n".join(json.dumps(row) for part in kept for row in part) + "\n]\n")
    yield from _earned(guards)
    yield from _kept(guards)
    yield from _beyond(guards, lost)
    yield from _against_others(guards)
    yield from _costs(unusual)


_GUARDED = ["data", "attack", "scoring.guard"]


def _swept(name: str, folder: Path) -> pd.DataFrame:
    """The table of a sweep, which is run first, as far as it is not there."""
    words = [FL, "sweep", f"{name}.toml", "--out", (folder / name).absolute(), "--workers", "2", "--json"]
    subprocess.run(words, cwd=STUDIES, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
    return pd.read_parquet(folder / name / "table.parquet")


def _means(table: pd.DataFrame, keys: list[str]) -> list[dict[str, Any]]:
    """Mean and standard deviation over the seeds of what there is about each setting."""
    found = []
    for setting, rows in table.groupby(keys, sort=False):
        numbers = rows[[column for column in _NUMBERS if column in rows]].astype(float)
        means = {column: _rounded(values.mean()) for column, values in numbers.items()}
        spread = {f"{column}_sd": _rounded(values.std()) for column, values in numbers.items()}
        found.append({**dict(zip(keys, setting, strict=True)), "seeds": len(rows), **means, **spread})
    return found


_NUMBERS = (
    "accuracy", "log_loss", "earned_honest", "earned_misbehaving", "nines", "earned_last", "set_aside",
)  # fmt: skip


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)


def _settings(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """Means over the seeds: a line for each data and attack, a column for each defence."""
    return table.groupby(SETTING)[value].mean().unstack("defence")


def _attacked(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop("none", level="attack")


# --- the figures


def _earned(table: pd.DataFrame) -> Iterator[Figure]:
    """What attackers earned on average, in the setting where they earned most, of an equal share."""
    earned = _attacked(_settings(table, "earned_misbehaving"))
    for defence in BY_SHAPLEY:
        name = f"guards: what the mean attacker earns at most, {defence}"
        yield Figure(name, earned[defence].max(), "equal shares", bound=0.05)


def _kept(table: pd.DataFrame) -> Iterator[Figure]:
    """Points of accuracy that the worst attack takes from a guarded run."""
    accuracy = 100 * _settings(table, "accuracy")
    lost = accuracy.xs("none", level="attack") - _attacked(accuracy)
    for guard in GUARDS:
        for data, bound in (("iid", 1), ("dirichlet", 3)):
            name = f"guards: accuracy lost to the worst attack, {guard}, {data}"
            yield Figure(name, lost[guard].xs(data, level="data").max(), "points", bound=bound)


def _beyond(table: pd.DataFrame, lost: pd.DataFrame) -> Iterator[Figure]:
    """Points below runs in which those trainers stay away: what attacks cost beside the attackers' data."""
    accuracy = 100 * _attacked(_settings(table, "accuracy"))
    alone = 100 * lost.groupby(["data", "attackers"])["accuracy"].mean()
    undisturbed = [alone[data, int(attack.rpartition("-")[2])] for data, attack in accuracy.index]
    for guard in GUARDS:
        below = undisturbed - accuracy[guard]
        for data in ("iid", "dirichlet"):
            name = f"guards: accuracy below runs without the attackers at worst, {guard}, {data}"
            yield Figure(name, below.xs(data, level="data").max(), "points")


def _against_others(table: pd.DataFrame) -> Iterator[Figure]:
    """Points of accuracy between a guard and the best of the other rules in each attacked setting."""
    accuracy = _attacked(100 * _settings(table, "accuracy"))
    best_other = accuracy[list(OTHERS)].max(axis=1)
    for guard in GUARDS:
        above = accuracy[guard] - best_other
        yield Figure(
            f"guards: {guard} above the best other rule, worst", above.min(), "points", "at least", -0.5
        )
        yield Figure(
            f"guards: {guard} above the best other rule, mean", above.mean(), "points", "at least", 3
        )
        means = accuracy[list(OTHERS)].mean()
        name = f"guards: {guard} above {means.idxmax()}, the best other rule on average"
        yield Figure(name, accuracy[guard].mean() - means.max(), "points")


def _costs(table: pd.DataFrame) -> Iterator[Figure]:
    """What becomes of an honest trainer whose data are unlike the others', where nobody attacks."""
    means = table.groupby(["data", "scoring.guard"])[["nines", "earned_last", "set_aside"]].mean()
    for guard in ("best", "positive", "none"):
        alone, small = means.loc[("only_one_with_nines", guard)], means.loc[("eight_rows", guard)]
        yield Figure(f"unusual: nines read right, guard {guard}", 100 * alone["nines"], "%")
        yield Figure(
            f"unusual: earned by their only owner, guard {guard}", alone["earned_last"], "equal shares"
        )
        yield Figure(f"unusual: rounds it was set aside, guard {guard}", 100 * alone["set_aside"], "%")
        yield Figure(f"unusual: earned with eight rows, guard {guard}", small["earned_last"], "equal shares")
        yield Figure(
            f"unusual: rounds eight rows were set aside, guard {guard}", 100 * small["set_aside"], "%"
        )


def _of_the_last(cell: Path) -> dict[str, float | None]:
    """How many nines a cell's model reads, what the last trainer earned, and how often it was set aside."""
    found = Results.read(cell)
    last = found.contributors[-1]
    updates = found.updates_of(last.name)
    return {
        "nines": _nines(found, cell),
        "earned_last": last.equal_shares,
        "set_aside": updates.count("set aside") / len(updates),
    }


def _nines(found: Results, cell: Path) -> float:
    x, y = decode_examples((cell / TEST).read_bytes())
    module = models.build(model_of(found.config), x.shape[1], CLASSES)
    arrays = weights.decode((cell / MODEL).read_bytes(), list(module.state_dict()))
    logits = evaluation.logits(module, arrays, torch.tensor(x[y == NINE]))
    return float((logits.argmax(axis=1) == NINE).mean())


if __name__ == "__main__":
    for one in long_figures(*map(Path, sys.argv[1:])):
        print(
            f"{one.name}: {one.value:.3f} {one.unit}", {None: "", True: "(met)", False: "(MISSED)"}[one.met]
        )
