"""Data that terms would not allow: said before anybody trains on it."""

import numpy as np
import pytest

from experiments.loading import load
from experiments.parts import divide
from fl.errors import UsageError


def test_a_site_with_more_rows_than_an_update_may_claim_is_refused():
    with pytest.raises(UsageError, match=r"has 314 rows, and limits\.examples allows 100") as refusal:
        divide(load(overrides=["trainers=1", "windows.quorum=1", "limits.examples=100"]))
    assert "--set limits.examples=314" in refusal.value.hint


def test_more_rows_to_score_on_than_anybody_would_read_are_refused(monkeypatch):
    monkeypatch.setattr("experiments.parts.MAX_VALIDATION_BYTES", 10_000)
    with pytest.raises(UsageError, match="rows to score on"):
        divide(load())


@pytest.fixture
def wards(tmp_path):
    """Three wards of twenty patients: `ward` tells them apart, `age` tells who is ill."""
    lines = [f"{30 + 10 * (n % 2) + n % 5},ward {n % 3},{'ill' if n % 2 else 'well'}\n" for n in range(60)]
    (tmp_path / "wards.csv").write_text("age,ward,y\n" + "".join(lines))
    flags = {"data.source": str(tmp_path / "wards.csv"), "data.label": "y"}
    return lambda *changes: divide(load(overrides=["trainers=3", *changes], flags=flags))


BY_WARD = ("data.partition=column", "data.column=ward")


def test_a_column_divides_the_rows_and_is_an_input_unless_it_is_left_out(wards):
    parts = wards(*BY_WARD)
    assert [column.name for column in parts.data.columns] == ["age", "ward"]
    for number, site in enumerate(parts.sites):
        assert set(site.x[:, 1 + number]) == {1.0}
    apart = wards(*BY_WARD, 'data.leave_out=["ward"]')
    assert [column.name for column in apart.data.columns] == ["age"]
    assert [len(site.y) for site in apart.sites] == [len(site.y) for site in parts.sites]


def test_numbers_of_a_column_are_in_the_order_of_numbers(wards):
    first, second = wards("trainers=2", "data.partition=column", "data.column=age", "data.scale=1").sites
    assert first.x[:, 0].max() < second.x[:, 0].min()


def test_a_column_that_is_not_there_cannot_divide(wards):
    with pytest.raises(UsageError, match="no column 'wing'"):
        wards("data.partition=column", "data.column=wing")


def test_without_a_validation_part_everything_but_the_test_part_is_trained_on(wards):
    parts = wards("data.validation=0", "data.scale=10", "scoring.rule=equal", "data.test=0.2")
    assert parts.validation is None
    assert sum(len(site.y) for site in parts.sites) + len(parts.test.y) == 60


def test_a_sets_own_test_part_is_the_test_part(tmp_path):
    x = np.arange(40).reshape(20, 2)
    np.savez(tmp_path / "toys_train.npz", x=x, y=np.arange(20) % 2)
    np.savez(tmp_path / "toys_test.npz", x=x[:3] + 100, y=[0, 1, 1])
    parts = divide(
        load(overrides=["data.test=0", "data.scale=2", "trainers=2"], flags={"data.source": str(tmp_path)})
    )
    assert parts.test.x.tolist() == [[50, 50.5], [51, 51.5], [52, 52.5]]
    assert parts.test.y.tolist() == [0, 1, 1]
    assert max(site.x.max() for site in parts.sites) < 20
