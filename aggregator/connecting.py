"""A deployed aggregator's way to its task: chain, store and key, as the run's configuration says.

| key | says |
| --- | --- |
| `aggregator` | a TOML file with the keys below; what the run's configuration says itself wins over it |
| `chain`, `contract`, `task`, `store` | where the task lives, as in `fl.wiring` |
| `key` | file with the aggregator's private key |
| `confirmations` | how many a transaction needs, as in `fl.wiring`; left out: 4, on an embedded chain 0 |

Paths in the file are seen from its folder. Sites see the run's configuration too: keep its words few.
"""

from __future__ import annotations

import logging
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from flwr.serverapp.strategy import Strategy

from aggregator import rules, utilities
from aggregator.record import Record
from aggregator.rounds import Rounds
from aggregator.types import Outputs, Utility
from fl.agreement import needs_utilities
from fl.documents import Terms
from fl.errors import LedgerUnavailable, StoreError, StoreUnavailable, UsageError
from fl.ledger.accounts import read_key
from fl.ledger.port import Ledger
from fl.store.port import BlobStore
from fl.waiting import Wait, polling
from fl.wiring import Deployment, address, inside, open_ledger, open_store

PAUSES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Seconds between two attempts while chain or store do not answer: about four minutes in all."""

_KEYS = ("chain", "contract", "task", "store", "key", "confirmations")

Config = Mapping[str, bool | float | int | str]

_log = logging.getLogger("fedledger.aggregator")


def connect(config: Config, strategy: Strategy | None = None) -> Rounds:
    """The rounds of the task that a run's configuration names; `strategy` for terms with a rule of one's own.

    Raises UsageError for what the configuration lacks or cannot mean.
    """
    said = _with_file(config)
    try:
        place = Deployment(
            str(said["chain"]), address(str(said["contract"])), int(said["task"]), str(said["store"])
        )
        key = Path(str(said["key"]))
        confirmations = int(said["confirmations"]) if "confirmations" in said else None
    except KeyError as error:
        raise UsageError(
            f"The run's configuration has no {error}.", "Or name a file that has it as `aggregator`."
        ) from error
    except ValueError as error:
        raise UsageError(f"A number in the run's configuration is none: {error}.") from error
    ledger = open_ledger(place, read_key(key), confirmations)
    return open_rounds(ledger, open_store(place.store), place.task, polling(ledger), strategy)


def _with_file(config: Config) -> Config:
    """The configuration, and what the file that it names adds."""
    if not config.get("aggregator"):  # an app's own default may be empty
        return config
    file = Path(str(config["aggregator"]))
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    if unknown := said.keys() - set(_KEYS):
        raise UsageError(f"{file}: nobody knows {', '.join(sorted(unknown))}.", f"Known: {', '.join(_KEYS)}.")
    for name in {"chain", "store", "key"} & said.keys():
        said[name] = inside(file.parent, str(said[name]))
    return {**said, **config}


def open_rounds(
    ledger: Ledger, store: BlobStore, task: int, wait: Wait, strategy: Strategy | None = None
) -> Rounds:
    """A task's rounds with the rule and the utility that its terms name.

    `strategy` is used where the terms name a rule of one's own. Raises UsageError for a rule that is not
    supported, and for scoring without what it needs.
    """
    record = Record(ledger.confirmed(), store, task)
    terms = record.terms()
    return Rounds(ledger, store, task, rules.build(terms.rule, strategy), _utility(terms, record), wait)


def _utility(terms: Terms, record: Record) -> Utility:
    if not needs_utilities(terms):
        return _NotNeeded()
    validation = terms.scoring.validation
    return utilities.build(terms, record.blob(validation) if validation else None)


class _NotNeeded:
    """The utility of terms that score without any."""

    def __call__(self, coalition: int, _arrays: object, /) -> int:
        return self.of_outputs(coalition, None)

    def outputs(self, coalition: int, _arrays: object, /) -> tuple[int, Outputs]:
        return self.of_outputs(coalition, None), np.zeros((0, 0))

    def of_outputs(self, _coalition: int, _outputs: object, /) -> int:
        raise UsageError("These terms score without utilities.")


def persistently(start: Callable[[], object]) -> None:
    """Start again while chain or store do not answer, as one starts again after a crash.

    Every start goes on where chain and store stand. Raises what the last one raised (LedgerUnavailable,
    StoreError, StoreUnavailable) when the pauses are used up; a start that lasted longer than all of them
    begins anew.
    """
    pauses = iter(PAUSES)
    while True:
        started = time.monotonic()
        try:
            start()
        except (LedgerUnavailable, StoreError, StoreUnavailable) as error:
            if time.monotonic() - started > sum(PAUSES):
                pauses = iter(PAUSES)
            if (pause := next(pauses, None)) is None:
                raise
            _log.warning("%s %s Trying again in %s s.", error.message, error.hint, pause)
            time.sleep(pause)
        else:
            return
