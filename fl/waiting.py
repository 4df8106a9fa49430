"""Waiting for a chain: its clock is the only one that counts."""

from __future__ import annotations

import time
from collections.abc import Callable

from fl.ledger.port import Ledger

POLL_SECONDS = 1.0

Wait = Callable[[int, Callable[[], bool]], None]
"""(until, done): return once `done()` or once the chain's time has reached `until`."""


def polling(ledger: Ledger) -> Wait:
    """Wait on a chain whose time passes by itself, looking once a second."""

    def wait(until: int, done: Callable[[], bool]) -> None:
        while not done() and ledger.now() < until:
            time.sleep(POLL_SECONDS)

    return wait
