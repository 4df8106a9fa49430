"""The same app with its rounds on a chain: the mod at the sites, and the strategy wrapped."""

from __future__ import annotations

from flwr.app import Context
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from aggregator.strategy import OnChain
from clients.mod import on_chain
from digits import plain

client_app = ClientApp(mods=[on_chain])
client_app.train()(plain.train)
client_app.evaluate()(plain.evaluate)
server_app = ServerApp()


@server_app.main()
def main(grid: Grid, context: Context) -> None:
    """Train with every site in each round."""
    plain.run(grid, OnChain(plain.strategy(), context))
