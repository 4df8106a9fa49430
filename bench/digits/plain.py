"""A Flower app of somebody who has never heard of us: sites that learn together to read digits.

Seeded, so that it ends with the same weights wherever it runs.
"""

from __future__ import annotations

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg, Strategy
from torch import nn

SITES = 10
ROUNDS = 3
ROWS, FINAL = "digits.npz", "final.npz"
"""Files in the folder where it runs: `x` float32 [n, 64] and `y` int64 [n]; and the last model's weights."""

client_app = ClientApp()
server_app = ServerApp()


@client_app.train()
def train(message: Message, context: Context) -> Message:
    """Train for one round on the site's rows."""
    settings, site = message.content["config"], int(context.node_config["partition-id"])
    torch.manual_seed(1000 * int(settings["server-round"]) + site)
    model, (x, y) = received(message), rows(site)
    optimizer = torch.optim.SGD(model.parameters(), lr=float(settings["lr"]), momentum=0.9)
    for _ in range(int(settings["epochs"])):
        for batch in torch.randperm(len(y)).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    metrics = MetricRecord({"num-examples": len(y)})
    content = RecordDict({"arrays": ArrayRecord(model.state_dict()), "metrics": metrics})
    return Message(content, reply_to=message)


@client_app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """How many of the site's digits the model reads."""
    x, y = rows(int(context.node_config["partition-id"]))
    with torch.no_grad():
        right = (received(message)(x).argmax(1) == y).float().mean().item()
    metrics = MetricRecord({"accuracy": right, "num-examples": len(y)})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)


@server_app.main()
def main(grid: Grid, _context: Context) -> None:
    """Train with every site in each round."""
    run(grid, strategy())


def strategy() -> Strategy:
    """Plain averaging; it waits for everybody, for Flower's own nodes arrive one after the other."""
    return FedAvg(min_train_nodes=SITES, min_evaluate_nodes=SITES, min_available_nodes=SITES)


def run(grid: Grid, chosen: Strategy) -> None:
    """Run all rounds and keep the weights."""
    torch.manual_seed(0)
    result = chosen.start(
        grid=grid,
        initial_arrays=ArrayRecord(model_of_digits().state_dict()),
        num_rounds=ROUNDS,
        train_config=ConfigRecord({"lr": 0.05, "epochs": 2}),
    )
    np.savez(FINAL, **{name: array.numpy() for name, array in result.arrays.items()})


def model_of_digits() -> nn.Module:
    """64 pixels in, 10 digits out."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def received(message: Message) -> nn.Module:
    """The model with a message's weights."""
    model = model_of_digits()
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    return model


def rows(site: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A site's part of the rows."""
    with np.load(ROWS) as held:
        return torch.tensor(held["x"][site::SITES]), torch.tensor(held["y"][site::SITES])
