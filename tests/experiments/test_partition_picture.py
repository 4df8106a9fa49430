"""Who holds what: kept as a table, and drawn from it alone."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.folder import PARTITION, PARTITION_PLOT
from experiments.holdings import Holdings
from experiments.partition_picture import draw, partition_figure
from fl.errors import UsageError
from fl.examples import Examples

HEAD = "trainer,class,rows\n"


def holdings(trainers: int, classes: int = 3) -> Holdings:
    rows = np.random.default_rng(1).integers(1, 2000, (trainers, classes))
    names = [f"hospital-{n}" for n in range(1, trainers + 1)]
    return Holdings(tuple(names), tuple(f"class {n}" for n in range(classes)), rows)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def labels(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[1].get_xticklabels()]


def test_the_table_has_a_line_a_trainer_and_class(tmp_path: Path) -> None:
    sites = [Examples(np.zeros((len(y), 1), np.float32), np.array(y)) for y in ([0, 0, 2], [1])]
    held = Holdings.of(["a", "b"], ["no", 'perhaps, "so"', "yes"], sites)
    held.write(tmp_path)
    assert (tmp_path / PARTITION).read_text() == (
        'trainer,class,rows\na,no,2\na,"perhaps, ""so""",0\na,yes,1\nb,no,0\nb,"perhaps, ""so""",1\nb,yes,0\n'
    )
    again = Holdings.read(tmp_path)
    assert (again.trainers, again.classes) == (held.trainers, held.classes)
    assert again.rows.tolist() == [[2, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize(
    "lines", ["", "a,b,c\nx,y,1\n", HEAD, f"{HEAD}a,no,many\n", f"{HEAD}a,no\n", f"{HEAD}a,no,1\nb,yes,1\n"]
)
def test_another_table_is_refused(tmp_path: Path, lines: str) -> None:
    (tmp_path / PARTITION).write_text(lines)
    with pytest.raises(UsageError, match=r"partition\.csv is not what a run writes"):
        Holdings.read(tmp_path)


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    holdings(5).write(tmp_path)
    first = draw("wards", tmp_path).read_bytes()
    (tmp_path / PARTITION_PLOT).unlink()
    assert draw("wards", tmp_path).read_bytes() == first


def test_few_trainers_are_named_and_their_rows_counted() -> None:
    figure = partition_figure("wards", holdings(3))
    assert labels(figure) == ["hospital-1", "hospital-2", "hospital-3"]
    assert len(texts(figure)) == 9
    title = figure.axes[0].get_title(loc="left")
    assert title == "What part of a trainer's rows is of each class (in the cells: how many rows)"


def test_many_trainers_are_numbered_so_that_labels_stay_apart() -> None:
    figure = partition_figure("wards", holdings(100, classes=10))
    assert labels(figure) == ["1", *map(str, range(10, 101, 10))]
    assert texts(figure) == []
    assert "cells" not in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize(("trainers", "classes"), [(2, 2), (9, 30), (100, 10)])
def test_no_two_labels_of_an_axis_overlap(trainers: int, classes: int) -> None:
    figure = partition_figure("wards", holdings(trainers, classes))
    figure.draw_without_rendering()
    upper, lower = figure.axes[:2]
    names = [label.get_tightbbox() for label in lower.get_xticklabels()]
    kinds = [label.get_tightbbox() for label in upper.get_yticklabels()]
    assert all(left.x1 < right.x0 for left, right in pairwise(names))
    assert all(one.y0 > next_.y1 for one, next_ in pairwise(kinds))
