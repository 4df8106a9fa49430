"""One nonce of an account: all that was signed for it, and which of it the chain took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eth_account.signers.local import LocalAccount

from fl.ledger.answers import Receipt
from fl.ledger.node import Block, Node

FEES = ("maxPriorityFeePerGas", "maxFeePerGas", "gasPrice")


@dataclass
class Pending:
    """One call as a transaction under one nonce, whose fees can be raised; `name` is the call's.

    Whatever was signed for the nonce may be mined, whatever came after it, and only one of it ever is.
    """

    node: Node
    account: LocalAccount
    name: str
    transaction: dict[str, Any]  # a TxParams, in the type that accounts sign
    since: int  # the newest block when it was last given to the node
    signed: list[bytes] = field(default_factory=list)  # the hashes, the newest last

    @property
    def nonce(self) -> int:
        """The nonce of all variants."""
        return int(self.transaction["nonce"])

    @property
    def price(self) -> int:
        """The most that a unit of gas may cost, in wei."""
        return int(self.transaction.get("maxFeePerGas") or self.transaction["gasPrice"])

    def broadcast(self) -> None:
        """Sign it as it stands and give it to the node. The same bytes again do no harm."""
        with self.node.asked(self.name):
            signed = self.account.sign_transaction(self.transaction)
            if signed.hash not in self.signed:
                self.signed.append(bytes(signed.hash))
            self.node.send(signed.raw_transaction)

    def receipt(self) -> Receipt | None:
        """What became of it, once a block holds a variant."""
        found = (self.node.receipt(variant) for variant in self.signed)
        return next((receipt for receipt in found if receipt is not None), None)

    def known(self) -> bool:
        """Whether the node has a variant, in a block or waiting for one."""
        return any(self.node.knows(variant) for variant in self.signed)

    def overtaken(self, block: Block) -> bool:
        """Whether another transaction has used the nonce, as of a block."""
        # in this order, because ours may be mined in between
        return self.node.nonce(self.account.address, block) > self.nonce and not self.known()

    def raise_fees(self, head: int, base: int | None) -> None:
        """Offer more, by as much as nodes demand for taking it in place of the last (geth: a tenth).

        `head` and `base`: the newest block's number and base fee in wei, None on a chain without.
        """
        self.since = head
        raised = {name: _more(self.transaction[name]) for name in FEES if name in self.transaction}
        if base is not None:
            raised["maxFeePerGas"] = max(raised["maxFeePerGas"], 2 * base + raised["maxPriorityFeePerGas"])
        self.transaction |= raised


def _more(wei: int) -> int:
    return wei + wei // 8 + 1
