"""`fl chain`: the embedded chain for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from fl.errors import FedledgerError

_WEI = 10**24
"""What an account gets to pay gas with: a million coins."""

app = typer.Typer(
    add_completion=False, help="Make an embedded chain, or serve it to other programs.", no_args_is_help=True
)


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="The chain file; it must not be there yet.")],
    give: Annotated[
        list[str], typer.Option(metavar="ADDRESS", help="Who gets coin for gas; may be repeated.")
    ],
    chain_id: Annotated[int, typer.Option(min=1, max=2**53 - 1, help="EIP-155 chain id.")] = 31337,
) -> None:
    """Make a chain of one file, whose clock is this machine's. Coin is given out now and never later."""
    from fl.chain.node import EmbeddedNode  # noqa: PLC0415 - see `serve`
    from fl.wiring import address  # noqa: PLC0415 - see `serve`

    with _sentences():
        alloc: dict[str, int] = {address(holder): _WEI for holder in give}
        with EmbeddedNode.create(file, alloc=alloc, chain_id=chain_id):
            typer.echo(f"Made {file}, chain id {chain_id}; accounts with coin for gas: {len(alloc)}.")


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

    with _sentences(), EmbeddedNode.open(file) as node, RpcServer(node, host, port) as server:
        typer.echo(f"Serving {file} at {server.url}, chain id {node.chain_id}. Ctrl-C ends it.")
        with suppress(KeyboardInterrupt):
            server.serve_forever()


@contextmanager
def _sentences() -> Iterator[None]:
    """Say what is wrong, and end with 2: whatever can fail here was named by somebody."""
    try:
        yield
    except FedledgerError as error:
        typer.echo(f"{error.message} {error.hint}".strip(), err=True)
        raise typer.Exit(2) from error
