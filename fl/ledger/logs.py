"""Reading logs in pieces that a node is willing to serve, and none twice that cannot have changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

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


def renewed(known: Sequence[LogReceipt], fetch: Fetch, first: int, last: int) -> list[LogReceipt]:
    """Logs of the blocks `first` to `last` by `scan`, as far as `known` does not have them already.

    A block's hash covers all blocks before it (yellow paper, 4.3). So the block of the newest known log is
    read again: while its hash is the same, so are all logs before it, and when it is not, nothing is known.
    """
    held = [log for log in known if first <= log["blockNumber"] <= last]
    if held:
        newest = held[-1]["blockNumber"], held[-1]["blockHash"]
        found = list(scan(fetch, newest[0], last))
        if found and (found[0]["blockNumber"], found[0]["blockHash"]) == newest:
            return [log for log in held if log["blockNumber"] < newest[0]] + found
    return list(scan(fetch, first, last))


def checked(log: LogReceipt, address: str, names: Collection[bytes]) -> LogReceipt:
    """A log that a node gave, if it is one of `address` with one of `names` as its first topic.

    Raises ValueError when it is not, and LookupError or TypeError where a part of it is missing.
    """
    said: Mapping[str, Any] = log
    numbers = said["blockNumber"], said["logIndex"]
    words = said["blockHash"], said["transactionHash"], said["data"]
    if {type(number) for number in numbers} != {int} or not all(isinstance(word, bytes) for word in words):
        raise ValueError(f"no mined log: {log!r:.200}")
    if said["address"] != address or bytes(said["topics"][0]) not in names:
        raise ValueError(f"a log that was not asked for: {log!r:.200}")
    return log


def _in_order(logs: Iterable[LogReceipt]) -> Sequence[LogReceipt]:
    return sorted(logs, key=lambda log: (log["blockNumber"], log["logIndex"]))
