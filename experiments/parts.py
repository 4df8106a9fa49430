"""A run's data as numbers: one part a site, one to score on, one to test on."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.sizes import MAX_VALIDATION_BYTES
from clients.data import encode
from experiments import datasets
from experiments.config import RunConfig
from experiments.partition import partition
from experiments.secrets import Secrets
from fl.documents import Data
from fl.errors import UsageError
from fl.examples import Examples, encode_examples


@dataclass(frozen=True)
class Parts:
    """Examples by purpose; `test` is seen by neither training nor scoring."""

    data: Data
    sites: tuple[Examples, ...]
    validation: Examples
    test: Examples


def divide(config: RunConfig) -> Parts:
    """Load, split, encode and partition. Raises UsageError for data that cannot be used so."""
    secrets = Secrets(config.seed)
    dataset = datasets.load(config.data.source, config.data.label)
    split = datasets.split(dataset, secrets.number("split"), config.data.test, config.data.validation)
    described = datasets.describe(dataset.frame, dataset.label, split.validation)
    train, validation, test = (
        encode(dataset.frame.iloc[rows], described) for rows in (split.train, split.validation, split.test)
    )
    rows_of = partition(
        config.data.partition, train.y, config.trainers, secrets.number("partition"), config.data.alpha
    )
    sites = tuple(Examples(train.x[rows], train.y[rows]) for rows in rows_of)
    _refuse_more_than_terms_allow(config, max(len(rows) for rows in rows_of), validation)
    return Parts(described, sites, validation, test)


def _refuse_more_than_terms_allow(config: RunConfig, most: int, validation: Examples) -> None:
    """Before anybody trains: each update of such a site, or each score, would be refused later."""
    allowed = config.limits.examples
    if most > allowed:
        raise UsageError(
            f"A site has {most:,} rows, and limits.examples allows {allowed:,}.",
            f"Give --set limits.examples={most}, or have more trainers.",
        )
    size = len(encode_examples(*validation))
    if size > MAX_VALIDATION_BYTES:
        raise UsageError(
            f"The {len(validation.y):,} rows to score on take {size >> 20} MiB, and 64 MiB are the most.",
            "Set data.validation lower.",
        )
