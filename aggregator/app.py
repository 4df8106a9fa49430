"""The ServerApp of the presets: opens chain and store from the run's configuration and runs the rounds.

Run configuration: `chain`, `contract`, `task`, `store` as in `fl.wiring`, `key` (file with the aggregator's
private key), `num-rounds`, `timeout` (seconds to wait for the sites, default 3600).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from aggregator import flower, rules, utilities
from aggregator.record import Record
from aggregator.rounds import Rounds, Wait
from aggregator.strategy import OnChain
from aggregator.types import Utility
from fl.agreement import needs_utilities
from fl.documents import Terms
from fl.errors import UsageError
from fl.ledger.accounts import read_key
from fl.ledger.port import Ledger
from fl.ledger.types import Address
from fl.store.port import BlobStore
from fl.weights import Arrays
from fl.wiring import Deployment, open_ledger, open_store

POLL_SECONDS = 1.0

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
    except KeyError as error:
        raise UsageError(f"The run's configuration has no {error}.") from error
    ledger = open_ledger(place, read_key(key))
    rounds = open_rounds(ledger, open_store(place.store), place.task, polling(ledger))
    strategy = OnChain(everybody(rounds.terms().quorum), rounds)
    strategy.start(grid, num_rounds=count, timeout=float(config.get("timeout", 3600.0)))


def open_rounds(ledger: Ledger, store: BlobStore, task: int, wait: Wait) -> Rounds:
    """A task's rounds with the rule and the utility that its terms name.

    Raises UsageError for a rule that is not supported, and for scoring without what it needs.
    """
    record = Record(ledger, store, task)
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


def polling(ledger: Ledger) -> Wait:
    """Wait on a chain whose time passes by itself, looking once a second."""

    def wait(until: int, done: Callable[[], bool]) -> None:
        while not done() and ledger.now() < until:
            time.sleep(POLL_SECONDS)

    return wait
