"""A run's data as numbers: one part a site, one to score on, one to test on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from aggregator.sizes import MAX_VALIDATION_BYTES
from clients.data import as_numbers, as_text, encode, require_column
from experiments import datasets, sources
from experiments.config import RunConfig
from experiments.datasets import Rows, Split
from experiments.learning_config import DataConfig
from experiments.partition import Values, partition
from experiments.secrets import Secrets
from experiments.sources import Dataset
from fl.documents import Data
from fl.errors import UsageError
from fl.examples import Examples, encode_examples


@dataclass(frozen=True)
class Parts:
    """Examples by purpose; `validation` is None where nothing is scored on it.

    `test` is seen by neither training nor scoring.
    """

    data: Data
    sites: tuple[Examples, ...]
    validation: Examples | None
    test: Examples


def divide(config: RunConfig) -> Parts:
    """Load, split, encode and partition. Raises UsageError for data that cannot be used so."""
    secrets, chosen = Secrets(config.seed), config.data
    dataset = sources.load(chosen)
    split = datasets.split(dataset, secrets.number("split"), chosen.test, chosen.validation)
    data = datasets.describe(_all_rows(dataset), dataset.label, split.validation, chosen)
    train = encode(dataset.frame.iloc[split.train], data)
    values = _values(dataset.frame, chosen, split.train)
    rows_of = partition(chosen, train.y, config.trainers, secrets.number("partition"), values)
    _refuse_more_than_terms_allow(config, max(len(rows) for rows in rows_of))
    return Parts(
        data=data,
        sites=tuple(Examples(train.x[rows], train.y[rows]) for rows in rows_of),
        validation=_validation(dataset, split, data),
        test=encode(dataset.frame.iloc[split.test] if dataset.test is None else dataset.test, data),
    )


def _all_rows(dataset: Dataset) -> pd.DataFrame:
    """Every row, the set's own test part last: its classes and categories are in the code book too."""
    if dataset.test is None:
        return dataset.frame
    return pd.concat([dataset.frame, dataset.test], ignore_index=True)


def _values(frame: pd.DataFrame, config: DataConfig, rows: Rows) -> Values | None:
    """What the rows have in the column that they are divided by."""
    if config.column is None:
        return None
    require_column(frame, config.column)
    cells = frame[config.column].iloc[rows]
    numbers = as_numbers(cells)
    return as_text(cells).to_numpy(str) if np.isnan(numbers).any() else numbers


def _validation(dataset: Dataset, split: Split, data: Data) -> Examples | None:
    if not len(split.validation):
        return None
    validation = encode(dataset.frame.iloc[split.validation], data)
    size = len(encode_examples(*validation))
    if size > MAX_VALIDATION_BYTES:
        raise UsageError(
            f"The {len(validation.y):,} rows to score on take {size >> 20} MiB, and 64 MiB are the most.",
            "Set data.validation lower.",
        )
    return validation


def _refuse_more_than_terms_allow(config: RunConfig, most: int) -> None:
    """Before anybody trains: each update of such a site would be refused later."""
    allowed = config.limits.examples
    if most > allowed:
        raise UsageError(
            f"A site has {most:,} rows, and limits.examples allows {allowed:,}.",
            f"Give --set limits.examples={most}, or have more trainers.",
        )
