"""Where the rows of an experiment come from: scikit-learn, a CSV file, arrays, or a function of one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits

from clients.data import check_table, read_csv, require_column
from experiments.arrays import LABEL, read_npz, sibling, table
from experiments.learning_config import DataConfig
from fl import own
from fl.errors import FedledgerError, UsageError

_HINT = (
    "Name a function without arguments that returns a pandas table, arrays (x, y), or (x, y) to train on and "
    "(x, y) to test on: (x, y, x_test, y_test)."
)


@dataclass(frozen=True)
class Dataset:
    """Rows with their label column, before any of them became numbers; `test` is the set's own test part."""

    frame: pd.DataFrame
    label: str
    test: pd.DataFrame | None = None


def load(config: DataConfig) -> Dataset:
    """Load what the configuration names.

    Raises UsageError for a file or a function that gives no rows with a label, or not in this form.
    """
    if config.is_own:
        return _own(config.source, config.label)
    if config.is_arrays:
        return _arrays(Path(config.source))
    if config.is_file:
        assert config.label is not None, "demanded by the configuration"
        return Dataset(read_csv(Path(config.source), config.label), config.label)
    return _INSTALLED[config.source]()


def _breast_cancer() -> Dataset:
    """Wolberg, Mangasarian, Street and Street (1993), UCI Machine Learning Repository: 569 rows."""
    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.data.assign(diagnosis=[str(bunch.target_names[number]) for number in bunch.target])
    return Dataset(frame, "diagnosis")


def _digits() -> Dataset:
    """Alpaydin and Kaynak (1998), UCI Machine Learning Repository: 1,797 images, 8 x 8, from 0 to 16."""
    bunch = load_digits()
    return Dataset(table(bunch.data.astype("uint8"), bunch.target, "digits"), LABEL)


_INSTALLED: dict[str, Callable[[], Dataset]] = {"breast_cancer": _breast_cancer, "digits": _digits}


def _arrays(file: Path) -> Dataset:
    test = sibling(file)
    return _checked(Dataset(read_npz(file), LABEL, read_npz(test) if test else None), str(file))


# --- a function of one's own


def _own(name: str, label: str | None) -> Dataset:
    function = own.find(name, "a data set", _HINT)
    try:
        found = cast("Callable[[], object]", function)()
    except FedledgerError:
        raise
    except (Exception, SystemExit) as error:  # somebody else's code may raise anything
        raise UsageError(f"{name} cannot be called without arguments: {own.said(error)}.", _HINT) from error
    return _checked(_as_dataset(found, name, label), name)


def _as_dataset(found: object, name: str, label: str | None) -> Dataset:
    if isinstance(found, pd.DataFrame):
        if label is None:
            raise UsageError(f"Which column of {name} is to be predicted?", "Name it as data.label.")
        return Dataset(found.rename(columns=str).reset_index(drop=True), label)
    if not isinstance(found, tuple | list) or len(found) not in (2, 4):
        raise UsageError(f"{name} returns {type(found).__name__}.", _HINT)
    if label is not None:
        raise UsageError(f"{name} returns arrays, which have no columns.", "Leave data.label out.")
    train = table(found[0], found[1], name)
    return Dataset(train, LABEL, table(found[2], found[3], f"{name}, test part") if found[2:] else None)


def _checked(dataset: Dataset, source: str) -> Dataset:
    """Refuse what a table read from a CSV file could not hold."""
    for frame in (dataset.frame, *(() if dataset.test is None else (dataset.test,))):
        check_table(frame, source)
        require_column(frame, dataset.label)
        if list(frame.columns) != list(dataset.frame.columns):
            raise UsageError(f"{source}: the rows to test on have other columns than those to train on.")
    return dataset
