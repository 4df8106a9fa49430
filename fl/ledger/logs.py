"""Reading logs in pieces that a node is willing to serve, and none twice that cannot have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from fl.ledger.answers import Log
from fl.ledger.node import NodeRefused

CHUNK = 10_000

Fetch = Callable[[int, int], Iterable[Log]]


def scan(fetch: Fetch, first: int, last: int, chunk: int = CHUNK) -> Iterator[Log]:
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


def renewed(known: Sequence[Log], fetch: Fetch, first: int, last: int) -> list[Log]:
    """Logs of the blocks `first` to `last` by `scan`, as far as `known` does not have them already.

    A block's hash covers all blocks before it (yellow paper, 4.3). So the block of the newest known log is
    read again: while its hash is the same, so are all logs before it, and when it is not, nothing is known.
    """
    held = [log for log in known if first <= log.block <= last]
    if held:
        newest = held[-1].block, held[-1].block_hash
        found = list(scan(fetch, newest[0], last))
        if found and (found[0].block, found[0].block_hash) == newest:
            return [log for log in held if log.block < newest[0]] + found
    return list(scan(fetch, first, last))


def _in_order(logs: Iterable[Log]) -> Sequence[Log]:
    return sorted(logs, key=lambda log: (log.block, log.log_index))
