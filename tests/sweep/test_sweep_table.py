"""Rows and their table, from results that were made up."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from experiments.results import Contributor, mean_equal_shares
from experiments.sweep import table
from experiments.sweep.rows import COLUMNS


def rows_of(*values):
    return [{"value": value, "nothing": None} for value in values]


@pytest.mark.parametrize(
    ("values", "dtype", "kept"),
    [
        ((1, 2), "Int64", [1, 2]),
        ((1, 0.5), "float64", [1.0, 0.5]),
        ((True, False), "boolean", [True, False]),
        (("a", None), "string", ["a", None]),
        ((1, "mlp", True), "string", ["1", "mlp", "true"]),
        ((2**53, None), "Int64", [2**53, None]),
    ],
)
def test_a_column_has_one_type_and_survives_parquet(values, dtype, kept, tmp_path):
    frame = table.frame(rows_of(*values))
    assert list(frame.columns) == ["value"]  # where no row has anything, there is no column
    assert frame["value"].dtype == dtype
    table.write(rows_of(*values), tmp_path)
    found = pd.read_parquet(tmp_path / "table.parquet")["value"]
    assert [None if pd.isna(value) else value for value in found] == kept


def test_numbers_that_are_not_finite_are_texts_in_json(tmp_path):
    table.write(rows_of(float("nan"), float("inf"), 0.5), tmp_path)
    said = json.loads((tmp_path / "table.json").read_text(), parse_constant=pytest.fail)
    assert [row["value"] for row in said] == ["NaN", "Infinity", 0.5]


def test_an_empty_table_can_be_written(tmp_path):
    table.write([], tmp_path)
    assert json.loads((tmp_path / "table.json").read_text()) == []


def test_what_trainers_earned_is_the_mean_of_those_who_could():
    one = Contributor("site-1", "0x1", 10, 0.0, 1.0, 5000, "0", "0")
    shares = (0.0, 1.5, None)
    assert mean_equal_shares([replace(one, equal_shares=share) for share in shares]) == 0.75
    assert mean_equal_shares([replace(one, equal_shares=None)]) is None
    assert mean_equal_shares([]) is None


def test_the_columns_of_results_are_named_once():
    assert len(set(COLUMNS)) == len(COLUMNS)
