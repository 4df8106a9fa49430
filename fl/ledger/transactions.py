"""Sending a transaction: simulate, sign, send, wait. The one place that does."""

from __future__ import annotations

from dataclasses import dataclass

from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from web3.contract.contract import ContractConstructor, ContractFunction
from web3.exceptions import TimeExhausted
from web3.types import TxParams, TxReceipt, Wei

from fl.errors import LedgerUnavailable
from fl.ledger.node import Node, NodeRefused

# A node's estimate is exact for the block that it tried; a later one may have to write a fresh slot.
HEADROOM = 4
# EIP-7825: no transaction may use more gas than this.
GAS_CAP = 2**24
PATIENCE = 120.0


@dataclass(frozen=True)
class Sending:
    """One call of a contract in the name of `account`; `name` is what people know it by."""

    node: Node
    account: LocalAccount
    call: ContractFunction | ContractConstructor
    name: str

    def send(self) -> TxReceipt:
        """Have the call mined and return its receipt.

        Raises Refused, before anything is sent where the node can tell, and LedgerUnavailable when the node
        does not take the transaction or does not mine it within two minutes.
        """
        gas = self._simulate()
        sent = self._submit(self._prepare(gas))
        receipt = self._wait(sent)
        if receipt["status"] == 0:
            self._explain(receipt)
        return receipt

    def _simulate(self) -> int:
        """The gas limit to send with. Estimating runs the call on the pending block, so it also refuses."""
        with self.node.asked(self.name):
            estimate = self.call.estimate_gas({"from": self.account.address}, "pending")
        return min(estimate + estimate // HEADROOM, GAS_CAP)

    def _prepare(self, gas: int) -> TxParams:
        eth = self.node.web3.eth
        with self.node.asked("the next nonce and the fees"):
            envelope: TxParams = {
                "from": self.account.address,
                "chainId": self.node.chain_id,
                # from the chain each time: another process may use the same account
                "nonce": eth.get_transaction_count(self.account.address, "pending"),
                "gas": gas,
                "value": Wei(0),
                **self._fees(),
            }
            return self.call.build_transaction(envelope)

    def _fees(self) -> TxParams:
        """The node's tip over twice the base fee (EIP-1559), or its gas price where there is no base fee."""
        eth = self.node.web3.eth
        base = eth.get_block("latest").get("baseFeePerGas")
        if base is None:
            return {"gasPrice": eth.gas_price}
        tip = eth.max_priority_fee
        return {"maxPriorityFeePerGas": tip, "maxFeePerGas": Wei(2 * base + tip)}

    def _submit(self, transaction: TxParams) -> HexBytes:
        signed = self.account.sign_transaction(transaction)  # type: ignore[arg-type]  # a TxParams is such a dict
        try:
            with self.node.asked(self.name):
                return self.node.web3.eth.send_raw_transaction(signed.raw_transaction)
        except NodeRefused:
            # nodes word this one each in their own way
            self._demand_coin(transaction)
            raise

    def _demand_coin(self, transaction: TxParams) -> None:
        price = transaction["maxFeePerGas"] if "maxFeePerGas" in transaction else transaction["gasPrice"]
        cost = transaction["gas"] * int(price)
        with self.node.asked("eth_getBalance"):
            balance = self.node.web3.eth.get_balance(self.account.address, "pending")
        if balance < cost:
            message = f"{self.account.address} has {balance} wei, and gas for {self.name} may cost {cost}."
            raise LedgerUnavailable(message, "Send it some of the chain's own coin.")

    def _wait(self, sent: HexBytes) -> TxReceipt:
        with self.node.asked(self.name):
            try:
                return self.node.web3.eth.wait_for_transaction_receipt(sent, PATIENCE)
            except TimeExhausted as error:
                message = f"{self.node.name} did not mine {sent.to_0x_hex()} ({self.name}) in {PATIENCE:g} s."
                hint = "It still may: look for it before sending it again."
                raise LedgerUnavailable(message, hint) from error

    def _explain(self, receipt: TxReceipt) -> None:
        """Something changed between simulation and mining: run the call again where it was refused."""
        with self.node.asked(self.name):
            self.call.estimate_gas({"from": self.account.address}, receipt["blockNumber"])
        sent = receipt["transactionHash"].to_0x_hex()
        message = f"The transaction {sent} ({self.name}) was reverted, and is not when it is tried again."
        raise LedgerUnavailable(message, "The chain moved on in between; send it again.")
