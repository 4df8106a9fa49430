"""Events for TensorBoard, read back by TensorBoard's own reader."""

from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from experiments.compare import tensorboard
from experiments.compare.comparison import Comparison
from experiments.results import Results
from fl.cli import main

Make = Callable[..., Results]
Compared = Callable[..., Comparison]


def read(folder: Path) -> Any:
    return EventAccumulator(str(folder)).Reload()


def scalars(events: Any, tag: str) -> dict[int, float]:
    return {event.step: event.value for event in events.Scalars(tag)}


def test_every_run_has_its_own_events_by_round(make: Make, compared: Compared, tmp_path: Path) -> None:
    runs = [make("data.alpha=0.1", shares=((3, 1), (1, 1))), make("data.alpha=0.5", seed=4)]
    places = tensorboard.export(compared(*runs), tmp_path)
    assert [str(place.relative_to(tmp_path)) for place in places] == ["alpha=0.1/seed-1", "alpha=0.5/seed-4"]
    events = read(places[0])
    for name in ("log_loss", "accuracy", "auc"):
        metrics = [runs[0].initial, *(ended.metrics for ended in runs[0].rounds)]
        expected = {number: getattr(one, name) for number, one in enumerate(metrics)}
        assert scalars(events, f"model/{name}") == pytest.approx(expected)
    assert scalars(events, "cost/gas") == {1: 275_000, 2: 275_000}
    assert scalars(events, "cost/seconds") == pytest.approx({1: 1.0, 2: 1.0})
    assert scalars(events, "earned/site-1") == {1: 75, 2: 50}
    assert scalars(events, "earned/site-2") == {1: 25, 2: 50}


def test_wall_clock_time_advances_by_what_each_round_took(
    make: Make, compared: Compared, tmp_path: Path
) -> None:
    (place,) = tensorboard.export(compared(make()), tmp_path)
    times = [event.wall_time for event in read(place).Scalars("model/auc")]
    assert [late - early for early, late in pairwise(times)] == pytest.approx([1, 1])


def test_settings_are_hyperparameters(make: Make, compared: Compared, tmp_path: Path) -> None:
    (place,) = tensorboard.export(compared(make("data.alpha=0.25", seed=3)), tmp_path)
    metadata = read(place).SummaryMetadata("_hparams_/session_start_info")
    told = HParamsPluginData.FromString(metadata.plugin_data.content).session_start_info.hparams
    assert told["data.alpha"].number_value == 0.25
    assert told["seed"].number_value == 3
    assert told["model.hidden"].string_value == "[16]"
    assert told["rule.name"].string_value == "FedAvg"


def test_labels_that_make_one_folder_name_are_kept_apart(
    make: Make, rows: Path, compared: Compared, tmp_path: Path
) -> None:
    runs = [make(f'data.source="{rows}"', f'data.label="{name}"') for name in ("a b", "a/b", "../c")]
    events = tmp_path / "events"
    places = tensorboard.export(compared(*runs), events)
    assert len(set(places)) == 3
    assert all(place.resolve().is_relative_to(events) for place in places)


def test_events_are_written_beside_a_comparison_and_from_an_earlier_one(runs: Path) -> None:
    assert main(["compare", "runs", "--out", "mine", "--tensorboard", "events"]) == 0
    assert main(["compare", "--again", "mine", "--tensorboard", "later"]) == 0
    for folder in ("events", "later"):
        events = read(runs / folder / "rule=FedMedian/seed-2")
        assert scalars(events, "model/log_loss")[2] == pytest.approx(0.22)


def test_without_tensorboard_a_sentence_says_how_to_get_it(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find_spec("tensorboard") is not None
    monkeypatch.setattr(tensorboard, "find_spec", lambda _name: None)
    assert main(["compare", "runs", "--tensorboard", "events"]) == 2
    assert 'pip install "fedledger[tensorboard]"' in capsys.readouterr().err
    assert sorted(runs.iterdir()) == [runs / "runs"]
