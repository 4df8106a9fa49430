"""Tokens as people write them, and as the chain counts them: in units of 10^-18."""

from __future__ import annotations

from decimal import ROUND_DOWN, Context, Decimal

TOKEN_DECIMALS = 18
_EXACT = Context(prec=80)


def units(tokens: str) -> int:
    """The smallest units in a decimal text of tokens of at most 18 places, such as "0.5"."""
    return int(Decimal(tokens).scaleb(TOKEN_DECIMALS, _EXACT))


def tokens(amount: int | str, places: int = 2) -> str:
    """An amount of units as tokens, such as "1,234.56"; digits beyond `places` are cut, never rounded up."""
    exact = Decimal(int(amount)).scaleb(-TOKEN_DECIMALS, _EXACT)
    return f"{exact.quantize(Decimal(1).scaleb(-places), ROUND_DOWN, _EXACT):,}"
