"""Bringing a federation onto a chain, and the payment token of those who have none."""

from __future__ import annotations

from typing import Any, NamedTuple

from eth_account.signers.local import LocalAccount
from web3.providers import BaseProvider

from fl.errors import Refused, UsageError
from fl.ledger.abi import FEDERATION, TOKEN, call_data, creation_data
from fl.ledger.node import CHECK, NoContract, Node
from fl.ledger.transactions import Sending
from fl.ledger.types import Address
from fl.money import TOKEN_DECIMALS


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
    """Deploy a federation that pays with the ERC-20 at `token`, for ever.

    Raises UsageError for a token that is none, or does not count in 10^-18 as `fl.money` does.
    """
    node = Node(provider)
    decimals = _ask(node, token, TOKEN, "decimals")
    if decimals != TOKEN_DECIMALS:
        message = f"The token at {token} has {decimals} decimal places, and {TOKEN_DECIMALS} are needed."
        raise UsageError(message, "Leave --token out to deploy a small token of the federation's own.")
    return _create(node, owner, FEDERATION, token)


def token_of(provider: BaseProvider, contract: Address) -> Address:
    """The token that a federation pays with."""
    return Address(_ask(Node(provider), contract, FEDERATION, "token"))


def minter_of(provider: BaseProvider, token: Address) -> Address | None:
    """Who may mint a token; None for one that has no owner, as other tokens than ours may."""
    try:
        return Address(_ask(Node(provider), token, TOKEN, "owner"))
    except UsageError:
        return None


def _ask(node: Node, address: Address, name: str, question: str) -> Any:
    """What the contract at `address` answers; UsageError when it is not such a contract."""
    node.demand_contract(address)
    try:
        return node.call(address, question)
    except (Refused, NoContract) as error:
        raise UsageError(f"The contract at {address} is no {_KINDS[name]}.", CHECK) from error


_KINDS = {FEDERATION: "federation", TOKEN: "token (ERC-20)"}


def mint(provider: BaseProvider, owner: LocalAccount, token: Address, to: Address, amount: int) -> None:
    """Create `amount` of the demonstration token, in its smallest unit, for `to`."""
    node = Node(provider)
    node.demand_contract(token)
    Sending(node, owner, token, call_data("mint", (to, amount)), "mint").send()


def _create(node: Node, owner: LocalAccount, name: str, *arguments: object) -> Address:
    data = creation_data(name, *arguments)
    receipt = Sending(node, owner, None, data, f"the deployment of {name}").send()
    assert receipt.contract is not None  # a creation that succeeded has one
    return receipt.contract
