import gzip
import hashlib

import numpy as np
import pandas as pd
import pytest

from clients.commitment import commitment
from clients.data import encode, inputs, read_csv
from fl.documents import Column, Data
from fl.errors import UsageError

DATA = Data(
    label="ill",
    classes=("no", "yes"),
    columns=(
        Column(name="age", kind="number", center="float:40.0", scale="float:10.0"),
        Column(name="smokes", kind="boolean"),
        Column(name="ward", kind="category", categories=("a", "c", "b")),
    ),
)
ROWS = pd.DataFrame(
    {
        "ward": ["b", "a"],
        "ill": ["yes", "no"],
        "smokes": ["True", "False"],
        "age": ["50", "35"],
        "name": ["X", "Y"],
    }
)


def write(tmp_path, text):
    path = tmp_path / "rows.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# --- rows to numbers


def test_rows_become_numbers_in_the_order_of_the_terms():
    x, y = encode(ROWS, DATA)
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert x.tolist() == [[1.0, 1.0, 0.0, 0.0, 1.0], [-0.5, 0.0, 1.0, 0.0, 0.0]]
    assert y.tolist() == [1, 0]
    assert inputs(DATA) == 5


def test_typed_cells_give_the_same_numbers_as_text():
    typed = ROWS.assign(smokes=[True, False], age=[50, 35.0])
    assert np.array_equal(encode(typed, DATA).x, encode(ROWS, DATA).x)


def test_a_category_that_looks_like_a_number_stays_text():
    data = DATA.model_copy(
        update={"columns": (Column(name="ward", kind="category", categories=("01", "1")),)}
    )
    assert encode(ROWS.assign(ward=["01", "1"]), data).x.tolist() == [[1, 0], [0, 1]]


def test_a_category_that_the_terms_do_not_list_is_all_zeros():
    assert encode(ROWS.assign(ward=["new", "a"]), DATA).x[:, 2:].tolist() == [[0, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("age", ["50", "old"]),
        ("age", ["50", "inf"]),
        ("age", [50, None]),
        ("age", ["50", "1e300"]),
        ("smokes", ["True", "1"]),
        ("smokes", [True, None]),
        ("ill", ["yes", "maybe"]),
        ("ill", ["yes", None]),
    ],
)
def test_a_cell_that_its_column_cannot_hold_is_named_by_row(column, cells):
    with pytest.raises(UsageError, match=f"{column!r}.*in row 2"):
        encode(ROWS.assign(**{column: cells}), DATA)


def test_a_scale_of_zero_is_refused_rather_than_divided_by():
    data = DATA.model_copy(update={"columns": (Column(name="age", kind="number", scale="float:0.0"),)})
    with pytest.raises(UsageError, match="'age'"):
        encode(ROWS, data)


@pytest.mark.parametrize("name", ["age", "smokes", "ward", "ill"])
def test_a_column_that_is_not_there_is_named(name):
    with pytest.raises(UsageError, match=f"no column {name!r}"):
        encode(ROWS.drop(columns=name), DATA)


def test_no_rows_are_no_data():
    with pytest.raises(UsageError, match="no rows"):
        encode(ROWS[:0], DATA)


# --- files


def test_every_cell_of_a_file_stays_text(tmp_path):
    frame = read_csv(write(tmp_path, "\ufeffid, y \n007, 1.0\n8,True\n"), "y")
    assert frame.to_dict("list") == {"id": ["007", "8"], "y": ["1.0", "True"]}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,y\n", "no rows"),
        ("größe,y\n1,2\n".encode("latin-1"), "not text in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\xff", "not text in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\r", "not a text file"),
        (gzip.compress(b"a,y\n1,2\n", mtime=0), "is compressed"),
        (b"PK\x03\x04\x14\0", "is an Excel workbook or a zip archive"),
        (b"SQLite format 3\0\x10", "is an SQLite database"),
        ("a,y\n1,2\n".encode("utf-16"), "is text in UTF-16"),
        ("a,y\n1,2\n".encode("utf-16-le"), "is not a text file"),
        ("a,y\n1,2,3\n", "not a CSV file: Expected 2 fields in line 2, saw 3"),
        ('a,y\n"1,2\n', "not a CSV file"),
        ("a;y\n1;2\n", "separated by semicolons"),
        ("a;y\n1,5;2\n", "separated by semicolons"),
        ("a\ty\n1\t2\n", "separated by tabs"),
        ("a,b,a,y,b\n1,2,3,4,5\n", "more than one column called a, b"),
        ("a,,y\n1,2,3\n", "Column 2 of .* has no name"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_reason(tmp_path, text, complaint):
    with pytest.raises(UsageError, match=complaint):
        read_csv(write(tmp_path, text), "y")


def test_a_label_that_is_not_there_gets_a_guess_and_the_columns_that_are(tmp_path):
    with pytest.raises(UsageError, match="no column 'diagnosys'") as refusal:
        read_csv(write(tmp_path, "age,diagnosis\n1,2\n"), "diagnosys")
    assert refusal.value.hint == "Did you mean 'diagnosis'? The columns are: age, diagnosis."


def test_missing_values_are_counted_by_column_and_found_by_row(tmp_path):
    with pytest.raises(UsageError) as refusal:
        read_csv(write(tmp_path, "a,b,y\n1,2,3\n,2,3\nNA,2,\n4,5\n"), "y")
    assert "in rows 2, 3, 4; by column: a (2), y (2)." in refusal.value.message


def test_only_the_first_of_many_missing_rows_are_listed(tmp_path):
    with pytest.raises(UsageError, match="in rows 1, 2, 3, 4, 5 and 4 more;"):
        read_csv(write(tmp_path, "a,y\n" + ",1\n" * 9), "y")


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no file"):
        read_csv(tmp_path / "nothing.csv", "y")
    with pytest.raises(UsageError, match="cannot be read"):
        read_csv(tmp_path, "y")


# --- commitment


def test_the_commitment_is_salted_and_binds_the_file(tmp_path):
    rows, other, salt = tmp_path / "rows.csv", tmp_path / "other.csv", bytes(range(32))
    rows.write_bytes(b"age,sick\n" * 200_000)
    other.write_bytes(rows.read_bytes() + b"\n")
    found = commitment(rows, salt)
    assert found == hashlib.sha256(salt + rows.read_bytes()).digest()
    assert len({found, commitment(rows, bytes(32)), commitment(other, salt)}) == 3


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_salt_has_32_bytes(tmp_path, size):
    (tmp_path / "rows").write_bytes(b"rows")
    with pytest.raises(UsageError, match="32 bytes"):
        commitment(tmp_path / "rows", bytes(size))


def test_rows_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(UsageError, match="nothing"):
        commitment(tmp_path / "nothing", bytes(32))
