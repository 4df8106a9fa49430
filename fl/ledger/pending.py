"""One nonce of an account: all that was signed for it, and which of it the chain took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from web3.exceptions import TransactionNotFound
from web3.types import BlockIdentifier, TxReceipt

from fl.ledger.node import Node

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
    signed: dict[HexBytes, HexBytes] = field(default_factory=dict)  # raw bytes by hash, the newest last

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
            self.signed[signed.hash] = signed.raw_transaction
            self.node.web3.eth.send_raw_transaction(signed.raw_transaction)

    def receipt(self) -> TxReceipt | None:
        """What became of it, once a block holds a variant."""
        with self.node.asked("eth_getTransactionReceipt"):
            for variant in self.signed:
                try:
                    return self.node.web3.eth.get_transaction_receipt(variant)
                except TransactionNotFound:
                    continue
        return None

    def known(self) -> bool:
        """Whether the node has a variant, in a block or waiting for one."""
        with self.node.asked("eth_getTransactionByHash"):
            for variant in self.signed:
                try:
                    self.node.web3.eth.get_transaction(variant)
                except TransactionNotFound:
                    continue
                return True
        return False

    def overtaken(self, block: BlockIdentifier) -> bool:
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
