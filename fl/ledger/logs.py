"""Reading logs in pieces that a node is willing to serve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from web3.types import LogReceipt

from fl.ledger.node import NodeRefused

CHUNK = 10_000

Fetch = Callable[[int, int], Iterable[LogReceipt]]


def scan(fetch: Fetch, first: int, last: int, chunk: int = CHUNK) -> Iterator[LogReceipt]:
    """Logs of the blocks `first` to `last`, both included, in chain order.

    `fetch(first, last)` is asked for at most `chunk` blocks at a time, and for half as many whenever the
    node refuses. Raises NodeRefused once it refuses a single block.
    """
    while first <= last:
        upto = min(first + chunk - 1, last)
        try:
            found = _in_order(fetch(first, upto))
        except NodeRefused:
            if upto == first:
                raise
            chunk = (upto - first + 1) // 2
            continue
        yield from found
        first = upto + 1


def _in_order(logs: Iterable[LogReceipt]) -> Sequence[LogReceipt]:
    return sorted(logs, key=lambda log: (log["blockNumber"], log["logIndex"]))
