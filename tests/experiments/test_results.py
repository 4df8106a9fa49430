"""results.json: what a run found, apart from how long it took."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.loading import load
from experiments.results import Metrics, Results, Timing
from fl.errors import UsageError


def test_results_read_back_as_they_were_written(results: Results, tmp_path: Path) -> None:
    results.write(tmp_path)
    assert Results.read(tmp_path) == results


def test_a_metric_that_is_not_finite_is_still_json(results: Results, tmp_path: Path) -> None:
    diverged = replace(results, final=Metrics(math.inf, 0.5, math.nan))
    file = diverged.write(tmp_path)
    json.loads(file.read_text("utf-8"), parse_constant=pytest.fail)
    final = Results.read(tmp_path).final
    assert final.log_loss == math.inf
    assert math.isnan(final.auc)


def test_the_facts_do_not_depend_on_time_or_workers(results: Results) -> None:
    config = load(overrides=["trainers=3", "rounds=3", "workers=4"])
    other = replace(results, timing=Timing((), 99.0), config=config, versions={})
    assert other.facts() == results.facts()


def test_the_facts_depend_on_everything_else(results: Results) -> None:
    assert replace(results, weights="ee" * 32).facts() != results.facts()
    assert replace(results, rounds=results.rounds[:2]).facts() != results.facts()


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "cannot be read"), ("{}", "is not what a run writes")]
)
def test_a_folder_without_good_results_is_refused(tmp_path: Path, content: str | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(UsageError, match=sentence):
        Results.read(tmp_path)
