"""Waiting until a transaction is mined and confirmed, and doing what helps."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fl.errors import LedgerUnavailable
from fl.ledger.answers import Receipt
from fl.ledger.pending import Pending

# Seconds to be mined in, and for each further confirmation.
PATIENCE = 120.0
# Blocks without a transaction that waits, before it offers more, and how often it does.
PASSED_OVER = 3
RAISES = 10


class Waiting:
    """Waits for one transaction.

    `confirmations` counts as everybody does: 1, or 0, is mined; N has N - 1 blocks on top.
    Dropped transactions are sent again, those that blocks pass over offer more, and of what the node cannot
    answer now it is asked again later.
    """

    def __init__(self, pending: Pending, confirmations: int) -> None:
        self._pending = pending
        self._node = pending.node
        self._needed = max(confirmations, 1)
        self._reached = 0  # the most confirmations that it had
        self._gone = False  # whether a block had it, and none has it now
        self._until = time.monotonic() + PATIENCE
        self._raises = RAISES
        self._trouble = ""

    def receipt(self) -> Receipt | None:
        """The receipt, once it is confirmed; None when another transaction took the nonce.

        Raises LedgerUnavailable, which says how far it came, after two minutes without progress.
        """
        for pause in _pauses():
            try:
                # the head before the receipt, which a reorg in between takes back
                head = self._node.head() if self._needed > 1 else 0
                receipt = self._pending.receipt()
                if receipt is not None and self._confirmed(receipt, head):
                    return receipt
                if receipt is None and not self._tend():
                    return None
            except LedgerUnavailable as error:
                self._trouble = error.message
            if time.monotonic() > self._until:
                raise self._too_long()
            time.sleep(pause)
        raise AssertionError("pauses never end")

    def _confirmed(self, receipt: Receipt, head: int) -> bool:
        if self._needed == 1:
            return True
        self._gone = False
        reached = head - receipt.block + 1
        if reached > self._reached:
            self._reached, self._until = reached, time.monotonic() + PATIENCE
        return reached >= self._needed

    def _tend(self) -> bool:
        """Help a transaction that no block holds. False: there is no helping it, its nonce is used."""
        self._gone = self._reached > 0
        head, base = self._node.newest()
        if self._pending.overtaken(max(head - self._needed + 1, 0)):
            return False
        below = base is not None and self._pending.price < base
        if not below and not self._pending.known():
            self._pending.since = head
            self._pending.broadcast()
        elif self._raises and (below or head - self._pending.since >= PASSED_OVER):
            self._raises -= 1
            self._pending.raise_fees(head, base)
            self._pending.broadcast()
        return True

    def _too_long(self) -> LedgerUnavailable:
        what = f"0x{self._pending.signed[-1].hex()} ({self._pending.name})"
        if self._gone:
            message = f"{what} was mined, and taken back with its block."
            hint = f"It may be mined again: look for it before sending it again. {self._trouble}".strip()
        elif self._reached:
            message = f"{what} was mined, and has {self._reached} of {self._needed} confirmations."
            hint = "Does the chain make blocks? It needs them, or fewer confirmations."
        else:
            message = f"{self._node.name} did not mine {what} in {PATIENCE:g} s."
            hint = f"It still may: look for it before sending it again. {self._trouble}".strip()
        return LedgerUnavailable(message, hint)


def _pauses() -> Iterator[float]:
    """Seconds between two looks: short at first, then one second."""
    pause = 0.05
    while True:
        yield pause
        pause = min(pause * 1.5, 1.0)
