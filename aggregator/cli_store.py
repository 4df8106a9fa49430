"""`fl store`: what a store holds of its tasks."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast

import typer

from aggregator import keeping
from aggregator.record import Record
from aggregator.verifying import accounts, holdings
from aggregator.verifying.findings import Findings, mismatches
from fl import output, wiring
from fl.errors import FedledgerError, UsageError
from fl.store.collecting import Collectable, Collected, Named
from fl.store.embedded import EmbeddedStore
from fl.wiring import Deployment

_DAY = 86_400

store_app = typer.Typer(
    help="Make an embedded store, and look after what a store holds.",
    add_completion=False,
    no_args_is_help=True,
)


@store_app.command("new")
def new_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The store's folder.")],
) -> None:
    """Make an embedded store in FOLDER, for everybody who can read and write there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is in use.", "Name a folder that is empty, or not there yet.")
    EmbeddedStore(folder)
    output.console().print(f"Made the store {output.safe(str(folder))}.", soft_wrap=True)


@store_app.command("collect")
def collect_command(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[FOLDER]…", help="Folders of all runs in the store.")
    ] = None,
    rpc: Annotated[str | None, typer.Option("--rpc", help="A node, or an embedded chain's file.")] = None,
    contract: Annotated[str | None, typer.Option("--contract", help="The federation's address.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="An IPFS node's API, or a folder.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Let go of what nothing names.")] = False,
    days: Annotated[
        float, typer.Option("--older-than", min=0.0, help="Days for which what nobody names stays.")
    ] = 7.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> int:
    """Check that a store has what the tasks name, and with --remove let go of everything else.

    All tasks of a federation count. What other federations have in the same store is named by nobody here:
    name a FOLDER for each. On an IPFS node, what is needed is pinned, and letting go is unpinning what
    `fl` pinned; the node's own garbage collection frees the room. Ends with 1 when something is missing.
    """
    places = _places(folders or [], rpc, contract, store)
    opened = wiring.open_store(places[0].store)
    first = [Record(wiring.open_ledger(place).confirmed(), opened, place.task) for place in places]
    records = [record for one in first for record in keeping.records_of(one)]
    if remove:
        _demand_whole(first, records)
    named = keeping.named(records)
    before = min(time.time() - days * _DAY, keeping.opened_since(records))
    collected = cast("Collectable", opened).collect(named, before, remove)
    if json:
        missing = [str(cid) for cid in collected.missing]
        output.print_json(asdict(collected) | {"missing": missing, "removed": remove})
    else:
        _print(named, collected, remove)
    return 1 if collected.missing else 0


def _places(
    folders: list[Path], rpc: str | None, contract: str | None, store: str | None
) -> list[Deployment]:
    """Where the tasks are. Raises UsageError when they are not in one store."""
    # any task will do: all of a federation's are looked at
    places = [wiring.deployment(folder, rpc, contract, None, store) for folder in folders]
    places = places or [wiring.deployment(None, rpc, contract, 1, store)]
    if len({place.store for place in places}) > 1:
        raise UsageError("These folders have different stores.", "Name the folders of one store at a time.")
    return places


def _demand_whole(first: list[Record], records: list[Record]) -> None:
    """Raise FedledgerError when a node keeps events back: what they name would look unnamed.

    `first`: one task of each federation, whose accounts span all of its tasks and members.
    """
    findings = Findings()
    for check, of in ((holdings.check, records), (accounts.check, first)):
        for record in of:
            with findings.about(None, "contract"):
                check(record, findings)
    for finding in mismatches(findings.all()):
        raise FedledgerError(
            f"The node's events are not whole: {finding.text}", "Nothing was removed. Ask another node."
        )


def _print(named: Named, collected: Collected, remove: bool) -> None:
    out = output.console()
    for cid in collected.missing:
        out.print(f"[bold red]missing[/] {cid}")
    needed, missing = len(named.needed), len(collected.missing)
    out.print(f"{needed - missing} of {needed} blobs that the tasks cannot do without are there.")
    size = f" ({collected.size / 1e6:.1f} MB)" if collected.size else ""
    gone = "removed" if remove else "would be removed by --remove"
    out.print(f"{collected.kept} kept; {collected.unnamed}{size} {gone}: nothing names them.")
