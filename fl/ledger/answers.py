"""Logs and receipts as a node's JSON has them (ethereum/execution-apis)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

Json = Mapping[str, Any]


class Log(NamedTuple):
    """A log in a block; `time` is the block's, in Unix seconds, None where the node does not say it."""

    block: int
    log_index: int
    block_hash: bytes
    transaction: bytes
    address: str
    topics: tuple[bytes, ...]
    data: bytes
    time: int | None = None

    @classmethod
    def read(cls, said: Json) -> Self:
        """Raises ValueError, TypeError, LookupError or AttributeError for what is no mined log."""
        time = said.get("blockTimestamp")
        return cls(
            quantity(said["blockNumber"]),
            quantity(said["logIndex"]),
            data(said["blockHash"]),
            data(said["transactionHash"]),
            said["address"],
            tuple(map(data, said["topics"])),
            data(said["data"]),
            None if time is None else quantity(time),
        )


class Receipt(NamedTuple):
    """What became of a transaction; `contract` is the address of one that it created."""

    transaction: bytes
    block: int
    succeeded: bool
    gas_used: int
    logs: tuple[Log, ...]
    contract: str | None = None

    @classmethod
    def read(cls, said: Json) -> Self:
        """Raises as `Log.read` does for what is no receipt."""
        return cls(
            data(said["transactionHash"]),
            quantity(said["blockNumber"]),
            quantity(said["status"]) == 1,
            quantity(said["gasUsed"]),
            tuple(map(Log.read, said["logs"])),
            said.get("contractAddress"),
        )


def quantity(said: str) -> int:
    """A number in 0x-hex. Raises ValueError or TypeError for anything else."""
    if not said.startswith("0x"):
        raise ValueError(f"no quantity: {said!r:.40}")
    return int(said, 16)


def data(said: str) -> bytes:
    """Bytes in 0x-hex. Raises ValueError, TypeError or AttributeError for anything else."""
    if not said.startswith("0x"):
        raise ValueError(f"no data: {said!r:.40}")
    return bytes.fromhex(said[2:])
