"""What gas costs: there is no auction here, but wallets ask."""

from __future__ import annotations

from collections.abc import Sequence

from eth.abc import BlockHeaderAPI

from fl.chain.evm import base_fee, next_header
from fl.chain.snapshot import Snapshot
from fl.chain.views import Json, effective_gas_price, quantity

SUGGESTED_TIP = 10**9
"""Wei a unit of gas. Any tip at all is enough: whoever sends makes the block."""

_LONGEST_HISTORY = 1024


def gas_price(snapshot: Snapshot) -> int:
    """Return what a legacy transaction should offer, in wei a unit of gas."""
    return base_fee(snapshot.pending()) + SUGGESTED_TIP


def fee_history(snapshot: Snapshot, count: int, newest: int, percentiles: Sequence[float]) -> Json:
    """Show the fees of up to `count` blocks that end with number `newest`, and the base fee after them."""
    first = max(0, newest - min(count, _LONGEST_HISTORY) + 1)
    headers = [snapshot.header(number) for number in range(first, newest + 1)]
    following = [next_header(snapshot.chain, header, 0) for header in headers[-1:]]
    history: Json = {
        "oldestBlock": quantity(first),
        "baseFeePerGas": [quantity(base_fee(header)) for header in headers + following],
        "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
    }
    if percentiles:
        history["reward"] = [
            [quantity(tip) for tip in _tips(snapshot, header, percentiles)] for header in headers
        ]
    return history


def _tips(snapshot: Snapshot, header: BlockHeaderAPI, percentiles: Sequence[float]) -> list[int]:
    """Return the tips that were paid, at percentiles of the block's gas."""
    paid = sorted(
        (effective_gas_price(result.mined.transaction, header) - base_fee(header), result.gas_used)
        for result in snapshot.receipts(header)
    )
    return [_at(paid, header.gas_used * percentile / 100) for percentile in percentiles]


def _at(paid: Sequence[tuple[int, int]], gas: float) -> int:
    for tip, used in paid:
        gas -= used
        if gas <= 0:
            return tip
    return paid[-1][0] if paid else 0
