"""Bringing a federation and a payment token onto a chain, for demonstrations and tests."""

from __future__ import annotations

from typing import NamedTuple

from eth_account.signers.local import LocalAccount
from web3.providers import BaseProvider

from fl.ledger.abi import FEDERATION, TOKEN, artifact, checked
from fl.ledger.node import Node
from fl.ledger.transactions import Sending
from fl.ledger.types import Address


class Deployment(NamedTuple):
    """The addresses of a new federation and of the token that it pays with."""

    contract: Address
    token: Address


def deploy(provider: BaseProvider, owner: LocalAccount) -> Deployment:
    """Deploy the mintable demonstration token and a federation that pays with it; `owner` owns both."""
    node = Node(provider)
    token = _create(node, owner, TOKEN)
    return Deployment(deploy_federation(provider, owner, token), token)


def deploy_federation(provider: BaseProvider, owner: LocalAccount, token: Address) -> Address:
    """Deploy a federation that pays with the ERC-20 at `token`, for ever."""
    return _create(Node(provider), owner, FEDERATION, token)


def mint(provider: BaseProvider, owner: LocalAccount, token: Address, to: Address, amount: int) -> None:
    """Create `amount` of the demonstration token, in its smallest unit, for `to`."""
    node = Node(provider)
    contract = node.contract(token, TOKEN)
    call = contract.functions["mint"](*checked("mint", (to, amount)))
    Sending(node, owner, call, "mint").send()


def _create(node: Node, owner: LocalAccount, name: str, *arguments: object) -> Address:
    compiled = artifact(name)
    contract = node.web3.eth.contract(abi=compiled.abi, bytecode=compiled.bytecode)
    call = contract.constructor(*arguments)
    receipt = Sending(node, owner, call, f"the deployment of {name}").send()
    address = receipt["contractAddress"]
    assert address is not None  # a creation that succeeded has one
    return Address(address)
