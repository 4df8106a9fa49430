"""The hashes that the contract keeps: a round's accumulator and a pending round's outcome.

All are keccak256 over abi.encode (Solidity ABI specification), as in `contracts/src/Federation.sol`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from fl.ledger.types import Address, Entry


def seed(chain_id: int, contract: Address, task: int, round_: int, announcement: bytes) -> bytes:
    """A round's accumulator before the first submission, 32 bytes."""
    types = ["uint256", "address", "uint256", "uint256", "bytes32"]
    return keccak(encode(types, [chain_id, contract, task, round_, announcement]))


def fold(accumulator: bytes, trainer: Address, receipt: bytes) -> bytes:
    """The accumulator after one more submission, 32 bytes."""
    return keccak(encode(["bytes32", "address", "bytes32"], [accumulator, trainer, receipt]))


def accumulate(accumulator: bytes, submissions: Iterable[tuple[Address, bytes]]) -> bytes:
    """The accumulator after `submissions`, (trainer, receipt digest) in their order."""
    for trainer, receipt in submissions:
        accumulator = fold(accumulator, trainer, receipt)
    return accumulator


def outcome_digest(settle_after: int, entries: Sequence[Entry]) -> bytes:
    """What the contract remembers of a closed round until it is settled, 32 bytes."""
    words = [entry.pack() for entry in entries]
    return keccak(encode(["uint256", "uint256[]"], [settle_after, words]))
