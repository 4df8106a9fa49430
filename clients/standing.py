"""Where a receipt stands by the confirmed events: what decides when it is published and when dropped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fl.documents import Receipt
from fl.ledger.types import (
    Event,
    ReceiptRevealed,
    RoundClosed,
    RoundFailed,
    RoundSettled,
    RoundVoided,
    UpdateSubmitted,
)


@dataclass(frozen=True)
class Standing:
    """What the chain has of a receipt and of its round.

    A `worthless` round failed or is void and pays nothing; nothing can change in one that is `settled`.
    """

    submitted: bool
    revealed: bool
    closed: bool
    settled: bool
    worthless: bool

    @classmethod
    def of(cls, receipt: Receipt, history: Iterable[Event]) -> Standing:
        """Read a receipt's standing from its task's history, since its round was opened or earlier."""
        events = [event for event in history if getattr(event, "round", None) == receipt.round]
        kinds = {type(event) for event in events}
        facts = {
            (type(event), event.receipt)
            for event in events
            if isinstance(event, UpdateSubmitted | ReceiptRevealed) and event.trainer == receipt.trainer
        }
        return cls(
            submitted=(UpdateSubmitted, receipt.id) in facts,
            revealed=(ReceiptRevealed, receipt.encode()) in facts,
            closed=RoundClosed in kinds,
            settled=RoundSettled in kinds,
            worthless=not kinds.isdisjoint((RoundFailed, RoundVoided)),
        )

    @property
    def ended(self) -> bool:
        """Whether the round has come to an end, one way or the other."""
        return self.closed or self.worthless

    @property
    def wanted(self) -> bool:
        """Whether others need the receipt: it is on the chain, and its round may pay for it."""
        return self.submitted and not self.worthless

    def is_over(self, served: bool) -> bool:
        """Whether the site needs its own copy no more: `served` says that the store has one.

        A submission that is not confirmed yet proves nothing: only the round's end does.
        """
        return self.worthless or (self.closed and (served or not self.wanted))
