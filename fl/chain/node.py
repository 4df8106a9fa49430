"""The embedded node: opens a chain file, makes blocks, keeps time."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from eth.abc import SignedTransactionAPI
from eth.db.atomic import AtomicDB
from eth_utils.address import to_canonical_address
from eth_utils.exceptions import ValidationError

from fl.chain import clock
from fl.chain.database import Database
from fl.chain.errors import TransactionRejected
from fl.chain.evm import EmbeddedVM, chain_class, check_transaction, next_header, write_genesis
from fl.chain.logs import add_logs
from fl.chain.snapshot import Kept, Snapshot

_CHAIN_ID = "chain_id"

_VIRTUAL_GENESIS = 1_735_689_600
"""Where virtual time begins unless told: 2025-01-01 00:00 UTC, so that two runs have the same blocks."""

_TYPES = (0, 1, 2)
"""Transaction types that blocks take: legacy, EIP-2930, EIP-1559. No blobs, no delegation."""


class EmbeddedNode:
    """One chain file, opened. Safe to share between threads; each process opens its own.

    Do not carry a node over `os.fork`: SQLite connections do not survive it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept = Kept()
        with ExitStack() as opened:
            self._writer = opened.enter_context(closing(Database(path)))
            # so that reads never queue behind a writer that waits
            self._reader = opened.enter_context(closing(Database(path, read_only=True)))
            with self._reader.reading():
                self.chain_id = self._reader.setting(_CHAIN_ID) or 0
                self.is_virtual = clock.is_virtual(self._reader)
                chain = chain_class(self.chain_id)
                self._reading_chain = chain(AtomicDB(self._reader))
                self._writing_chain = chain(AtomicDB(self._writer))
            # also at the end of the process: who closes last folds what is beside the file into it
            self._close = weakref.finalize(self, opened.pop_all().close)

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        alloc: Mapping[str, int],
        chain_id: int = 31337,
        genesis_time: int | None = None,
        virtual_time: bool = False,
        gas_limit: int = 30_000_000,
    ) -> Self:
        """Make a chain and open it.

        `alloc` gives the first accounts their wei. Time in seconds since 1970; it begins now, or at the start
        of 2025 if it is virtual. Raises ChainError when the path is taken or cannot be written.
        """
        start = (
            genesis_time
            if genesis_time is not None
            else _VIRTUAL_GENESIS
            if virtual_time
            else int(time.time())
        )

        def fill(database: Database) -> None:
            database.set_setting(_CHAIN_ID, chain_id)
            if virtual_time:
                clock.start_virtual_clock(database, start)
            balances = {to_canonical_address(address): wei for address, wei in alloc.items()}
            write_genesis(
                AtomicDB(database), chain_id=chain_id, gas_limit=gas_limit, timestamp=start, balances=balances
            )

        Database.create(Path(path), fill)
        return cls(Path(path))

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a chain that exists.

        Raises ChainError when there is none, or the file is damaged, something else, or of a newer release.
        """
        return cls(Path(path))

    def close(self) -> None:
        """Close the file, after whatever is running. The node is of no use then."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- time

    def now(self) -> int:
        """Return the chain's time, in seconds since 1970.

        A block made now has it, or its parent's if that is later.
        """
        with self._reader.reading():
            return clock.now(self._reader)

    def set_time(self, moment: int) -> None:
        """Move virtual time, for every process that has the file open.

        Raises ChainError for a moment that has passed, and on a chain that lives by the wall clock.
        """
        with self._writer.writing():
            clock.set_now(self._writer, moment)

    # --- blocks

    @contextmanager
    def reading(self) -> Iterator[Snapshot]:
        """Give one consistent view of the chain, while others go on writing."""
        with self._reader.reading():
            yield Snapshot(self._reading_chain, self._reader, self._kept)

    def send(self, raw: bytes) -> bytes:
        """Put a signed transaction (EIP-2718 bytes) into a block of its own and return its hash.

        A transaction that is there already is not done twice: its hash is the answer again. Once this has
        returned, the block is on the disk. Raises TransactionRejected, and ChainError when the file fails.
        """
        transaction = self._decode(raw)
        with self._writer.writing():
            snapshot = self._writing_snapshot()
            if not snapshot.has(transaction.hash):
                _check_sender(transaction, snapshot)
                self._append(snapshot, [transaction])
        return transaction.hash

    def mine(self) -> None:
        """Make an empty block."""
        with self._writer.writing():
            self._append(self._writing_snapshot(), [])

    def _writing_snapshot(self) -> Snapshot:
        return Snapshot(self._writing_chain, self._writer)

    def _append(self, snapshot: Snapshot, transactions: Sequence[SignedTransactionAPI]) -> None:
        chain = snapshot.chain
        chain.header = next_header(chain, snapshot.head(), clock.now(snapshot.database))
        try:
            result, receipts, _ = chain.mine_all(transactions)
        except ValidationError as error:
            raise TransactionRejected(str(error)) from error
        add_logs(snapshot.database, result.imported_block, receipts)

    def _decode(self, raw: bytes) -> SignedTransactionAPI:
        """Decode and check whatever needs no state, the signature above all, before anybody has to wait."""
        try:
            transaction = EmbeddedVM.get_transaction_builder().decode(raw)
            transaction.validate()
            check_transaction(transaction, self.chain_id)
        except Exception as error:  # whatever a decoder trips over, the bytes are to blame
            raise TransactionRejected(f"invalid transaction: {error}") from error
        if (transaction.type_id or 0) not in _TYPES:
            raise TransactionRejected(
                f"transaction type {transaction.type_id} is not supported; use 0, 1 or 2"
            )
        return transaction


def _check_sender(transaction: SignedTransactionAPI, snapshot: Snapshot) -> None:
    """Refuse a nonce that is not the next one, and a sender who could not pay the most (EIP-1559)."""
    state = snapshot.state("latest")
    expected = state.get_nonce(transaction.sender)
    if transaction.nonce < expected:
        raise TransactionRejected(f"nonce too low: next nonce {expected}, tx nonce {transaction.nonce}")
    if transaction.nonce > expected:
        raise TransactionRejected(
            f"nonce too high: next nonce {expected}, tx nonce {transaction.nonce}; nothing is queued"
        )
    balance = state.get_balance(transaction.sender)
    cost = transaction.value + transaction.gas * transaction.max_fee_per_gas
    if balance < cost:
        raise TransactionRejected(
            f"insufficient funds for gas * price + value: have {balance}, need {cost} wei"
        )
