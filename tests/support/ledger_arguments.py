"""Arguments for the verbs of the ledger port, right ones and wrong ones, for hypothesis to draw from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st

from fl.ledger.types import (
    FULL_QUALITY,
    REFUSED_QUALITY,
    UNAVAILABLE,
    UNRATED,
    Address,
    Entry,
    Result,
    TaskParams,
)

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1
LARGEST = 2**256 - 1

Mark = tuple[int, int]
"""An entry's share and quality."""


def digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def mostly(*others: Any, usual: Any = None, weight: int = 8) -> st.SearchStrategy[Any]:
    """`usual`, and one time in `weight` one of the others."""
    return st.sampled_from((usual,) * (weight - 1) * len(others) + others)


words = st.sampled_from([digest(text) for text in ("one", "two", "initial weights")] + [bytes(32)])
amounts = st.sampled_from([0, 1, 999, 1_000, 20_000, 2**128 - 1, 2**128, LARGEST])
steps = mostly(-2, -1, 1, 2, usual=0)
"""How far from the right round."""

# --- tasks


def params(aggregator: Address, sponsor: Address, **changes: Any) -> TaskParams:
    usual = TaskParams(
        terms=digest("terms"),
        weights=digest("initial weights"),
        aggregator=aggregator,
        sponsor=sponsor,
        reward=1_000,
        quorum=1,
        window=100,
        close_window=60,
        settle_delay=30,
    )
    return replace(usual, **changes)


numbers = st.fixed_dictionaries(
    {},
    optional={
        "reward": st.sampled_from([0, 1, 2**128 - 1]),
        "quorum": st.sampled_from([0, 2, 512, 513]),
        "window": st.sampled_from([0, 1, 2**32 - 1]),
        "close_window": st.sampled_from([0, 1, 2, 3, 2**32 - 1]),
        "settle_delay": st.sampled_from([0, 1, 2**32 - 1]),
    },
)
"""What may differ from a usual task."""

# --- rounds


def announcement(round_: int) -> bytes:
    return digest(f"announcement {round_}")


def result_of(round_: int, submissions: Sequence[tuple[Address, bytes]], marks: Iterable[Mark]) -> Result:
    """Closes a round with these submissions, in their order; each mark is a share and a quality."""
    return Result(
        announcement=announcement(round_),
        weights=digest(f"weights {round_}"),
        manifest=digest(f"manifest {round_}"),
        entries=tuple(Entry(trainer, *mark) for (trainer, _), mark in zip(submissions, marks, strict=True)),
        receipts=tuple(receipt for _, receipt in submissions),
    )


shares = st.sampled_from([0, 1, 1, 2, 3, 1_000_000, 2**32 - 1])
accepted = st.tuples(shares, st.just(FULL_QUALITY))
refused = st.sampled_from([(0, REFUSED_QUALITY), (0, UNRATED), (0, UNAVAILABLE)])
malformed = st.sampled_from(
    [(1, 0), (1, UNRATED), (1, UNAVAILABLE), (0, 17), (0, 9_999), (2**32, FULL_QUALITY)]
)
marks = st.integers(0, 19).flatmap(lambda n: malformed if n == 0 else refused if n < 5 else accepted)

FLAWS = {
    "nothing": lambda result: replace(result, entries=(), receipts=()),
    "a receipt less": lambda result: replace(result, receipts=result.receipts[:-1]),
    "an entry less": lambda result: replace(
        result, entries=result.entries[:-1], receipts=result.receipts[:-1]
    ),
    "reversed": lambda result: replace(result, entries=result.entries[::-1], receipts=result.receipts[::-1]),
    "twice": lambda result: replace(result, entries=result.entries * 2, receipts=result.receipts * 2),
    "other receipts": lambda result: replace(result, receipts=(digest("other"),) * len(result.receipts)),
    "other announcement": lambda result: replace(result, announcement=digest("other")),
    "no weights": lambda result: replace(result, weights=bytes(32)),
}
flaws = mostly(*FLAWS, weight=3)


def flawed(result: Result, flaw: str | None) -> Result:
    return FLAWS[flaw](result) if flaw else result


# --- signatures

TWISTS = {
    # (r, n - s) with the other recovery id is a second signature of the same signer: ECDSA is malleable
    "high s": lambda r, s, v: r + (ORDER - s).to_bytes(32, "big") + bytes([55 - v]),
    "compact (EIP-2098)": lambda r, s, v: r + (s | (v - 27) << 255).to_bytes(32, "big"),
    "v from 0": lambda r, s, v: r + s.to_bytes(32, "big") + bytes([v - 27]),
    "other v": lambda r, s, v: r + s.to_bytes(32, "big") + bytes([55 - v]),
    "short": lambda r, s, v: r + s.to_bytes(32, "big"),
    "long": lambda r, s, v: r + s.to_bytes(32, "big") + bytes([v, 0]),
    "r beyond the order": lambda r, s, v: b"\xff" * 32 + s.to_bytes(32, "big") + bytes([v]),
    "s of 0": lambda r, s, v: r + bytes(32) + bytes([v]),
    "zeros": lambda r, s, v: bytes(65),
    "empty": lambda r, s, v: b"",
}
twists = mostly(*TWISTS)


def twisted(signature: bytes, how: str | None) -> bytes:
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    return TWISTS[how](r, s, v) if how else signature
