"""Which runs are meant by the folders that somebody names."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.compare.finding import Found, find
from experiments.results import Results
from fl.errors import UsageError

Make = Callable[..., Results]
Put = Callable[[Path, Results], Path]


def names(found: Found) -> list[str]:
    return [str(folder) for folder, _ in found.runs]


def test_a_folder_of_runs_means_the_runs_in_it_by_name(runs: Path, make: Make) -> None:
    (runs / "runs/notes").mkdir()
    (runs / "runs/notes.txt").write_text("FedMedian was slow")
    found = find([Path("runs")])
    assert names(found) == ["runs/FedAvg-1", "runs/FedAvg-2", "runs/FedMedian-1", "runs/FedMedian-2"]
    assert found.runs[0][1] == make("rule.name=FedAvg", seed=1, loss=0.11)


def test_runs_and_folders_of_runs_may_be_named_together_and_keep_their_order(
    make: Make, put: Put, runs: Path
) -> None:
    put(runs / "alone", make())
    assert names(find([Path("runs/FedMedian-2"), Path("alone")])) == ["runs/FedMedian-2", "alone"]
    assert names(find([Path("alone"), Path("runs")]))[:2] == ["alone", "runs/FedAvg-1"]


def test_a_sweep_means_its_cells_and_numbers_are_sorted_as_numbers(make: Make, put: Put, runs: Path) -> None:
    for epochs in (1, 10, 2):
        put(runs / f"sweep/cells/epochs={epochs}", make(f"training.epochs={epochs}"))
    assert names(find([Path("sweep")])) == [f"sweep/cells/epochs={epochs}" for epochs in (1, 2, 10)]


def test_the_cells_of_a_finished_sweep_stand_as_in_its_table(make: Make, put: Put, runs: Path) -> None:
    for epochs in (1, 10, 2):
        put(runs / f"sweep/cells/epochs={epochs}", make(f"training.epochs={epochs}"))
    table = [
        {"mood": "long", "seed": 1, "state": "done", "auc": 0.5, "folder": f"cells/epochs={epochs}"}
        for epochs in (10, 2, 1)
    ]
    (runs / "sweep/table.json").write_text(json.dumps(table))
    found = find([Path("sweep")])
    assert names(found) == [f"sweep/cells/epochs={epochs}" for epochs in (10, 2, 1)]
    assert list(found.varied.values()) == [{"mood": "long"}] * 3
    alone = Path("sweep/cells/epochs=2")
    assert find([alone, Path("runs")]).varied == {alone: {"mood": "long"}}
    (runs / "sweep/table.json").write_text("{]")
    assert (len(find([Path("sweep")]).runs), find([Path("sweep")]).varied) == (3, {})


def test_results_alone_are_a_run_too(runs: Path) -> None:
    (runs / "runs/FedAvg-1/config.toml").unlink()
    assert names(find([Path("runs/FedAvg-1")])) == ["runs/FedAvg-1"]


def test_an_unfinished_run_among_others_is_set_apart(runs: Path) -> None:
    (runs / "runs/FedAvg-2/results.json").unlink()
    found = find([Path("runs")])
    assert found.unfinished == (Path("runs/FedAvg-2"),)
    assert len(found.runs) == 3


def test_an_unfinished_run_that_is_named_is_refused_with_the_way_on(runs: Path) -> None:
    (runs / "runs/FedAvg-2").rename(runs / "my run")
    (runs / "my run/results.json").unlink()
    with pytest.raises(UsageError, match="my run is not finished") as refused:
        find([Path("my run"), Path("runs/FedAvg-1")])
    assert refused.value.hint == "Go on with it: fl run --resume 'my run'"


def test_unfinished_runs_alone_are_nothing_to_compare(runs: Path) -> None:
    for file in runs.rglob("results.json"):
        file.unlink()
    with pytest.raises(UsageError, match="None of the 4 runs is finished") as refused:
        find([Path("runs")])
    assert "fl run --resume runs/FedAvg-1" in refused.value.hint


@pytest.mark.parametrize("again", ["runs/FedAvg-1", "runs/../runs/FedAvg-1", "runs", "link"])
def test_a_run_that_is_named_twice_is_refused_however_it_is_named(again: str, runs: Path) -> None:
    (runs / "link").symlink_to(runs / "runs/FedAvg-1")
    with pytest.raises(UsageError, match="is named twice"):
        find([Path("runs/FedAvg-1"), Path(again)])
