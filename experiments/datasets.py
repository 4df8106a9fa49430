"""Data sets for experiments: loaded, split in three, and described as terms describe them.

The three parts are for training (later divided among the sites), for scoring (public validation), and for the
test accuracy that is reported, which neither training nor scoring has seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError
from sklearn.datasets import load_breast_cancer

from clients.data import (
    ROWS_HINT,
    are_booleans,
    as_numbers,
    as_text,
    read_csv,
    require_column,
    rows_named,
)
from experiments.config import BREAST_CANCER
from fl.canonical import tag_float
from fl.documents import Column, Data
from fl.errors import UsageError
from fl.fields import DataName

Rows = np.ndarray[Any, np.dtype[np.intp]]
"""Positions of rows, from 0."""

MAX_CATEGORIES = 64
MAX_CLASSES = 100

_NAME: TypeAdapter[str] = TypeAdapter(DataName)


@dataclass(frozen=True)
class Dataset:
    """Rows with their label column, before any of them became numbers."""

    name: str
    frame: pd.DataFrame
    label: str


# --- load


def load(source: str | Path, label: str | None = None) -> Dataset:
    """Load `breast_cancer` (569 rows, real, bundled with scikit-learn) or a CSV file with its label column.

    Raises UsageError for a label that is not named, and as `clients.data.read_csv` does.
    """
    if str(source) == BREAST_CANCER:
        return _breast_cancer(label)
    if label is None:
        raise UsageError(f"Which column of {source} is to be predicted?", "Name it as the label.")
    path = Path(source)
    return Dataset(name=path.stem, frame=read_csv(path, label), label=label)


def _breast_cancer(label: str | None) -> Dataset:
    """Wolberg, Mangasarian, Street and Street (1993), UCI Machine Learning Repository."""
    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.data.assign(diagnosis=[str(bunch.target_names[number]) for number in bunch.target])
    require_column(frame, label or "diagnosis")
    return Dataset(name=BREAST_CANCER, frame=frame, label=label or "diagnosis")


# --- describe


def describe(frame: pd.DataFrame, label: str, validation_rows: Rows) -> Data:
    """Say what a row looks like, as the terms will.

    Centre (mean) and scale (standard deviation) of numbers come from the public validation rows only, so that
    nothing of the training data leaks and every site uses the same. Categories and classes are those of all
    rows: they are the code book that institutions agree on beforehand, not a measurement, and one left out
    would be all zeros at every site. Raises UsageError: one class only, over 100 classes, a text column of
    over 64 categories, a stray text among numbers, names that a document cannot hold, no input column.
    """
    require_column(frame, label)
    classes = _classes(frame[label])
    names = [str(name) for name in frame.columns if name != label]
    if not names:
        raise UsageError(f"Besides its label {label!r}, this data has no column to predict from.")
    columns = tuple(_describe_column(frame[name], name, validation_rows) for name in names)
    return Data(label=_checked(label, "column"), classes=classes, columns=columns)


def _classes(cells: pd.Series[Any]) -> tuple[str, ...]:
    names = sorted(set(as_text(cells)))
    if len(names) == 1:
        raise UsageError(
            f"The label column {cells.name!r} holds one class only: {names[0]!r}.",
            "There is nothing to predict; name another column.",
        )
    if len(names) > MAX_CLASSES:
        raise UsageError(
            f"The label column {cells.name!r} holds {len(names)} different values.",
            f"It looks like a number to predict; here are classes only, at most {MAX_CLASSES}.",
        )
    return _all_checked(names, f"class of {cells.name!r}")


def _describe_column(cells: pd.Series[Any], name: str, validation_rows: Rows) -> Column:
    checked = _checked(name, "column")
    if are_booleans(cells):
        return Column(name=checked, kind="boolean")
    numbers = as_numbers(cells)
    texts = np.flatnonzero(np.isnan(numbers))
    if texts.size:
        _refuse_stray_text(cells, name, texts)
        _refuse_ornate_numbers(cells.iloc[texts], name)
        return Column(name=checked, kind="category", categories=_categories(cells, name))
    _refuse_infinite(numbers, cells, name)
    center, scale = _measure(numbers[validation_rows], name)
    return Column(name=checked, kind="number", center=tag_float(center), scale=tag_float(scale))


def _refuse_stray_text(cells: pd.Series[Any], name: str, texts: Rows) -> None:
    """Mostly numbers, too many for categories, or nothing else but marks: a typing error, not a category."""
    many = cells.nunique() > MAX_CATEGORIES
    if 2 * texts.size < len(cells) and (many or set(cells.iloc[texts]) <= _MISSING):
        raise UsageError(
            f"Column {name!r} holds numbers, but {cells.iloc[texts[0]]!r} in {rows_named(texts)}.",
            f"Put numbers there, or leave those rows out. {ROWS_HINT}",
        )


def _refuse_infinite(
    numbers: np.ndarray[Any, np.dtype[np.float64]], cells: pd.Series[Any], name: str
) -> None:
    infinite = np.flatnonzero(np.isinf(numbers))
    if infinite.size:
        raise UsageError(
            f"Column {name!r} holds numbers that are infinite or too large: "
            f"{cells.iloc[infinite[0]]!r} in {rows_named(infinite)}.",
            ROWS_HINT,
        )


_MISSING = {"?", "-", "--", ".", "*"}
"""What some write where a number is missing."""


def _refuse_ornate_numbers(texts: pd.Series[Any], name: str) -> None:
    """Numbers as people write them for people: 1,234 and 50 % and $7."""
    plain = texts.map(str).str.replace(r"[\s,'%$€£]", "", regex=True)
    if not np.isnan(as_numbers(plain)).any():
        raise UsageError(
            f"Column {name!r} holds {texts.iloc[0]!r}, which is no plain number.",
            "Write 1234.5, without thousands separators, percent or currency signs.",
        )


def _measure(numbers: np.ndarray[Any, np.dtype[np.float64]], name: str) -> tuple[float, float]:
    with np.errstate(all="ignore"):
        center, scale = float(np.mean(numbers)), float(np.std(numbers))
    if not np.isfinite([center, scale]).all():
        raise UsageError(f"Column {name!r} holds numbers that are infinite or too large to measure.")
    return center, scale if scale > 0 else 1.0


def _categories(cells: pd.Series[Any], name: str) -> tuple[str, ...]:
    found = sorted(set(as_text(cells)))
    if len(found) > MAX_CATEGORIES:
        raise UsageError(
            f"Column {name!r} holds {len(found)} different texts, more than {MAX_CATEGORIES}.",
            "Perhaps it names each row, or holds dates: leave it out, or make numbers of it.",
        )
    return _all_checked(found, f"category of {name!r}")


def _all_checked(names: Iterable[str], what: str) -> tuple[str, ...]:
    return tuple(_checked(name, what) for name in names)


def _checked(name: str, what: str) -> str:
    try:
        return _NAME.validate_python(name)
    except ValidationError as error:
        raise UsageError(
            f"{name!r} cannot be the name of a {what}.",
            'A name has 1 to 128 printable characters, none of < > & ` [ ] { } \\ | " and no outer space.',
        ) from error


# --- split


class Split(NamedTuple):
    """Row positions of the three parts, each sorted; together they are all rows, once."""

    train: Rows
    validation: Rows
    test: Rows


def split(dataset: Dataset, seed: int, test: float = 0.2, validation: float = 0.2) -> Split:
    """Divide the rows, class by class, so that every part has every class in about the same proportion.

    Raises UsageError for parts that are no fractions, for classes that `describe` would refuse, and for a
    class with fewer than three rows.
    """
    if not (0 < test < 1 and 0 < validation < 1 and test + validation < 1):
        raise UsageError(
            f"A test part of {test} and a validation part of {validation} do not leave a training part.",
            "Both lie between 0 and 1, and so does their sum.",
        )
    labels = as_text(dataset.frame[dataset.label]).to_numpy(object)
    chance = np.random.default_rng(seed)
    names = _classes(dataset.frame[dataset.label])
    parts = [_split_class(labels, name, chance, (test, validation)) for name in names]
    tests, validations, trains = (np.sort(np.concatenate(part)) for part in zip(*parts, strict=True))
    return Split(train=trains, validation=validations, test=tests)


def _split_class(
    labels: np.ndarray[Any, Any], name: str, chance: np.random.Generator, fractions: tuple[float, float]
) -> tuple[Rows, Rows, Rows]:
    rows = chance.permutation(np.flatnonzero(labels == name))
    if len(rows) < 3:
        raise UsageError(
            f"Class {name!r} has {len(rows)} row(s); training, validation and test need one each.",
            "Leave its rows out, or join it with another class.",
        )
    tests, validations = (max(1, round(len(rows) * fraction)) for fraction in fractions)
    tests = min(tests, len(rows) - 2)
    validations = min(validations, len(rows) - tests - 1)
    return rows[:tests], rows[tests : tests + validations], rows[tests + validations :]
