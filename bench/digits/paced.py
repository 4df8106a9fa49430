"""The same app with a second of training at each of five sites, plain and with its rounds on a chain."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg, Strategy

from aggregator.strategy import OnChain
from clients.mod import on_chain
from digits import plain

SITES = 5
ROUNDS = 6
SECONDS = 1.0
BEGAN = "began.txt"
"""A file in the folder where it runs: when the first site began to train, a line each round, in seconds."""

client_app = ClientApp()
chain_client_app = ClientApp(mods=[on_chain])
server_app = ServerApp()
chain_server_app = ServerApp()


@chain_client_app.train()
@client_app.train()
def train(message: Message, context: Context) -> Message:
    """Train, which takes a second."""
    began = time.monotonic()
    if context.node_config["partition-id"] == 0:
        with Path(BEGAN).open("a", encoding="utf-8") as file:
            file.write(f"{began}\n")
    reply = plain.train(message, context)
    time.sleep(max(0.0, began + SECONDS - time.monotonic()))
    return reply


chain_client_app.evaluate()(plain.evaluate)
client_app.evaluate()(plain.evaluate)


@server_app.main()
def main(grid: Grid, _context: Context) -> None:
    """Train without a chain."""
    _run(grid, _strategy())


@chain_server_app.main()
def main_on_chain(grid: Grid, context: Context) -> None:
    """Train with every round on the chain."""
    _run(grid, OnChain(_strategy(), context))


def _strategy() -> Strategy:
    return FedAvg(min_train_nodes=SITES, min_evaluate_nodes=SITES, min_available_nodes=SITES)


def _run(grid: Grid, chosen: Strategy) -> None:
    torch.manual_seed(0)
    chosen.start(
        grid=grid,
        initial_arrays=ArrayRecord(plain.model_of_digits().state_dict()),
        num_rounds=ROUNDS,
        train_config=ConfigRecord({"lr": 0.05, "epochs": 2}),
    )
