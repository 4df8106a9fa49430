"""`fl task draft`: terms for somebody's own Flower app."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fl import output
from fl.errors import UsageError
from fl.files import write_atomically
from fl.wiring import open_store


def draft_command(
    app: Annotated[Path, typer.Argument(metavar="APP_DIR", help="Folder of a Flower app.")],
    store: Annotated[str, typer.Option("--store", help="Where terms and initial weights go.")],
    out: Annotated[Path, typer.Option("--out", metavar="TERMS.json", help="Where to write the terms.")],
    choices: Annotated[
        Path | None, typer.Option("--choices", metavar="FILE.toml", help="What the app does not say.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Choose anything: quorum=3.")
    ] = None,
    run_config: Annotated[
        list[str] | None, typer.Option("--run-config", "-c", help='As `flwr run` has it: "lr=0.1 epochs=2".')
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Draft the terms of a task for a Flower app, from what its own ServerApp starts with.

    The ServerApp runs here, up to its strategy's start: only for code that you trust.
    """
    from aggregator.founding.app_folder import AppFolder  # noqa: PLC0415 - brings Flower, and help is quick
    from aggregator.founding.choices import Choices  # noqa: PLC0415 - as above
    from aggregator.founding.drafting import draft_terms  # noqa: PLC0415 - as above

    if not out.parent.is_dir():
        raise UsageError(f"There is no folder {out.parent}.")
    chosen = Choices.read(choices, changes or ())
    terms = draft_terms(AppFolder.open(app, run_config or ()), chosen, open_store(store))
    write_atomically(out, terms.encode())
    if json:
        output.print_json({"terms": terms.id.hex(), "file": str(out)})
    else:
        print(f"terms  {terms.id.hex()}\nwrote  {out}\nWhat they say: fl task show {out}")
