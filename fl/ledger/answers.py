"""Logs and receipts as a node's JSON has them (ethereum/execution-apis)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from fl.addresses import checksummed
from fl.ledger.types import Address

Json = Mapping[str, Any]


class Log(NamedTuple):
    """A log in a block; `time` is the block's, in Unix seconds, None where the node does not say it."""

    block: int
    log_index: int
    block_hash: bytes
    transaction: bytes
    address: Address
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
            word(said["blockHash"]),
            word(said["transactionHash"]),
            Address(checksummed(said["address"])),
            tuple(map(word, said["topics"])),
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
    contract: Address | None = None

    @classmethod
    def read(cls, said: Json) -> Self:
        """Raises as `Log.read` does for what is no receipt."""
        contract = said.get("contractAddress")
        return cls(
            word(said["transactionHash"]),
            quantity(said["blockNumber"]),
            quantity(said["status"]) == 1,
            quantity(said["gasUsed"]),
            tuple(map(Log.read, said["logs"])),
            None if contract is None else Address(checksummed(contract)),
        )


def quantity(said: str) -> int:
    """A number in 0x-hex. Raises ValueError or AttributeError for anything else."""
    return int(_hex(said), 16)


def word(said: str) -> bytes:
    """32 bytes in 0x-hex. Raises as `data` does for anything else."""
    if len(found := data(said)) != 32:
        raise ValueError(f"no word of 32 bytes: {said!r:.80}")
    return found


def data(said: str) -> bytes:
    """Bytes in 0x-hex. Raises ValueError or AttributeError for anything else."""
    return bytes.fromhex(_hex(said)[2:])


def _hex(said: str) -> str:
    if not said.startswith("0x"):
        raise ValueError(f"not in 0x-hex: {said!r:.40}")
    return said
