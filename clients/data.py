"""A site's rows become numbers as the terms say: every site turns the same row into the same numbers."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clients.formats import refuse_other_formats
from fl.canonical import untag_float
from fl.documents import Column, Data
from fl.errors import UsageError
from fl.examples import Examples, FloatArray, IntArray

_BOOLEANS = {"true": 1.0, "false": 0.0}
_SHOWN = 5
ROWS_HINT = "Row 1 is the first one below the header."

Numbers = np.ndarray[Any, np.dtype[np.float64]]


# --- rows to numbers


def inputs(data: Data) -> int:
    """How many numbers a row becomes: one a column, but one a category for categories."""
    return sum(_width(column) for column in data.columns)


def _width(column: Column) -> int:
    return len(column.categories) if column.kind == "category" else 1


def encode(frame: pd.DataFrame, data: Data) -> Examples:
    """Turn rows into x float32 [n, d] and y int64 [n] by the terms; columns not listed there are left out.

    Numbers are centred and scaled, booleans are 0 or 1, categories one-hot in the terms' order. A category
    that the terms do not list becomes all zeros: it is a rare one, and no reason to lose the row. Raises
    UsageError: no rows, a column that is not there, a cell that its column cannot hold, an unknown class.
    """
    if frame.empty:
        raise UsageError("There are no rows in this data.")
    for name in (*(column.name for column in data.columns), data.label):
        require_column(frame, name)
    return Examples(_encode_columns(frame, data), _encode_label(frame[data.label], data))


def _encode_columns(frame: pd.DataFrame, data: Data) -> FloatArray:
    """One column after the other: many rows of many columns exist twice only where they must."""
    x, place = np.empty((len(frame), inputs(data)), np.float32), 0
    for column in data.columns:
        width = _width(column)
        x[:, place : place + width] = _encode_column(frame[column.name], column)
        place += width
    return x


def _encode_column(cells: pd.Series[Any], column: Column) -> FloatArray:
    if column.kind == "category":
        found, listed = as_text(cells).to_numpy(object), np.array(column.categories, object)
        one_hot: FloatArray = (found[:, None] == listed[None, :]).astype(np.float32)
        return one_hot
    numbers = _booleans(cells) if column.kind == "boolean" else _scaled(cells, column)
    with np.errstate(over="ignore"):
        encoded = numbers.astype(np.float32)
    expected = "True or False" if column.kind == "boolean" else "a finite number"
    _demand(np.isfinite(encoded), cells, f"Column {column.name!r} does not hold {expected}")
    return encoded[:, None]


def _scaled(cells: pd.Series[Any], column: Column) -> Numbers:
    center, scale = untag_float(column.center or "float:0.0"), untag_float(column.scale or "float:1.0")
    with np.errstate(all="ignore"):  # what is not finite afterwards is refused with its row
        return (as_numbers(cells) - center) / scale


def _booleans(cells: pd.Series[Any]) -> Numbers:
    return np.asarray(as_text(cells).str.lower().map(_BOOLEANS), np.float64)


def _encode_label(cells: pd.Series[Any], data: Data) -> IntArray:
    places = {name: place for place, name in enumerate(data.classes)}
    found = np.asarray(as_text(cells).map(places), np.float64)
    _demand(
        np.isfinite(found), cells, f"The label column {data.label!r} holds a class that the terms do not list"
    )
    return found.astype(np.int64)


def _demand(good: np.ndarray[Any, np.dtype[np.bool_]], cells: pd.Series[Any], complaint: str) -> None:
    bad = np.flatnonzero(~good)
    if bad.size:
        raise UsageError(f"{complaint}: {cells.iloc[bad[0]]!r} in {rows_named(bad)}.", ROWS_HINT)


# --- cells


def as_text(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Every cell as text; missing ones stay missing."""
    return cells.map(str, na_action="ignore").astype(object)


