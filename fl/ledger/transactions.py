"""Sending a transaction: simulate, sign, send, wait. The one place that does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_typing import HexStr
from web3.types import Nonce, TxParams, Wei

from fl.errors import LedgerUnavailable
from fl.ledger.answers import Receipt
from fl.ledger.confirming import Waiting
from fl.ledger.node import Block, NoContract, Node, NodeRefused
from fl.ledger.pending import Pending
from fl.ledger.types import Address

# A node's estimate is exact for the block that it tried; a later one may have to write a fresh slot.
HEADROOM = 4
# EIP-7825: no transaction may use more gas than this.
GAS_CAP = 2**24
# How often a nonce may be lost to another process that sends from the same account.
RACES = 8


@dataclass(frozen=True)
class Sending:
    """One call of a contract in the name of `account`; `name` is what people know it by.

    `data` are the call's bytes; `to` is None for those that create a contract.

    Programs that share an account may send at once; but the very same call, sent by two at the same moment,
    is one transaction to the chain, and done once.
    """

    node: Node
    account: LocalAccount
    to: Address | None
    data: bytes
    name: str
    confirmations: int = 0

    def send(self) -> Receipt:
        """Have the call mined and confirmed, and return its receipt.

        Raises Refused, before anything is sent where the node can tell, and LedgerUnavailable when the node
        does not take the transaction, or the chain does not take it in time.
        """
        for _ in range(RACES):
            pending = self._prepare(self._simulate())
            receipt = Waiting(pending, self.confirmations).receipt() if self._submit(pending) else None
            if receipt is not None:
                return self._done(receipt)
        message = f"Somebody else was quicker with each nonce of {self.account.address} for {self.name}."
        raise LedgerUnavailable(message, "Let one program at a time send from one account.")

    def _done(self, receipt: Receipt) -> Receipt:
        if not receipt.succeeded:
            self._explain(receipt)
        if not receipt.logs:  # whatever is called says so in an event
            sent = "0x" + receipt.transaction.hex()
            message = f"The transaction {sent} ({self.name}) was mined, and no contract answered it."
            raise NoContract(message, "Has the node lost its data, or is it on another chain?")
        return receipt

    def _simulate(self) -> int:
        """The gas limit to send with. Estimating runs the call on the pending block, so it also refuses."""
        estimate = self._estimate("pending")
        return min(estimate + estimate // HEADROOM, GAS_CAP)

    def _estimate(self, block: Block) -> int:
        with self.node.asked(self.name):
            return self.node.estimate(self._message(), block)

    def _message(self) -> TxParams:
        message: TxParams = {"from": self.account.address, "data": HexStr("0x" + self.data.hex())}
        return message if self.to is None else {**message, "to": self.to}

    def _prepare(self, gas: int) -> Pending:
        head, base = self.node.newest()
        transaction: dict[str, Any] = {
            **self._message(),
            "chainId": self.node.chain_id,
            # from the chain each time: another process may use the same account
            "nonce": Nonce(self.node.nonce(self.account.address, "pending")),
            "gas": gas,
            "value": Wei(0),
            **self._fees(base),
        }
        return Pending(self.node, self.account, self.name, transaction, head)

    def _fees(self, base: int | None) -> TxParams:
        """The node's tip over twice the base fee (EIP-1559), or its gas price where there is no base fee."""
        eth = self.node.web3.eth
        with self.node.asked("the fees"):
            if base is None:
                return {"gasPrice": Wei(int(eth.gas_price))}
            tip = Wei(int(eth.max_priority_fee))
            return {"maxPriorityFeePerGas": tip, "maxFeePerGas": Wei(2 * base + tip)}

    def _submit(self, pending: Pending) -> bool:
        """Give it to the node. False: the node already has another transaction with this nonce."""
        try:
            pending.broadcast()
        except NodeRefused:  # nodes word this each in their own way, so that only the chain tells why
            if pending.known():  # an earlier try was taken, and its answer lost
                return True
            if self.node.nonce(self.account.address, "pending") != pending.nonce:
                return False
            self.node.demand_chain()
            self._demand_coin(pending)
            raise
        except LedgerUnavailable:  # once signed it may have arrived: whoever waits for it finds out
            if not pending.signed:
                raise
        return True

    def _demand_coin(self, pending: Pending) -> None:
        cost = pending.transaction["gas"] * pending.price
        with self.node.asked("eth_getBalance"):
            balance = int(self.node.web3.eth.get_balance(self.account.address, "pending"))
        if balance < cost:
            message = f"{self.account.address} has {balance} wei, and gas for {self.name} may cost {cost}."
            raise LedgerUnavailable(message, "Send it some of the chain's own coin.")

    def _explain(self, receipt: Receipt) -> None:
        """Something changed between simulation and mining: run the call again where it was refused."""
        self._estimate(receipt.block)
        sent = "0x" + receipt.transaction.hex()
        message = f"The transaction {sent} ({self.name}) was reverted, and is not when it is tried again."
        raise LedgerUnavailable(message, "The chain moved on in between; send it again.")
