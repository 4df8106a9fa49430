"""Logs, found by block, address and topics without opening every block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth.abc import BlockAPI, ReceiptAPI

from fl.chain.database import Database
from fl.chain.evm import timestamp_of

_COLUMNS = (
    "block, log_index, transaction_index, block_hash, transaction_hash, address,"
    " topic0, topic1, topic2, topic3, data"
)


@dataclass(frozen=True, slots=True)
class Log:
    """One event that a contract emitted; `time` in seconds since 1970, `topics` up to four of 32 bytes."""

    block: int
    log_index: int
    transaction_index: int
    block_hash: bytes
    transaction_hash: bytes
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    time: int


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which logs to find, as in `eth_getLogs`.

    Blocks `first` to `last`, both included; any of `addresses`, or any at all if empty; and for each position
    in `topics` any of the words there, or any word at all if empty.
    """

    first: int
    last: int
    addresses: tuple[bytes, ...] = ()
    topics: tuple[tuple[bytes, ...], ...] = ()


def add_logs(database: Database, block: BlockAPI, receipts: Sequence[ReceiptAPI]) -> None:
    """Index the logs of a new block. Call while writing."""
    log_index = 0
    for transaction_index, receipt in enumerate(receipts):
        for log in receipt.logs:
            place = (block.number, log_index, transaction_index, block.hash)
            topics = [topic.to_bytes(32, "big") for topic in log.topics]
            padded = (topics + [None] * 4)[:4]
            row = (*place, block.transactions[transaction_index].hash, log.address, *padded, log.data)
            database.execute(f"INSERT INTO logs ({_COLUMNS}) VALUES ({_marks(row)})", row)  # noqa: S608 - constants
            log_index += 1


def find_logs(database: Database, wanted: LogFilter) -> list[Log]:
    """Return the logs that `wanted` describes, in chain order. Call while reading or writing."""
    conditions, values = ["block BETWEEN ? AND ?"], [wanted.first, wanted.last, *wanted.addresses]
    if wanted.addresses:
        conditions.append(f"address IN ({_marks(wanted.addresses)})")
    for position, words in enumerate(wanted.topics):
        # a position that takes any word still takes only logs that have one there
        conditions.append(f"topic{position} " + (f"IN ({_marks(words)})" if words else "IS NOT NULL"))
        values.extend(words)
    return _select(database, " AND ".join(conditions), tuple(values))


def transaction_logs(database: Database, block: int, transaction_index: int) -> list[Log]:
    """Return one transaction's logs, in order. Call while reading or writing."""
    return _select(database, "block = ? AND transaction_index = ?", (block, transaction_index))


def _select(database: Database, condition: str, values: tuple[object, ...]) -> list[Log]:
    # py-evm keeps the header of each block under its hash: one query instead of one a block
    joined = "logs JOIN state ON state.key = logs.block_hash"
    sql = f"SELECT {_COLUMNS}, value FROM {joined} WHERE {condition} ORDER BY block, log_index"  # noqa: S608 - constants
    return [_log(*row) for row in database.execute(sql, values)]


def _log(
    block: int,
    log_index: int,
    transaction_index: int,
    block_hash: bytes,
    transaction_hash: bytes,
    address: bytes,
    *rest: bytes | None,
) -> Log:
    *padded, data, header = rest
    topics = tuple(topic for topic in padded if topic is not None)
    place = (block, log_index, transaction_index, block_hash, transaction_hash)
    return Log(*place, address, topics, data or b"", timestamp_of(header or b""))


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