def as_numbers(cells: pd.Series[Any]) -> Numbers:
    """Every cell as float64; NaN where it is missing or no number."""
    return pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan)


def are_booleans(cells: pd.Series[Any]) -> bool:
    """Whether every cell is True or False; 0 and 1 are numbers."""
    if cells.dtype.kind in "iuf":
        return False
    return bool(as_text(cells).str.lower().isin(list(_BOOLEANS)).all())


def rows_named(places: Sequence[int] | np.ndarray[Any, np.dtype[np.intp]]) -> str:
    """Positions from 0 as a person counts them: 'row 3', 'rows 3, 7 and 12 more'."""
    numbers = [str(int(place) + 1) for place in places]
    if len(numbers) == 1:
        return f"row {numbers[0]}"
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"rows {', '.join(numbers[:_SHOWN])}{more}"


def require_column(frame: pd.DataFrame, name: str) -> None:
    """Raise UsageError, naming the columns that are there, when `name` is not one of them."""
    if name in frame.columns:
        return
    names = [str(column) for column in frame.columns]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    raise UsageError(f"There is no column {name!r}.", f"{guess}The columns are: {', '.join(names)}.")


# --- files


def read_csv(path: Path, label: str) -> pd.DataFrame:
    """Read a CSV file with a header; every cell stays text, so that a site's own rows decide no type.

    Raises UsageError: no file, no CSV, no rows, a column without a name or with another's, no column `label`,
    missing values.
    """
    table = _read_table(path)
    names = _column_names(table.iloc[0], str(path))
    frame = table.iloc[1:].reset_index(drop=True).set_axis(names, axis=1)
    if frame.empty:
        raise UsageError(f"{path} has a header, but no rows.")
    require_column(frame, label)
    _refuse_missing(frame, str(path))
    return frame


def check_table(frame: pd.DataFrame, source: str) -> None:
    """Demand of a table what `read_csv` does: rows, columns with a name of their own, no missing values.

    Raises UsageError; `source` is what the table is called in it.
    """
    if frame.empty:
        raise UsageError(f"There are no rows in {source}.")
    _column_names(frame.columns, source)
    _refuse_missing(frame, source)


def _read_table(path: Path) -> pd.DataFrame:
    hint = "It should be a text file in UTF-8: a header, then rows, with commas between the cells."
    try:
        refuse_other_formats(path)
        # the header is read as a row: pandas would rename its duplicates, and take an extra cell for an index
        table = pd.read_csv(
            path, header=None, dtype=str, encoding="utf-8-sig", skipinitialspace=True, compression=None
        )
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}.") from error
    except pd.errors.EmptyDataError as error:
        raise UsageError(f"{path} is empty.", hint) from error
    except UnicodeError as error:
        raise UsageError(f"{path} is not text in UTF-8.", hint) from error
    except pd.errors.ParserError as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise UsageError(f"{path} is not a CSV file: {reason}.", hint) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    return table


def _column_names(header: Iterable[Any], source: str) -> list[str]:
    names = []
    for place, name in enumerate(header, start=1):
        if not isinstance(name, str) or not name.strip():
            hint = "The first line names every column. Leave a column out that only numbers the rows."
            raise UsageError(f"Column {place} of {source} has no name.", hint)
        names.append(name.strip())
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise UsageError(
            f"{source} has more than one column called {', '.join(twice)}.", "Rename all but one."
        )
    return names


def _refuse_missing(frame: pd.DataFrame, source: str) -> None:
    missing = frame.isna()
    counts = missing.sum()
    columns = [f"{name} ({count})" for name, count in counts[counts > 0].items()]
    if columns:
        rows = rows_named(np.flatnonzero(missing.any(axis=1).to_numpy()))
        raise UsageError(
            f"{source} has missing values, in {rows}; by column: {', '.join(columns)}.",
            f"Fill them in or leave those rows out. {ROWS_HINT}",
        )
