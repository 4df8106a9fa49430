"""`fl task`: how a task comes to be, and what its terms say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aggregator.founding import creating
from aggregator.founding.cli_draft import draft_command
from aggregator.founding.templates import Templates
from fl import explaining, money, output, tasks, wiring
from fl.cli_federation import Confirmations, Contract, OwnerKey, Rpc, Store, open_owner
from fl.documents import Terms
from fl.errors import FedledgerError, LedgerError, UsageError
from fl.ledger import deploy
from fl.ledger.accounts import read_key
from fl.ledger.port import Ledger
from fl.store.port import read_document
from fl.wiring import Deployment

TermsFile = Annotated[Path, typer.Argument(metavar="TERMS.json", help="The task's terms.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

task_app = typer.Typer(
    help="Draft the terms of a task, create it, fund it, and read what its terms say.",
    add_completion=False,
    no_args_is_help=True,
)
task_app.command("draft")(draft_command)


@task_app.command("create")
def create_command(
    file: TermsFile,
    rpc: Rpc,
    contract: Contract,
    store: Store,
    key: OwnerKey,
    aggregator: Annotated[str, typer.Option("--aggregator", help="Who will open and close rounds.")],
    sponsor: Annotated[
        str | None, typer.Option("--sponsor", help="Who gets what is left; the owner if left out.")
    ] = None,
    fund: Annotated[str, typer.Option("--fund", help="Tokens that the owner pays into the pool.")] = "0",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for aggregator.toml and a template site.toml.")
    ] = None,
    code: Annotated[
        str, typer.Option("--code", help="The package that trains, for the template of site.toml.")
    ] = "",
    confirmations: Confirmations = 1,
    json: Json = False,
) -> None:
    """Create a task with these terms. Neither they nor its numbers can be changed afterwards.

    Read them first: `fl task show TERMS.json`. The store has to hold the initial weights, and the validation
    set if there is one; the terms are put there too.
    """
    terms, funds = creating.read_terms(file), money.amount(fund)
    named, paid = wiring.address(aggregator), wiring.address(sponsor) if sponsor else None
    place = Deployment(rpc, wiring.address(contract), 0, store)
    owner, blobs = open_owner(place, key, confirmations), wiring.open_store(store)
    creating.check(terms, blobs)
    _demand_tokens(owner, funds, rpc)
    templates = Templates(out) if out else None
    task = tasks.create(owner, blobs, terms, named, paid)
    _fund(owner, task, funds)
    place = Deployment(rpc, place.contract, task, store)
    files = templates.write(place, named, code) if templates else ()
    if json:
        made = {"task": task, "terms": terms.id.hex(), "pool": funds, "files": [str(one) for one in files]}
        output.print_json(made)
    else:
        _print_created(task, terms, funds, files)


@task_app.command("fund")
def fund_command(
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Tokens, such as 100 or 0.5.")],
    rpc: Rpc,
    contract: Contract,
    task: Annotated[int, typer.Option("--task", help="The task's number.")],
    key: Annotated[Path, typer.Option("--key", help="Key file of whoever pays.")],
    confirmations: Confirmations = 1,
    json: Json = False,
) -> None:
    """Pay AMOUNT of the federation's token into a task's pool. Anyone may."""
    funds = money.amount(amount)
    place = Deployment(rpc, wiring.address(contract), task, "")
    payer = wiring.open_ledger(place, read_key(key), confirmations)
    tasks.demand(payer, task)
    _demand_tokens(payer, funds, rpc)
    _fund(payer, task, funds)
    pool = payer.task(task).pool
    if json:
        output.print_json({"task": task, "paid": funds, "pool": pool})
    else:
        print(f"The pool of task {task} holds {money.tokens(pool)} tokens now.")


def _demand_tokens(payer: Ledger, amount: int, chain: str) -> None:
    """Raise UsageError, and say what is needed, when the payer has fewer tokens."""
    account = payer.account
    assert account is not None, "opened with a key"
    if (held := payer.token_balance(account)) >= amount:
        return
    provider = wiring.open_chain(chain)
    token = deploy.token_of(provider, payer.contract)
    missing = money.plain(amount - held)
    hint = (
        f"Mint them first: `fl federation mint {missing}`, with --rpc, --contract and --key."
        if deploy.minter_of(provider, token) == account
        else f"{account} has to get {missing} more of the token {token} first."
    )
    raise UsageError(f"{account} has {money.plain(held)} tokens, and is to pay {money.plain(amount)}.", hint)


def _fund(payer: Ledger, task: int, amount: int) -> None:
    try:
        tasks.fund(payer, task, amount)
    except LedgerError as error:
        raise FedledgerError(
            f"Task {task} is there; its pool did not get the {money.plain(amount)} tokens: {error.message}",
            f"Look first: `fl rounds`. Then pay with `fl task fund`. {error.hint}".strip(),
        ) from error


def _print_created(task: int, terms: Terms, funds: int, files: tuple[Path, ...]) -> None:
    print(f"task   {task}\nterms  {terms.id.hex()}")
    if reward := int(terms.reward):
        rounds = f"enough for {funds // reward:,} rounds of {money.plain(reward)}"
        print(f"pool   {money.plain(funds)} tokens: {rounds}")
    elif funds:
        print(f"pool   {money.plain(funds)} tokens, although a round of these terms pays nothing")
    for file in files:
        print(f"wrote  {file}")


# --- show


@task_app.command("show")
def show_command(
    what: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER|TERMS.json]", help="A run's folder, or terms in a file.")
    ] = None,
    rpc: Annotated[str | None, typer.Option("--rpc", help="A node, or an embedded chain's file.")] = None,
    contract: Annotated[str | None, typer.Option("--contract", help="The federation's address.")] = None,
    task: Annotated[int | None, typer.Option("--task", help="The task's number.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="An IPFS node's API, or a folder.")] = None,
    json: Json = False,
) -> None:
    """Say in words what an institution consents to by joining a task.

    FOLDER is the folder of a run; TERMS.json holds terms that nobody has created a task with yet. Without
    either, give --rpc, --contract, --task and --store.
    """
    if what and what.is_file():
        terms = creating.read_terms(what)
    else:
        terms = _terms(wiring.deployment(what, rpc, contract, task, store))
    if json:
        output.print_json(terms.model_dump(mode="json"))
    else:
        explaining.show(terms)


def _terms(place: Deployment) -> Terms:
    ledger = wiring.open_ledger(place).confirmed()
    tasks.demand(ledger, place.task)
    return Terms.decode(read_document(wiring.open_store(place.store), ledger.task(place.task).terms))
