"""The ServerApp of the presets: opens chain and store from the run's configuration and runs the rounds.

Run configuration: `chain`, `contract`, `task`, `store` as in `fl.wiring`, `key` (file with the aggregator's
private key), `num-rounds`, `timeout` (seconds to wait for the sites, default 3600), `confirmations` (how many
a transaction needs, as in `fl.wiring`; default 4, on an embedded chain 0).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from aggregator import flower, rules, utilities
from aggregator.record import Record
from aggregator.rounds import Rounds
from aggregator.strategy import OnChain
from aggregator.types import Utility
from fl.agreement import needs_utilities
from fl.documents import Terms
from fl.errors import LedgerUnavailable, StoreError, StoreUnavailable, UsageError
from fl.ledger.accounts import read_key
from fl.ledger.port import Ledger
from fl.ledger.types import Address
from fl.store.port import BlobStore
from fl.waiting import Wait, polling
from fl.weights import Arrays
from fl.wiring import Deployment, open_ledger, open_store

PAUSES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Seconds between two attempts while chain or store do not answer: about four minutes in all."""

_log = logging.getLogger("fedledger.aggregator")

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the task's rounds until `num-rounds` have ended."""
    config = context.run_config
    try:
        place = Deployment(
            str(config["chain"]), Address(str(config["contract"])), int(config["task"]), str(config["store"])
        )
        key, count = Path(str(config["key"])), int(config["num-rounds"])
        confirmations = int(config["confirmations"]) if "confirmations" in config else None
    except KeyError as error:
        raise UsageError(f"The run's configuration has no {error}.") from error
    except ValueError as error:
        raise UsageError(f"A number in the run's configuration is none: {error}.") from error
    ledger = open_ledger(place, read_key(key), confirmations)
    rounds = open_rounds(ledger, open_store(place.store), place.task, polling(ledger))
    strategy = OnChain(everybody(rounds.terms().quorum), rounds)
    timeout = float(config.get("timeout", 3600.0))
    persistently(lambda: strategy.start(grid, num_rounds=count, timeout=timeout))


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


def open_rounds(ledger: Ledger, store: BlobStore, task: int, wait: Wait) -> Rounds:
    """A task's rounds with the rule and the utility that its terms name.

    Raises UsageError for a rule that is not supported, and for scoring without what it needs.
    """
    record = Record(ledger.confirmed(), store, task)
    terms = record.terms()
    return Rounds(ledger, store, task, rules.build(terms.rule), _utility(terms, record), wait)


def _utility(terms: Terms, record: Record) -> Utility:
    if not needs_utilities(terms):
        return _not_needed
    validation = terms.scoring.validation
    return utilities.build(terms, record.blob(validation) if validation else None)


def _not_needed(_coalition: int, _arrays: Arrays) -> int:
    raise UsageError("These terms score without utilities.")


def everybody(quorum: int) -> FedAvg:
    """FedAvg that asks every site, as soon as a quorum of them is connected."""
    with flower.quiet():
        return FedAvg(fraction_evaluate=0.0, min_train_nodes=quorum, min_available_nodes=quorum)
