import numpy as np
import pandas as pd
import pytest

from clients.data import encode
from experiments.datasets import describe, split
from experiments.learning_config import DataConfig
from experiments.sources import Dataset, load
from fl.canonical import dump, untag_float
from fl.errors import UsageError

MEASURED = DataConfig()


def dataset(**columns):
    return Dataset(pd.DataFrame(columns), "y")


def of_classes(*counts):
    labels = [f"class {number}" for number, count in enumerate(counts) for _ in range(count)]
    return dataset(x=np.arange(len(labels), dtype=float), y=labels)


def described(config=MEASURED, **columns):
    data = dataset(**columns)
    return describe(data.frame, "y", np.arange(len(data.frame)), config)


TWO = ["b", "a"] * 5

# --- describe


def test_columns_are_numbers_booleans_or_categories():
    data = described(
        n=["1", "2.5"] * 5, zero_one=["0", "1"] * 5, b=["true", "False"] * 5, c=["1", "x"] * 5, y=TWO
    )
    assert [(column.name, column.kind) for column in data.columns] == [
        ("n", "number"),
        ("zero_one", "number"),
        ("b", "boolean"),
        ("c", "category"),
    ]
    assert data.columns[3].categories == ("1", "x")
    assert data.classes == ("a", "b")


def test_typed_columns_are_described_like_text():
    text = described(n=["1", "2"] * 5, b=["True", "False"] * 5, y=TWO)
    assert described(n=[1, 2] * 5, b=[True, False] * 5, y=TWO) == text


def test_centre_and_scale_come_from_the_validation_rows_alone():
    frame = pd.DataFrame({"n": [1.0, 3.0, 1e6, -1e6], "y": ["a", "b", "a", "b"]})
    column = describe(frame, "y", np.array([0, 1]), MEASURED).columns[0]
    assert (untag_float(column.center), untag_float(column.scale)) == (2.0, 1.0)


def test_categories_and_classes_come_from_all_rows():
    frame = pd.DataFrame({"c": ["u", "v", "w"], "y": ["a", "b", "c"]})
    data = describe(frame, "y", np.array([0]), MEASURED)
    assert data.columns[0].categories == ("u", "v", "w")
    assert data.classes == ("a", "b", "c")


def test_a_constant_column_is_centred_and_not_scaled():
    column = described(n=[7] * 10, y=TWO).columns[0]
    assert (untag_float(column.center), untag_float(column.scale)) == (7.0, 1.0)


def test_what_was_described_can_be_encoded():
    data = load(MEASURED)
    rows = split(data, seed=1).validation
    terms = describe(data.frame, data.label, rows, MEASURED)
    x, y = encode(data.frame.iloc[rows], terms)
    assert x.mean(axis=0) == pytest.approx(np.zeros(30), abs=1e-5)
    assert x.std(axis=0) == pytest.approx(np.ones(30), abs=1e-5)
    assert set(y) == {0, 1}


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"x": range(10), "y": ["a"] * 10}, "one class only: 'a'"),
        ({"x": range(101), "y": range(101)}, "101 different values"),
        ({"y": TWO}, "no column to predict from"),
        ({"id": [f"id {n}" for n in range(66)], "y": ["a", "b"] * 33}, "'id' holds 66 different texts"),
        ({"n": [*range(99), "?"], "y": ["a", "b"] * 50}, "'n' holds numbers, but '\\?' in row 100"),
        (
            {"n": ["1", "inf"] * 5, "y": TWO},
            "'n' holds numbers that are infinite or too large: 'inf' in rows 2",
        ),
        ({"n": [*"12345678", "?", "-"], "y": TWO}, "'n' holds numbers, but '\\?' in rows 9, 10"),
        ({"n": ["1,234", "987"] * 5, "y": TWO}, "'n' holds '1,234', which is no plain number"),
        ({"n": ["12 %", "7.5%"] * 5, "y": TWO}, "'n' holds '12 %', which is no plain number"),
        ({"n": ["$7", "$8"] * 5, "y": TWO}, "no plain number"),
        ({"a\tb": range(10), "y": TWO}, r"'a\\tb' cannot be the name of a column"),
        ({"c": ["a", "\u202e"] * 5, "y": TWO}, "cannot be the name of a category of 'c'"),
        ({"c": range(10), "y": ["a", "b\x07"] * 5}, "cannot be the name of a class of 'y'"),
        ({"n" * 129: range(10), "y": TWO}, "cannot be the name of a column"),
    ],
)
def test_data_that_terms_cannot_describe_is_refused_by_name(columns, complaint):
    with pytest.raises(UsageError, match=complaint):
        described(**columns)


def test_marks_and_ranges_among_texts_are_categories():
    data = described(c=["?", "red"] * 5, ages=["18-25", "26+"] * 5, grade=[*"12345678", "X", "-"], y=TWO)
    assert [column.kind for column in data.columns] == ["category"] * 3


