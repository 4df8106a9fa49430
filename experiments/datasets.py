"""Data sets for experiments: split in three, and described as terms describe them.

The three parts are for training (later divided among the sites), for scoring (public validation), and for the
test accuracy that is reported, which neither training nor scoring has seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from clients.data import (
    ROWS_HINT,
    are_booleans,
    as_numbers,
    as_text,
    require_column,
    rows_named,
)
from experiments.learning_config import DataConfig
from experiments.sources import Dataset
from fl.canonical import MAX_DOCUMENT_BYTES, dump, tag_float
from fl.documents import Column, Data
from fl.errors import UsageError
from fl.fields import DataName

Rows = np.ndarray[Any, np.dtype[np.intp]]
"""Positions of rows, from 0."""

MAX_CATEGORIES = 64
MAX_CLASSES = 100
MAX_BYTES = MAX_DOCUMENT_BYTES - 32 * 1024
"""How much of the terms may describe the data: the rest has to fit in too."""

_NAME: TypeAdapter[str] = TypeAdapter(DataName)


# --- describe


def describe(frame: pd.DataFrame, label: str, validation_rows: Rows, config: DataConfig) -> Data:
    """Say what a row looks like, as the terms will.

    Centre and scale of numbers are those of the configuration; where it has none, mean and standard deviation
    of the public validation rows only, so that nothing of the training data leaks and every site uses the
    same. Categories and classes are those of all rows: they are the code book that institutions agree on
    beforehand, not a measurement, and one left out would be all zeros at every site.
    Raises UsageError: one class only, over 100 classes, a text column of over 64 categories, a stray text
    among numbers, names that a document cannot hold, no input column, more columns than terms can hold.
    """
    for name in (label, *config.categories, *config.leave_out):
        require_column(frame, name)
    names = [str(name) for name in frame.columns if name not in (label, *config.leave_out)]
    if not names:
        raise UsageError(f"Besides its label {label!r}, this data has no column to predict from.")
    columns = tuple(_describe_column(frame[name], name, validation_rows, config) for name in names)
    data = Data(label=_checked(label, "column"), classes=_classes(frame[label]), columns=columns)
    if len(dump(data.model_dump(mode="json"))) > MAX_BYTES:
        raise UsageError(
            f"{len(names):,} columns are more than terms can describe: a document has at most 256 KiB.",
            "Leave some out, or make images smaller.",
        )
    return data


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


def _describe_column(cells: pd.Series[Any], name: str, validation_rows: Rows, config: DataConfig) -> Column:
    checked = _checked(name, "column")
    if are_booleans(cells) and name not in config.categories:
        return Column(name=checked, kind="boolean")
    numbers = as_numbers(cells)
    texts = np.flatnonzero(np.isnan(numbers))
    if texts.size or name in config.categories:
        if name not in config.categories:
            _refuse_stray_text(cells, name, texts)
            _refuse_ornate_numbers(cells.iloc[texts], name)
        return Column(name=checked, kind="category", categories=_categories(cells, name))
    _refuse_infinite(numbers, cells, name)
    center, scale = _center_and_scale(numbers[validation_rows], name, config)
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


def _center_and_scale(
    numbers: np.ndarray[Any, np.dtype[np.float64]], name: str, config: DataConfig
) -> tuple[float, float]:
    if config.scale is not None:
        return config.center, config.scale
    if not numbers.size:
        raise UsageError(
            f"Without validation rows, nothing says how large the numbers of column {name!r} usually are.",
            "Set data.scale (and data.center) for all columns, or data.validation above 0.",
        )
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

    A fraction of 0 leaves its part empty; rows to test on are then the data set's own.
    Raises UsageError for parts that are no fractions, for no rows to test on, for classes that `describe`
    would refuse, and for a class with fewer rows than parts.
    """
    if not (0 <= test < 1 and 0 <= validation < 1 and test + validation < 1):
        raise UsageError(
            f"A test part of {test} and a validation part of {validation} do not leave a training part.",
            "Both lie between 0 and 1, and so does their sum.",
        )
    _demand_one_test_part(dataset, test)
    labels = as_text(dataset.frame[dataset.label]).to_numpy(object)
    chance = np.random.default_rng(seed)
    names = _classes(dataset.frame[dataset.label])
    parts = [_split_class(labels, name, chance, (test, validation)) for name in names]
    tests, validations, trains = (np.sort(np.concatenate(part)) for part in zip(*parts, strict=True))
    return Split(train=trains, validation=validations, test=tests)


def _demand_one_test_part(dataset: Dataset, test: float) -> None:
    if dataset.test is None and not test:
        raise UsageError(
            "data.test = 0 means the data set's own test part, and this one has none.",
            "Set data.test to the fraction of rows to test on, such as 0.2.",
        )
    if dataset.test is not None and test:
        raise UsageError(
            f"This data set has a test part of its own, and data.test = {test} asks for another.",
            "Set data.test to 0.",
        )


def _split_class(
    labels: np.ndarray[Any, Any], name: str, chance: np.random.Generator, fractions: tuple[float, float]
) -> tuple[Rows, Rows, Rows]:
    rows = chance.permutation(np.flatnonzero(labels == name))
    least = [1 if fraction else 0 for fraction in fractions]
    if len(rows) < 1 + sum(least):
        raise UsageError(
            f"Class {name!r} has {len(rows)} row(s); training, validation and test need one each.",
            "Leave its rows out, or join it with another class.",
        )
    tests, validations = (
        max(few, round(len(rows) * fraction)) for few, fraction in zip(least, fractions, strict=True)
    )
    tests = min(tests, len(rows) - 1 - least[1])
    validations = min(validations, len(rows) - tests - 1)
    return rows[:tests], rows[tests : tests + validations], rows[tests + validations :]
