"""`fl chain`: the embedded chain for other programs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from fl.errors import FedledgerError

app = typer.Typer(add_completion=False, help="The embedded chain.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `serve` a subcommand although it is the only one."""


@app.command()
def serve(
    file: Annotated[Path, typer.Argument(help="The chain file.")],
    host: Annotated[
        str, typer.Option(help="Address to listen at; there is no access control.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free one.")] = 8545,
) -> None:
    """Serve a chain file over JSON-RPC until Ctrl-C. Other processes may go on using the file."""
    # py-evm takes a second to import, and `fl --help` should not
    from fl.chain.node import EmbeddedNode  # noqa: PLC0415 - see above
    from fl.chain.server import RpcServer  # noqa: PLC0415 - see above

    try:
        with EmbeddedNode.open(file) as node, RpcServer(node, host, port) as server:
            typer.echo(f"Serving {file} at {server.url}, chain id {node.chain_id}. Ctrl-C ends it.")
            with suppress(KeyboardInterrupt):
                server.serve_forever()
    except FedledgerError as error:
        typer.echo(f"{error.message} {error.hint}".strip(), err=True)
        raise typer.Exit(2) from error
