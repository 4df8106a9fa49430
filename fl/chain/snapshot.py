"""The chain as one reader sees it, at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from eth.abc import BlockHeaderAPI, ReceiptAPI, SignedTransactionAPI, StateAPI, TransactionBuilderAPI
from eth.chains.base import MiningChain
from eth.exceptions import HeaderNotFound, TransactionNotFound
from eth_typing import BlockNumber, Hash32

from fl.chain import clock
from fl.chain.database import Database
from fl.chain.errors import BlockNotFound
from fl.chain.evm import EmbeddedVM, next_header
from fl.chain.logs import Log, LogFilter, find_logs, transaction_logs

BlockId = int | bytes | Literal["latest", "pending"]
"""A block's number, its hash, the newest block, or the one that would be made now."""


@dataclass(frozen=True, slots=True)
class MinedTransaction:
    """A transaction and its place: the block's header and the position in that block."""

    transaction: SignedTransactionAPI
    header: BlockHeaderAPI
    index: int


@dataclass(frozen=True, slots=True)
class MinedReceipt:
    """What became of a transaction. `gas_used` is its own; the receipt's counts from the block's start."""

    mined: MinedTransaction
    receipt: ReceiptAPI
    gas_used: int
    logs: Sequence[Log]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a node keeps for its next readers: none of it can have changed."""

    outputs: dict[tuple[bytes, object], bytes] = field(default_factory=dict)
    """What calls returned, by the message and the state that they saw, or the header if they looked at it."""
    states: dict[bytes, StateAPI] = field(default_factory=dict)
    """The accounts by the header's hash, with all that has been read of them: the newest that was used."""


class Snapshot:
    """Reads the chain inside the transaction that `database` is in, and is of no use after it."""

    def __init__(self, chain: MiningChain, database: Database, kept: Kept | None = None) -> None:
        self.chain = chain
        self.database = database
        self.kept = kept or Kept()

    # --- headers

    def head(self) -> BlockHeaderAPI:
        """Return the newest block's header."""
        return self.chain.get_canonical_head()

    def pending(self) -> BlockHeaderAPI:
        """Return the header that a block made now would have."""
        return next_header(self.chain, self.head(), clock.now(self.database))

    def header(self, block: BlockId) -> BlockHeaderAPI:
        """Return a block's header. Raises BlockNotFound."""
        if block == "latest":
            return self.head()
        if block == "pending":
            return self.pending()
        try:
            if isinstance(block, bytes):
                return self.chain.get_block_header_by_hash(Hash32(block))
            return self.chain.get_canonical_block_header_by_number(BlockNumber(int(block)))
        except HeaderNotFound:
            raise BlockNotFound(block.hex() if isinstance(block, bytes) else block) from None

    # --- accounts

    def state(self, block: BlockId) -> StateAPI:
        """Return the accounts as they are after a block. Raises BlockNotFound."""
        header = self.header(block)
        kept = (state for state in self.kept.states.values() if state.state_root == header.state_root)
        return next(kept, None) or self.chain.get_vm(header).state

    @contextmanager
    def trial(self, header: BlockHeaderAPI) -> Iterator[StateAPI]:
        """Give the accounts as a block with this header would find them; what is done to them is undone."""
        # not there meanwhile: who fails in between leaves nothing behind
        state = self.kept.states.pop(header.hash, None) or self.chain.get_vm(header).state
        before = state.snapshot()
        yield state
        state.revert(before)
        self.kept.states.clear()
        self.kept.states[header.hash] = state

    # --- transactions

    def has(self, transaction_hash: bytes) -> bool:
        """Say whether a block holds the transaction."""
        return self._place(transaction_hash) is not None

    def transaction(self, transaction_hash: bytes) -> MinedTransaction | None:
        """Return a transaction by its hash, or None."""
        place = self._place(transaction_hash)
        if place is None:
            return None
        number, index = place
        transaction = self.chain.chaindb.get_transaction_by_index(number, index, _builder())
        return MinedTransaction(transaction, self.header(number), index)

    def transactions(self, header: BlockHeaderAPI) -> Sequence[MinedTransaction]:
        """Return the transactions of a block, in order."""
        found = self.chain.chaindb.get_block_transactions(header, _builder())
        return [MinedTransaction(transaction, header, index) for index, transaction in enumerate(found)]

    def receipt(self, transaction_hash: bytes) -> MinedReceipt | None:
        """Return what became of a transaction, or None."""
        place = self._place(transaction_hash)
        return self.receipts(self.header(place[0]))[place[1]] if place else None

    def receipts(self, header: BlockHeaderAPI) -> Sequence[MinedReceipt]:
        """Return what became of a block's transactions, in order."""
        results = []
        before = 0
        found = self.chain.chaindb.get_receipts(header, EmbeddedVM.get_receipt_builder())
        for mined, receipt in zip(self.transactions(header), found, strict=True):
            logs = transaction_logs(self.database, header.block_number, mined.index)
            results.append(MinedReceipt(mined, receipt, receipt.gas_used - before, logs))
            before = receipt.gas_used
        return results

    def logs(self, wanted: LogFilter) -> Sequence[Log]:
        """Return the logs that `wanted` describes, in chain order."""
        return find_logs(self.database, wanted)

    def _place(self, transaction_hash: bytes) -> tuple[BlockNumber, int] | None:
        try:
            return self.chain.chaindb.get_transaction_index(Hash32(transaction_hash))
        except TransactionNotFound:
            return None


def _builder() -> type[TransactionBuilderAPI]:
    return EmbeddedVM.get_transaction_builder()
