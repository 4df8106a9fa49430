"""The ServerApp: rounds of federated averaging."""

import numpy as np
from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from sklearndigits.task import create_model, get_weights

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Train the model with all sites, and save it."""
    initial = ArrayRecord(get_weights(create_model()))
    strategy = FedAvg()
    result = strategy.start(
        grid=grid, initial_arrays=initial, num_rounds=context.run_config["num-server-rounds"]
    )
    if context.run_config["save"]:
        np.savez(context.run_config["save"], *result.arrays.to_numpy_ndarrays())
