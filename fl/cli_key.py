"""`fl key`: accounts in files that only their owner can read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fl import output
from fl.ledger.accounts import new_account, read_key, write_key

File = Annotated[Path, typer.Argument(metavar="FILE", help="The key file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

key_app = typer.Typer(
    help="Make a key, or show whose it is. Who holds the file acts in the account's name.",
    add_completion=False,
    no_args_is_help=True,
)


@key_app.command("new")
def new_command(file: File, json: Json = False) -> None:
    """Write a new private key to FILE, which only you can read, and print its address.

    An existing file is never overwritten. The account pays for its transactions: on most chains it needs
    some of the chain's own coin first.
    """
    account = new_account()
    write_key(file, account)
    _print(account.address, file, json)


@key_app.command("show")
def show_command(file: File, json: Json = False) -> None:
    """Print the address of the key in FILE."""
    _print(read_key(file).address, file, json)


def _print(address: str, file: Path, json: bool) -> None:
    if json:
        output.print_json({"address": address, "file": str(file)})
    else:
        print(address)