def test_a_centre_and_a_scale_that_were_chosen_are_not_measured():
    columns = described(DataConfig(center=5.0, scale=16.0), a=range(10), b=[1e6] * 10, y=TWO).columns
    assert {(column.center, column.scale) for column in columns} == {("float:5.0", "float:16.0")}


def test_without_rows_to_measure_on_a_scale_has_to_be_chosen():
    frame, nothing = pd.DataFrame({"n": range(10), "y": TWO}), np.array([], int)
    with pytest.raises(UsageError, match="column 'n' usually are") as refusal:
        describe(frame, "y", nothing, MEASURED)
    assert "data.scale" in refusal.value.hint
    assert describe(frame, "y", nothing, DataConfig(scale=255.0)).columns[0].scale == "float:255.0"


def test_codes_that_look_like_numbers_are_categories_where_that_is_said():
    config = DataConfig(categories=("education", "member"))
    data = described(config, education=["0", "5"] * 5, member=["True", "False"] * 5, age=range(10), y=TWO)
    assert [column.kind for column in data.columns] == ["category", "category", "number"]
    assert data.columns[0].categories == ("0", "5")


def test_columns_that_are_left_out_are_no_inputs():
    data = described(
        DataConfig(leave_out=("name",)), name=map("patient {}".format, range(10)), n=range(10), y=TWO
    )
    assert [column.name for column in data.columns] == ["n"]


@pytest.mark.parametrize("setting", ["categories", "leave_out"])
def test_a_column_that_is_not_there_cannot_be_chosen(setting):
    with pytest.raises(UsageError, match="no column 'wards'"):
        described(DataConfig(**{setting: ("wards",)}), ward=range(10), y=TWO)


def test_784_pixels_fit_into_terms_and_as_many_as_do_not_are_refused():
    def wide(columns):
        return described(DataConfig(scale=255.0), **{f"x{n}": [0, 255] * 5 for n in range(columns)}, y=TWO)

    assert len(dump(wide(784).model_dump(mode="json"))) < 100_000
    with pytest.raises(UsageError, match="3,072 columns are more than terms can describe"):
        wide(3072)


# --- split


def test_every_row_is_in_one_part():
    data = of_classes(50, 30, 7)
    parts = split(data, seed=1)
    assert sorted(np.concatenate(parts)) == list(range(87))
    assert all(list(part) == sorted(part) for part in parts)


def test_every_part_has_every_class_in_its_proportion():
    data = of_classes(100, 50)
    for part, expected in zip(split(data, seed=1), ([60, 30], [20, 10], [20, 10]), strict=True):
        assert data.frame["y"].iloc[part].value_counts().tolist() == expected


@pytest.mark.parametrize("rare", [3, 4, 5])
@pytest.mark.parametrize("fractions", [(0.2, 0.2), (0.9, 0.05), (0.05, 0.9), (0.45, 0.45)])
def test_a_rare_class_has_a_row_in_every_part(rare, fractions):
    data = of_classes(40, rare)
    for part in split(data, 1, *fractions):
        assert set(data.frame["y"].iloc[part]) == {"class 0", "class 1"}


def test_the_seed_alone_decides_the_split():
    data = of_classes(20, 20)
    first, again, other = (split(data, seed).train.tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_class_of_two_rows_cannot_be_split():
    with pytest.raises(UsageError, match=r"'class 1' has 2 row\(s\)"):
        split(of_classes(10, 2), seed=1)


def test_a_number_to_predict_is_called_that_before_its_values_are_called_rare():
    with pytest.raises(UsageError, match="101 different values"):
        split(dataset(x=range(101), y=range(101)), seed=1)


def test_without_a_validation_part_its_rows_are_trained_on():
    parts = split(of_classes(10, 10), 1, 0.2, 0)
    assert [len(part) for part in parts] == [16, 0, 4]
    assert [len(part) for part in split(of_classes(10, 2), 1, 0.2, 0)] == [9, 0, 3]


def test_a_data_sets_own_test_part_takes_the_place_of_a_fraction():
    data = of_classes(10, 10)
    own = Dataset(data.frame, "y", test=data.frame[:4])
    assert [len(part) for part in split(own, 1, 0, 0.1)] == [18, 2, 0]
    with pytest.raises(UsageError, match="has a test part of its own") as refusal:
        split(own, 1, 0.2, 0.1)
    assert refusal.value.hint == "Set data.test to 0."
    with pytest.raises(UsageError, match="own test part, and this one has none"):
        split(data, 1, 0, 0.1)


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (1.2, 0.2), (-0.1, 0.2), (0.2, -0.1), (float("nan"), 0.2)])
def test_parts_that_leave_no_training_rows_are_refused(fractions):
    with pytest.raises(UsageError, match="training part"):
        split(of_classes(10, 10), 1, *fractions)
