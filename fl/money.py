"""Tokens as people write them, and as the chain counts them: in units of 10^-18."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Context, Decimal

from fl.errors import UsageError

TOKEN_DECIMALS = 18
_EXACT = Context(prec=80)
_TYPED = re.compile(r"[0-9]{1,20}(\.[0-9]{1,18})?")


def units(tokens: str) -> int:
    """The smallest units in a decimal text of tokens of at most 18 places, such as "0.5"."""
    return int(Decimal(tokens).scaleb(TOKEN_DECIMALS, _EXACT))


def amount(text: str) -> int:
    """Units in what somebody typed, such as "0.5". Raises UsageError for anything else than tokens."""
    if not _TYPED.fullmatch(text):
        raise UsageError(f"{text!r} is no amount of tokens.", "Write 100, or 0.5: at most 18 decimal places.")
    return units(text)


def tokens(amount: int | str, places: int = 2) -> str:
    """An amount of units as tokens, such as "1,234.56"; digits beyond `places` are cut, never rounded up."""
    exact = Decimal(int(amount)).scaleb(-TOKEN_DECIMALS, _EXACT)
    return f"{exact.quantize(Decimal(1).scaleb(-places), ROUND_DOWN, _EXACT):,f}"


def plain(amount: int) -> str:
    """An amount of units as tokens with every digit that counts and no other, such as "1234.5"."""
    whole = tokens(amount, TOKEN_DECIMALS).replace(",", "")
    return whole.rstrip("0").rstrip(".")
