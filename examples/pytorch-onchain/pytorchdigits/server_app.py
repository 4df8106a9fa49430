"""The ServerApp: rounds of federated averaging."""

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from aggregator.strategy import OnChain
from pytorchdigits.task import Net

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Train the model with all sites, and save it."""
    torch.manual_seed(1)
    initial = ArrayRecord(Net().state_dict())
    strategy = OnChain(FedAvg(), context)
    result = strategy.start(
        grid=grid,
        initial_arrays=initial,
        num_rounds=context.run_config["num-server-rounds"],
        train_config=ConfigRecord({"lr": context.run_config["lr"]}),
    )
    if context.run_config["save"]:
        torch.save(result.arrays.to_torch_state_dict(), context.run_config["save"])
