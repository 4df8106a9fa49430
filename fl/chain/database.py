"""The chain file: one SQLite database that several processes share.

SQLite's write-ahead log gives every reader one unchanging snapshot while another process writes. A block is
one SQLite transaction, so that no reader and no crash ever sees half of it. Commits are synced to the disk
(`synchronous=FULL`): kill -9 would be survived without, a power cut would not, and an answered transaction
is a promise to somebody.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from eth.db.backends.base import BaseDB
from eth.exceptions import PyEVMError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]  # ships no types

from fl.errors import ChainError

_APPLICATION_ID = 0x666C6368
"""ASCII `flch`, in the header of every chain file."""

_FORMAT = 1
"""Raised when an older release could not read the file any more."""

_PATIENCE = 30.0
"""Seconds that a writer waits for another process's writer."""

_RESTORE = "Restore a copy of it."

_SCHEMA = """
CREATE TABLE state (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE logs (
    block INTEGER, log_index INTEGER, transaction_index INTEGER,
    block_hash BLOB, transaction_hash BLOB, address BLOB,
    topic0 BLOB, topic1 BLOB, topic2 BLOB, topic3 BLOB, data BLOB,
    UNIQUE (block, log_index)
);
CREATE INDEX logs_by_address ON logs (address, topic0, block);
"""


class Database(BaseDB):
    """One connection to a chain file, usable from any thread, and the key/value store that py-evm wants.

    Keys are read and written inside `reading()` or `writing()` only. A read-only connection refuses to write.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._lock = threading.RLock()
        with _sentences(path):
            self._connection = _connect(path)
            self._file = _identity(path)
            self._connection.execute(f"PRAGMA query_only = {int(read_only)}")

    @classmethod
    def create(cls, path: Path, fill: Callable[[Database], None]) -> None:
        """Make a new chain file, filled by `fill`; the name appears only when the file is whole.

        Raises ChainError when the path is taken or cannot be written.
        """
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with _sentences(path):
                _write_schema(partial)
            with closing(cls(partial)) as database, database.writing():
                fill(database)
            _publish(partial, path)
        finally:
            partial.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the connection, after whatever is running on it."""
        with self._lock:
            self._connection.close()

    # --- transactions

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read one snapshot of the file. Never waits for a writer."""
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Read and write alone among all processes; all of it is kept, or nothing when an error leaves."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._lock, _sentences(self._path):
            self._demand_file()
            self._connection.execute(begin)
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _demand_file(self) -> None:
        """A file that was deleted can still be written to here; what was written would be gone afterwards."""
        if _identity(self._path) != self._file:
            raise ChainError(
                f"The chain file {self._path} was deleted or replaced.", "Put it back, and open it again."
            )

    def execute(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        """Run one statement inside the current transaction."""
        return self._connection.execute(sql, values)

    # --- settings: the few numbers that say what kind of chain this is

    def setting(self, name: str) -> int | None:
        """Return a number stored under `name`, or None."""
        row = self.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_setting(self, name: str, value: int) -> None:
        """Store a number under `name`."""
        self.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    # --- py-evm's key/value store

    def __getitem__(self, key: bytes) -> bytes:
        row = self.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        value: bytes = row[0]
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))

    def __delitem__(self, key: bytes) -> None:
        if not self.execute("DELETE FROM state WHERE key = ?", (key,)).rowcount:
            raise KeyError(key)

    def _exists(self, key: bytes) -> bool:
        return self.execute("SELECT 1 FROM state WHERE key = ?", (key,)).fetchone() is not None


def _connect(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise ChainError(f"There is no chain file at {path}.", "Check the path, or create the chain first.")
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=_PATIENCE,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        _check_format(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _identity(path: Path) -> tuple[int, int] | None:
    """Say which file has this name now; None for no file at all."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION_ID:
        raise ChainError(f"{path} is not a chain file.", "Check the path.")
    if version > _FORMAT:
        raise ChainError(
            f"{path} has format {version}; this release reads formats up to {_FORMAT}.", "Upgrade fedledger."
        )
    if version < 1:
        raise ChainError(
            f"{path} has format {version}, which no release has written.", "Restore a copy of it."
        )


def _write_schema(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {_FORMAT}")
        connection.execute("PRAGMA journal_mode = WAL")


def _publish(partial: Path, path: Path) -> None:
    """Give the file its name, unless somebody has taken it: unlike a rename, a link never replaces a file."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise ChainError(
            f"{path} exists already.", "Open it, or choose another path for the new chain."
        ) from None
    except OSError as error:
        raise ChainError(f"The chain file {path} cannot be created: {error}") from error


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Turn SQLite's errors, and py-evm's about what it misses in the file, into ours."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise ChainError(f"The chain file {path} is closed: {error}") from error
    except sqlite3.OperationalError as error:
        raise ChainError(f"The chain file {path} cannot be used: {error}.", _hint(error)) from error
    except sqlite3.DatabaseError as error:
        raise ChainError(f"{path} is damaged, or no chain file: {error}.", _RESTORE) from error
    except (PyEVMError, RLPException) as error:
        raise ChainError(f"{path} is damaged: {type(error).__name__}.", _RESTORE) from error


def _hint(error: sqlite3.OperationalError) -> str:
    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
        return f"Another process has been writing for {_PATIENCE:.0f} seconds; try again when it is done."
    return "Check that its folder exists, may be written to, and has space left."
