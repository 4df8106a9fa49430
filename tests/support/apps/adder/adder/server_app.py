"""Rounds of federated averaging over one long vector."""

import time

import numpy as np
from flwr.app import Array, ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    nodes = int(config["nodes"])
    strategy = FedAvg(min_train_nodes=nodes, min_evaluate_nodes=nodes, min_available_nodes=nodes)
    initial = ArrayRecord({"vector": Array(np.zeros(int(config["elements"]), np.float32))})
    began = time.monotonic()
    result = strategy.start(
        grid=grid,
        initial_arrays=initial,
        num_rounds=int(config["num-server-rounds"]),
        evaluate_fn=lambda round_, _: print(f"after round {round_}: {time.monotonic() - began:.2f} s"),
    )
    if config["save"]:
        np.save(str(config["save"]), result.arrays["vector"].numpy())
