"""What goes into the contract and what comes out, as plain dataclasses.

Addresses are EIP-55 checksummed strings, digests 32 bytes, money integers in the token's smallest unit,
times Unix seconds of the chain.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import NewType

from fl.addresses import checksummed
from fl.errors import UsageError

Address = NewType("Address", str)

FULL_QUALITY = 10_000
REFUSED_QUALITY = 0
UNAVAILABLE = 0xFFFE
UNRATED = 0xFFFF
INITIAL_REPUTATION = 5_000
MAX_TRAINERS = 512


@dataclass(frozen=True)
class TaskParams:
    """Fixed for ever at a task's creation."""

    terms: bytes
    weights: bytes
    aggregator: Address
    sponsor: Address
    reward: int
    quorum: int
    window: int
    close_window: int
    settle_delay: int


@dataclass(frozen=True)
class Task:
    """A task as the contract holds it now. `created_at` and `opened_at` are block numbers."""

    terms: bytes
    weights: bytes
    accumulator: bytes
    round: int
    deadline: int
    open: bool
    ended: bool
    expected: int
    submitted: int
    joined: int
    quorum: int
    window: int
    close_window: int
    settle_delay: int
    aggregator: Address
    created_at: int
    opened_at: int
    pool: int
    reward: int
    sponsor: Address

    def sealed(self, now: int) -> bool:
        """No further submission can count: the deadline has passed or every expected trainer is done."""
        return self.open and (now > self.deadline or self.submitted == self.expected)

    def close_by(self) -> int:
        """The last second in which the aggregator may close the open round."""
        return self.deadline + self.close_window


@dataclass(frozen=True)
class Member:
    """A member across all tasks; never admitted means reputation 0."""

    balance: int
    reputation: int
    admitted: bool


@dataclass(frozen=True)
class Seat:
    """One member in one task: joined now, expected from round `since`, last submitted in round `last`."""

    joined: bool
    since: int
    last: int


class Stage(Enum):
    """Where a round has come to. A round that is still open, or was never opened, is NONE."""

    NONE = "none"
    PENDING = "pending"
    SETTLED = "settled"
    VOID = "void"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """`digest` is keccak256(abi.encode(settleAfter, entries)) while pending, else empty."""

    stage: Stage
    digest: bytes = b""


@dataclass(frozen=True)
class Entry:
    """One trainer's line in a closed round: `share` below 2^32, `quality` below 2^16."""

    trainer: Address
    share: int
    quality: int

    def pack(self) -> int:
        """The contract's word: trainer << 48 | share << 16 | quality.

        Raises UsageError for a share or quality that would run into its neighbour.
        """
        if not (0 <= self.share < 2**32 and 0 <= self.quality < 2**16):
            raise UsageError(f"Share {self.share} or quality {self.quality} does not fit the entry's word.")
        return int(self.trainer, 16) << 48 | self.share << 16 | self.quality

    @classmethod
    def unpack(cls, word: int) -> Entry:
        """The entry in one of the contract's words."""
        trainer = checksummed((word >> 48).to_bytes(20, "big"))
        return cls(Address(trainer), word >> 16 & 0xFFFFFFFF, word & 0xFFFF)


@dataclass(frozen=True)
class Result:
    """What the aggregator closes a round with; `entries` and `receipts` in submission order."""

    announcement: bytes
    weights: bytes
    manifest: bytes
    entries: tuple[Entry, ...]
    receipts: tuple[bytes, ...]


@dataclass(frozen=True)
class Credit:
    """What settlement gave one trainer, in entry order: amount paid and reputation afterwards."""

    amount: int
    reputation: int


@dataclass(frozen=True, order=True)
class Position:
    """Where on the chain: block, index of the log within it. `time` is the block's, in seconds."""

    block: int
    index: int
    time: int
    transaction: bytes


@dataclass(frozen=True)
class Event:
    """Something that the contract said about a task."""

    at: Position
    task: int

    def facts(self) -> dict[str, object]:
        """Everything but where and when: what two ledgers must agree on."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "at"}


@dataclass(frozen=True)
class TaskCreated(Event):
    """`TaskCreated`."""

    params: TaskParams


@dataclass(frozen=True)
class AggregatorSet(Event):
    """`AggregatorSet`."""

    aggregator: Address


@dataclass(frozen=True)
class TaskEnded(Event):
    """`TaskEnded`."""


@dataclass(frozen=True)
class Funded(Event):
    """`Funded`; the field `from` is called `sender` here."""

    sender: Address
    amount: int


@dataclass(frozen=True)
class Defunded(Event):
    """`Defunded`."""

    to: Address
    amount: int


@dataclass(frozen=True)
class Joined(Event):
    """`Joined`."""

    member: Address
    terms: bytes
    policy: bytes
    since: int


@dataclass(frozen=True)
class Left(Event):
    """`Left`."""

    member: Address
    by: Address


@dataclass(frozen=True)
class RoundOpened(Event):
    """`RoundOpened`."""

    round: int
    weights: bytes
    announcement: bytes
    deadline: int
    expected: int


@dataclass(frozen=True)
class UpdateSubmitted(Event):
    """`UpdateSubmitted`: `receipt` is the SHA-256 of the receipt document."""

    round: int
    trainer: Address
    receipt: bytes


@dataclass(frozen=True)
class RoundSealed(Event):
    """`RoundSealed`: every expected trainer has submitted or left before the deadline."""

    round: int


@dataclass(frozen=True)
class ReceiptRevealed(Event):
    """`ReceiptRevealed`."""

    round: int
    trainer: Address
    receipt: bytes


@dataclass(frozen=True)
class RoundClosed(Event):
    """`RoundClosed`."""

    round: int
    weights: bytes
    manifest: bytes
    settle_after: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class RoundSettled(Event):
    """`RoundSettled`: credits in the order of the closed round's entries."""

    round: int
    paid: int
    credits: tuple[Credit, ...]


@dataclass(frozen=True)
class RoundVoided(Event):
    """`RoundVoided`."""

    round: int
    reason: bytes


@dataclass(frozen=True)
class RoundFailed(Event):
    """`RoundFailed`."""

    round: int
    reason: bytes
    by: Address


@dataclass(frozen=True)
class WeightsReset(Event):
    """`WeightsReset`."""

    weights: bytes
    reason: bytes


@dataclass(frozen=True)
class MemberEvent:
    """Something that the contract said about a member, across all tasks."""

    at: Position

    def facts(self) -> dict[str, object]:
        """Everything but where and when: what two ledgers must agree on."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "at"}


@dataclass(frozen=True)
class Admitted(MemberEvent):
    """`Admitted`: for the first time or again."""

    member: Address
    profile: bytes


@dataclass(frozen=True)
class Removed(MemberEvent):
    """`Removed`."""

    member: Address


@dataclass(frozen=True)
class Replaced(MemberEvent):
    """`Replaced`: the field `next` is called `new` here."""

    old: Address
    new: Address
    profile: bytes


@dataclass(frozen=True)
class PayeeSet(MemberEvent):
    """`PayeeSet`."""

    member: Address
    payee: Address


@dataclass(frozen=True)
class Withdrawn(MemberEvent):
    """`Withdrawn`."""

    member: Address
    payee: Address
    amount: int


@dataclass(frozen=True)
class Transaction:
    """A call that the contract accepted. `gas` includes the intrinsic 21,000; the in-memory ledger says 0."""

    hash: bytes
    block: int
    time: int
    gas: int
