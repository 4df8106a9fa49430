"""The two pictures of a run."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

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
    earned = rewards_figure(results).axes[0]
    heights = sum(bar.get_height() for bar in earned.patches)
    assert heights == pytest.approx(120)
    assert "failed" in texts(earned.figure)
    assert earned.get_title(loc="left") == "Earned in each round"


def test_where_no_round_paid_anything_the_picture_says_so_and_begins_at_0(results: Results) -> None:
    earned = rewards_figure(replace(results, rounds=results.rounds[1:2])).axes[0]
    assert "nothing was paid" in earned.get_title(loc="left")
    assert earned.get_ylim()[0] == 0
    assert earned.get_xlim()[0] < 2 < earned.get_xlim()[1]
    assert earned.get_yticks().tolist() == [0]


def test_reputation_begins_at_half_and_stays_through_a_failed_round(results: Results) -> None:
    reputation = rewards_figure(results).axes[1]
    drawn = [[float(value) for value in line.get_ydata()] for line in reputation.lines]
    assert drawn[2] == [5_000, 5_625, 5_625, 4_922]


def test_what_each_trainer_earned_is_drawn_against_an_equal_share(results: Results) -> None:
    against = rewards_figure(results).axes[2]
    assert [bar.get_height() for bar in against.patches] == [1.85, 0.65, 0.5]


def test_a_trainer_looks_the_same_everywhere_and_has_a_pattern_if_it_misbehaved(results: Results) -> None:
    third = replace(results.contributors[2], misbehaviour="noise")
    figure = rewards_figure(replace(results, contributors=(*results.contributors[:2], third)))
    earned, reputation, against = figure.axes
    (legend,) = figure.legends
    colours = [bar.get_facecolor() for bar in against.patches]
    assert colours == [patch.get_facecolor() for patch in legend.get_patches()]
    assert colours == [to_rgba(line.get_color()) for line in reputation.lines]
    assert set(colours) == {bar.get_facecolor() for bar in earned.patches}
    assert len(set(colours)) == 3
    assert [bool(bar.get_hatch()) for bar in against.patches] == [False, False, True]
    assert [text.get_text() for text in legend.get_texts()] == ["site-1", "site-2", "[b]site-3: noise"]


def test_a_legend_covers_no_bar(results: Results) -> None:
    figure = rewards_figure(results)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert all(legend.get_window_extent().y1 < axes.get_tightbbox().y0 for axes in figure.axes)
    assert not any(axes.get_legend() for axes in figure.axes)


def crowd(results: Results, trainers: int) -> Results:
    """The same, but of so many trainers, of which the third misbehaves."""
    names = [f"site-{number}" for number in range(1, trainers + 1)]
    many = [replace(results.contributors[0], name=name) for name in names]
    many[2] = replace(many[2], misbehaviour="noise")
    return replace(results, contributors=tuple(many))


def test_twenty_trainers_are_told_apart(results: Results) -> None:
    legend = rewards_figure(crowd(results, 20)).legends[0]
    looks = {(p.get_facecolor(), p.get_edgecolor(), p.get_hatch()) for p in legend.get_patches()}
    assert len(looks) == len(legend.get_texts()) == 20


@pytest.mark.parametrize("trainers", [3, 16, 20, 24, 100, 400])
def test_the_numbers_of_trainers_stay_apart(results: Results, trainers: int) -> None:
    figure = rewards_figure(crowd(results, trainers))
    figure.draw_without_rendering()
    numbers = [label.get_tightbbox() for label in figure.axes[2].get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in pairwise(numbers))


def test_many_trainers_are_numbered_and_only_those_that_misbehave_stand_out(results: Results) -> None:
    figure = rewards_figure(crowd(results, 100))
    against = figure.axes[2]
    assert len(against.patches) == 100
    assert len({bar.get_facecolor() for bar in against.patches}) == 2
    assert [label.get_text() for label in against.get_xticklabels()] == ["1", *map(str, range(10, 101, 10))]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["a trainer", "a trainer that misbehaves"]


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
