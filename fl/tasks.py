"""A task on the chain from its terms: the same numbers, and money for its rounds."""

from __future__ import annotations

from fl.documents import Terms
from fl.errors import UsageError
from fl.ledger.port import Ledger
from fl.ledger.types import Address, TaskParams
from fl.store.port import BlobStore, put_bytes


def params(terms: Terms, aggregator: Address, sponsor: Address) -> TaskParams:
    """What a task of these terms is created with."""
    return TaskParams(
        terms=terms.id,
        weights=bytes.fromhex(terms.weights.sha256),
        aggregator=aggregator,
        sponsor=sponsor,
        reward=int(terms.reward),
        quorum=terms.quorum,
        window=terms.window,
        close_window=terms.close_window,
        settle_delay=terms.settle_delay,
    )


def create(
    owner: Ledger, store: BlobStore, terms: Terms, aggregator: Address, sponsor: Address | None = None
) -> int:
    """Store the terms and create their task; returns the task's number.

    `owner` calls in the owner's name, and is the sponsor unless another is named.
    """
    put_bytes(store, terms.encode())
    return owner.create_task(params(terms, aggregator, sponsor or Address(str(owner.account))))


def demand(ledger: Ledger, task: int) -> None:
    """Raise UsageError for a number that the contract never gave out."""
    if not 1 <= task <= (count := ledger.task_count()):
        raise UsageError(f"There is no task {task}.", f"This contract has {count}, counted from 1.")


def fund(payer: Ledger, task: int, amount: int) -> None:
    """Pay `amount` units from the payer's account into a task's pool; nothing to do for 0."""
    if amount:
        payer.approve(amount)
        payer.fund(task, amount)
