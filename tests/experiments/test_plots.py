"""The two pictures of a run."""

from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.loading import load
from experiments.plots import draw, metrics_figure, rewards_figure
from experiments.results import Results


def line(axes: Axes, label: str) -> list[float]:
    (found,) = [line for line in axes.lines if line.get_label() == label]
    return [float(value) for value in found.get_ydata()]


def texts(figure: Figure) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_the_model_is_drawn_from_before_the_first_round_between_its_baselines(results: Results) -> None:
    losses, accuracies = metrics_figure(results).axes
    assert line(losses, "together, federated") == [0.7, 0.4, 0.4, 0.2]
    assert line(losses, "alone, on average") == pytest.approx([0.6, 0.6])
    assert line(losses, "all rows in one place") == [0.15, 0.15]
    assert line(accuracies, "together, federated") == [0.5, 0.9, 0.9, 0.95]


def test_every_token_earned_is_drawn_and_a_round_without_pay_says_why(results: Results) -> None:
    figure = rewards_figure(results)
    heights = sum(bar.get_height() for bar in figure.axes[0].patches)
    assert heights == pytest.approx(120)
    assert "failed" in texts(figure)


def test_reputation_begins_at_half_and_stays_through_a_failed_round(results: Results) -> None:
    reputation = rewards_figure(results).axes[1]
    drawn = [[float(value) for value in line.get_ydata()] for line in reputation.lines]
    assert drawn[2] == [5_000, 5_625, 5_625, 4_922]


def test_what_each_trainer_earned_is_drawn_against_an_equal_share(results: Results) -> None:
    against = rewards_figure(results).axes[2]
    assert [bar.get_height() for bar in against.patches] == [1.85, 0.65, 0.5]
    assert against.get_legend() is None


def test_who_misbehaved_is_drawn_in_another_colour_and_named_in_the_legend(results: Results) -> None:
    third = replace(results.contributors[2], misbehaviour="noise")
    config = load(overrides=["trainers=3", "rounds=3", "misbehaviour.3=noise"])
    figure = rewards_figure(replace(results, config=config, contributors=(*results.contributors[:2], third)))
    colours = [bar.get_facecolor() for bar in figure.axes[2].patches]
    assert colours[0] == colours[1] != colours[2]
    (names,) = ([text.get_text() for text in legend.get_texts()] for legend in figure.legends)
    assert names == ["site-1", "site-2", "[b]site-3: noise"]


def test_without_baselines_only_the_model_is_drawn(results: Results) -> None:
    losses, _ = metrics_figure(replace(results, baselines=None)).axes
    assert [line.get_label() for line in losses.lines] == ["together, federated"]
    assert not losses.patches


def test_the_same_results_give_the_same_pictures(results: Results, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    first = [file.read_bytes() for file in draw(results, tmp_path)]
    assert first == [file.read_bytes() for file in draw(results, again)]
    assert all(data.startswith(b"\x89PNG") for data in first)


def test_a_run_of_one_round_can_be_drawn(results: Results, tmp_path: Path) -> None:
    draw(replace(results, rounds=results.rounds[:1]), tmp_path)
