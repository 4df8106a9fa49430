"""`fl federation`: what the owner of a federation does, and what everybody can see of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from eth_account.signers.local import LocalAccount

from fl import members, money, output, wiring
from fl.errors import UsageError
from fl.ledger import deploy
from fl.ledger.accounts import read_key
from fl.ledger.port import Ledger
from fl.ledger.types import Address
from fl.store.port import BlobStore
from fl.wiring import Deployment

Rpc = Annotated[str, typer.Option("--rpc", help="A node's address, or an embedded chain's file.")]
Contract = Annotated[str, typer.Option("--contract", help="The federation's address.")]
Store = Annotated[str, typer.Option("--store", help="An IPFS node's API, or an embedded store.")]
OwnerKey = Annotated[Path, typer.Option("--key", help="The owner's key file.")]
Confirmations = Annotated[
    int, typer.Option("--confirmations", min=1, help="Blocks to wait for; 1: the one that holds it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

federation_app = typer.Typer(
    help="Deploy a federation, admit its members, and show it.", add_completion=False, no_args_is_help=True
)


@federation_app.command("deploy")
def deploy_command(
    rpc: Rpc,
    key: OwnerKey,
    token: Annotated[
        str | None, typer.Option("--token", help="An ERC-20 of 18 decimal places to pay with, for ever.")
    ] = None,
    json: Json = False,
) -> None:
    """Deploy a federation that the key's account owns, and a small token for it if none is named.

    The owner of the small token mints it: `fl federation mint`.
    """
    owner, chain = read_key(key), wiring.open_chain(rpc)
    if token is None:
        made = deploy.deploy(chain, owner)
    else:
        named = wiring.address(token)
        made = deploy.Deployment(deploy.deploy_federation(chain, owner, named), named)
    if json:
        output.print_json({"contract": made.contract, "token": made.token, "owner": owner.address})
        return
    print(f"contract  {made.contract}\ntoken     {made.token}\nowner     {owner.address}")


@federation_app.command("mint")
def mint_command(
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Tokens, such as 100 or 0.5.")],
    rpc: Rpc,
    contract: Contract,
    key: OwnerKey,
    to: Annotated[str | None, typer.Option("--to", help="Who gets them; the owner if left out.")] = None,
    json: Json = False,
) -> None:
    """Make AMOUNT of the federation's small token; only whoever deployed the token can."""
    units, account = money.amount(amount), read_key(key)
    holder = wiring.address(to) if to else Address(account.address)
    ledger = _ledger(rpc, contract)
    chain = wiring.open_chain(rpc)
    token = deploy.token_of(chain, ledger.contract)
    _demand_minter(deploy.minter_of(chain, token), token, account)
    deploy.mint(chain, account, token, holder, units)
    balance = ledger.token_balance(holder)
    if json:
        output.print_json({"token": token, "holder": holder, "minted": units, "balance": balance})
    else:
        print(f"{holder} has {money.tokens(balance)} tokens now.")


def _demand_minter(minter: Address | None, token: Address, account: LocalAccount) -> None:
    if minter != Address(account.address):
        whose = f"Only {minter} can mint it." if minter else "It is no token that fedledger deployed."
        raise UsageError(
            f"The key's account {account.address} cannot mint the token {token}.",
            f"{whose} Have tokens sent to you instead.",
        )


@federation_app.command("admit")
def admit_command(
    member: Annotated[str, typer.Argument(metavar="ADDRESS", help="The member's address: `fl key show`.")],
    name: Annotated[str, typer.Option("--name", help="What the member is called, for all to see.")],
    rpc: Rpc,
    contract: Contract,
    store: Store,
    key: OwnerKey,
    confirmations: Confirmations = 1,
    json: Json = False,
) -> None:
    """Admit a member under a name. Make sure who it is: every payment rests on that."""
    admitted, blobs = wiring.address(member), wiring.open_store(store)
    owner = open_owner(Deployment(rpc, wiring.address(contract), 0, store), key, confirmations)
    _demand_new(owner, blobs, admitted, name)
    profile = members.admit(owner, blobs, admitted, name)
    if json:
        output.print_json({"member": admitted, "name": name, "profile": profile.id.hex()})
    else:
        print(f"Admitted {name}, {admitted}.")


def _demand_new(ledger: Ledger, store: BlobStore, member: Address, name: str) -> None:
    """Raise UsageError for whoever is a member already, and for a name that another member has."""
    known = members.names(ledger, store)
    if ledger.member(member).admitted:
        raise UsageError(f"{member} is a member already, called {known.get(member, member)!r}.")
    for other, taken in known.items():
        if taken == name and other != member and ledger.member(other).admitted:
            raise UsageError(f"{other} is called {name!r} already.", "Give each member a name of its own.")


def open_owner(place: Deployment, key: Path, confirmations: int) -> Ledger:
    """The federation in its owner's name. Raises UsageError for a key that is not the owner's."""
    ledger = wiring.open_ledger(place, read_key(key), confirmations)
    if (owner := ledger.owner()) != ledger.account:
        raise UsageError(
            f"The federation belongs to {owner}; the key in {key} is of {ledger.account}.",
            "Name the owner's key file with --key.",
        )
    return ledger


# --- show


@dataclass(frozen=True)
class MemberLine:
    """A member, or who was one; the balance in the token's smallest unit."""

    member: Address
    name: str
    admitted: bool
    reputation: int
    balance: int
    payee: Address


@federation_app.command("show")
def show_command(rpc: Rpc, contract: Contract, store: Store, json: Json = False) -> None:
    """Show a federation: its owner, its token, its members with their reputation and unpaid balance."""
    ledger = _ledger(rpc, contract)
    found = _members(ledger, wiring.open_store(store))
    said = {
        "contract": ledger.contract,
        "chain_id": ledger.chain_id,
        "owner": ledger.owner(),
        "token": deploy.token_of(wiring.open_chain(rpc), ledger.contract),
        "tasks": ledger.task_count(),
        "paused": ledger.paused(),
    }
    if json:
        output.print_json({**said, "members": [asdict(one) for one in found]})
    else:
        _print(said, found)


def _ledger(rpc: str, contract: str) -> Ledger:
    """The federation's newest block, to read from."""
    return wiring.open_ledger(Deployment(rpc, wiring.address(contract), 0, "")).confirmed()


def _members(ledger: Ledger, store: BlobStore) -> list[MemberLine]:
    lines = []
    for member, name in members.names(ledger, store).items():
        held = ledger.member(member)
        payee = ledger.payee(member)
        lines.append(MemberLine(member, name, held.admitted, held.reputation, held.balance, payee))
    return lines


def _print(said: dict[str, object], found: list[MemberLine]) -> None:
    out = output.console()
    for name, value in said.items():
        shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
        out.print(f"{name.replace('_', ' '):9} {shown}")
    table = output.table("Members", ("name", "address", ""), ("reputation", "balance"))
    for one in found:
        state = "" if one.admitted else "removed"
        numbers = f"{one.reputation:,}", money.tokens(one.balance)
        table.add_row(output.safe(one.name), one.member, state, *numbers)
    out.print(table if found else "No members yet: `fl federation admit` admits them.")
