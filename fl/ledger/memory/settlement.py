"""What settling a round gives each trainer, in the contract's own integer arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fl.ledger.memory.state import State
from fl.ledger.types import FULL_QUALITY, UNRATED, Credit, Entry, Member


def credits_of(state: State, entries: Sequence[Entry], reward: int) -> tuple[Credit, ...]:
    """Amount and new reputation by entry; nothing is paid when the shares sum to zero."""
    total = sum(entry.share for entry in entries)
    return tuple(
        Credit(
            amount=reward * entry.share // total if total else 0,
            reputation=_reputation(state.member(entry.trainer).reputation, entry.quality),
        )
        for entry in entries
    )


def rated(member: Member, credit: Credit) -> Member:
    """The member after settlement."""
    return replace(member, balance=member.balance + credit.amount, reputation=credit.reputation)


def _reputation(reputation: int, quality: int) -> int:
    """Moves an eighth of the way; unrated leaves it, unavailable counts as refused."""
    if quality == UNRATED:
        return reputation
    return reputation - reputation // 8 + (FULL_QUALITY // 8 if quality == FULL_QUALITY else 0)
