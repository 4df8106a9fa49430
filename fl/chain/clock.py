"""What time it is on the chain: the wall clock's, or a number in the chain file that somebody moves."""

from __future__ import annotations

import time

from fl.chain.database import Database
from fl.errors import ChainError

_VIRTUAL_NOW = "virtual_now"


def start_virtual_clock(database: Database, now: int) -> None:
    """Make time virtual, from `now` (seconds since 1970) on. Call while writing."""
    database.set_setting(_VIRTUAL_NOW, now)


def now(database: Database) -> int:
    """Return the chain's time in seconds since 1970. Call while reading or writing."""
    virtual = database.setting(_VIRTUAL_NOW)
    return int(time.time()) if virtual is None else virtual


def is_virtual(database: Database) -> bool:
    """Say whether time stands still until it is set. Call while reading or writing."""
    return database.setting(_VIRTUAL_NOW) is not None


def set_now(database: Database, moment: int) -> None:
    """Move virtual time to `moment`. Call while writing.

    Raises ChainError on a chain that lives by the wall clock, and for a moment that has passed.
    """
    if not is_virtual(database):
        raise ChainError(
            "This chain lives by the wall clock.", "Create it with virtual time to move its time."
        )
    if moment < now(database):
        raise ChainError(f"Time never goes back: it is {now(database)}, not yet {moment}.")
    database.set_setting(_VIRTUAL_NOW, moment)
