"""The pictures of a comparison, as far as a program can look at them."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from math import inf, isnan
from pathlib import Path
from re import fullmatch

import pytest
from matplotlib.axes import Axes

from experiments.compare.comparison import Comparison
from experiments.compare.pictures import cost, curves, differences, draw, rewards
from experiments.results import Results

Make = Callable[..., Results]
Compared = Callable[..., Comparison]
RULES = ("FedAvg", "FedMedian", "Krum")
LOSSES = (("FedAvg", 0.15), ("Krum", 50.0))


@pytest.fixture
def comparison(make: Make, compared: Compared) -> Comparison:
    """Three rules, two seeds each."""
    return compared(
        *(
            make(f"rule.name={rule}", seed=seed, loss=0.1 * place + seed / 100)
            for place, rule in enumerate(RULES, start=1)
            for seed in (1, 2)
        )
    )


def drawn(axes: Axes, label: str) -> list[float]:
    (line,) = [line for line in axes.lines if line.get_label() == label]
    return [float(value) for value in line.get_ydata()]


def said(axes: Axes) -> str:
    return " ".join(text.get_text() for text in axes.texts)


def test_a_curve_is_the_mean_over_seeds_and_its_band_the_interval(comparison: Comparison) -> None:
    losses, accuracies, areas = curves(comparison).axes
    assert drawn(losses, "rule=FedAvg")[-1] == pytest.approx(0.115)
    low, high = losses.collections[0].get_paths()[0].get_extents().get_points()[:, 1]
    assert low < 0.115 - 0.0635 + 1e-4
    assert high > 0.115 + 0.0635 - 1e-4
    assert len(accuracies.lines) == len(areas.lines) == 3


def test_a_band_does_not_reach_beyond_what_is_possible(make: Make, compared: Compared) -> None:
    seeds = [make(seed=seed, loss=loss) for seed, loss in ((1, 0.01), (2, 0.9))]
    for axes, most in zip(curves(compared(*seeds)).axes, (99, 1, 1), strict=True):
        edges = axes.collections[0].get_paths()[0].get_extents()
        assert (edges.y0 >= 0, edges.y1 <= most) == (True, True)


def test_each_picture_says_once_what_its_intervals_are(comparison: Comparison) -> None:
    for figure in (curves(comparison), cost(comparison)):
        (legend,) = figure.legends
        assert legend.get_title().get_text() == "Means over 2 seeds; bands: their 95 % intervals"
    assert differences(comparison).get_supxlabel() == "Bars: 95 % intervals (paired over 2 seeds)"


def test_equal_curves_of_two_groups_can_be_told_apart(make: Make, compared: Compared) -> None:
    same = compared(*(make(f"rule.name={rule}") for rule in RULES))
    lines = curves(same).axes[0].lines
    looks = {(line.get_marker(), line.get_linestyle(), line.get_linewidth()) for line in lines}
    assert len(looks) == len(RULES)


def test_numbers_below_differences_have_room_and_one_kind_of_sign(comparison: Comparison) -> None:
    figure = differences(comparison)
    figure.savefig(BytesIO())
    for axes in figure.axes:
        low, high = axes.get_xlim()
        shown = [
            label
            for place, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
            if low <= place <= high
        ]
        assert all(fullmatch("0|[+\N{MINUS SIGN}][0-9.]+", label.get_text()) for label in shown)
        boxes = [label.get_window_extent() for label in shown]
        assert all(left.x1 + 3 < right.x0 for left, right in pairwise(boxes))


def test_a_misbehaving_trainer_is_drawn_over_an_honest_one(make: Make, compared: Compared) -> None:
    found = compared(make(shares=((1, 1),), bad=(1,)))
    run = found.groups[0].runs[0]
    run = replace(run, trainers=tuple(replace(one, exact=0.5) for one in run.trainers))
    axes = rewards(replace(found, groups=(replace(found.groups[0], runs=(run,)),))).axes[0]
    over = {line.get_marker(): line.get_zorder() for line in axes.lines}
    assert over["x"] > over["o"]


def test_cost_is_added_up_over_rounds(comparison: Comparison) -> None:
    gas, seconds = cost(comparison).axes
    assert drawn(gas, "rule=Krum") == [0, 275_000, 550_000]
    assert drawn(seconds, "rule=Krum") == pytest.approx([0, 1, 2])


def test_every_other_group_is_held_against_the_reference(comparison: Comparison) -> None:
    panels = differences(comparison).axes
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ["rule=FedMedian", "rule=Krum"]
    points = [line for line in panels[0].lines if len(line.get_xdata()) == 1]
    assert [float(point.get_xdata()[0]) for point in points] == pytest.approx([0.1, 0.2])


def test_rewards_lie_on_the_diagonal_where_exact_values_were_paid(comparison: Comparison) -> None:
    groups = tuple(
        replace(
            group,
            runs=tuple(
                replace(run, trainers=tuple(replace(one, exact=run.paid[one.name]) for one in run.trainers))
                for run in group.runs
            ),
        )
        for group in comparison.groups
    )
    first = rewards(replace(comparison, groups=groups)).axes[0]
    points = [(*line.get_xdata(), *line.get_ydata()) for line in first.lines if line.get_marker() == "o"]
    assert points == [(0.625, 0.625), (0.375, 0.375)] * 2  # a dot a trainer and seed


def test_unknown_exact_values_say_why_in_their_place(comparison: Comparison) -> None:
    groups = tuple(
        replace(group, runs=tuple(replace(run, inexact="nobody asked") for run in group.runs))
        for group in comparison.groups
    )
    assert "nobody asked" in said(rewards(replace(comparison, groups=groups)).axes[0])


def test_a_run_that_diverged_ends_its_curve_with_a_cross_and_has_no_difference(
    make: Make, compared: Compared
) -> None:
    good, wild = make("rule.name=FedAvg"), make("rule.name=Krum")
    bad = replace(wild.final, log_loss=inf)
    wild = replace(wild, rounds=(wild.rounds[0], replace(wild.rounds[1], metrics=bad)), final=bad)
    comparison = compared(good, wild)
    losses = curves(comparison).axes[0]
    assert isnan(drawn(losses, "rule=Krum")[-1])
    assert any(line.get_marker() == "X" for line in losses.lines)
    assert "diverged" in said(differences(comparison).axes[0])


def test_a_run_that_goes_far_astray_leaves_the_others_apart(make: Make, compared: Compared) -> None:
    runs = [
        make(f"rule.name={rule}", seed=seed, loss=loss * seed) for rule, loss in LOSSES for seed in (1, 2)
    ]
    axes = curves(compared(*runs)).axes[0]
    low, high = axes.get_ylim()
    assert axes.get_yscale() == "log"
    assert 0.1 < low < 0.15
    assert 75 < high < 150


def test_the_same_comparison_gives_the_same_pictures(comparison: Comparison, tmp_path: Path) -> None:
    folders = [tmp_path / "once", tmp_path / "again"]
    for folder in folders:
        folder.mkdir()
    once, again = ([file.read_bytes() for file in draw(comparison, folder)] for folder in folders)
    assert once == again
    assert all(data.startswith(b"\x89PNG") for data in once)


@pytest.mark.parametrize("shares", [(), ((),), ((1, 1),)], ids=["no round", "no closed round", "one round"])
def test_the_shortest_runs_can_be_drawn(
    shares: tuple[tuple[int, ...], ...], make: Make, compared: Compared, tmp_path: Path
) -> None:
    names = {file.name for file in draw(compared(make(shares=shares)), tmp_path)}
    assert names == {"curves.png", "cost.png", "rewards.png"}  # one group: no differences


def test_a_dollar_in_a_label_is_no_formula(
    make: Make, rows: Path, compared: Compared, tmp_path: Path
) -> None:
    labels = [make(f'data.source="{rows}"', f"data.label='{name}'") for name in (r"$\nonsense{$", "b")]
    assert draw(compared(*labels), tmp_path)
