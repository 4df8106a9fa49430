"""A Flower app of a few numbers, in a folder, as if somebody else's: its sites need neither data nor time."""

from __future__ import annotations

from pathlib import Path

PYPROJECT = """
[project]
name = "{name}"
version = "1.0.0"
dependencies = ["flwr>=1.41"]

[tool.flwr.app]
publisher = "somebody"

[tool.flwr.app.components]
serverapp = "{name}.server_app:app"
clientapp = "{name}.client_app:app"

[tool.flwr.app.config]
rounds = 2
step = 0.5
save = ""
"""
SERVER = """
import json
import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg, QFedAvg
{import_line}

app = ServerApp()

@app.main()
def main(grid, context):
    config = context.run_config
    initial = {{"w": np.linspace(0, 1, 7, dtype=np.float32), "n": np.array(3, np.int64)}}
    arrays = ArrayRecord({{name: Array(array) for name, array in initial.items()}})
    result = {wrapped}.start(
        grid=grid,
        initial_arrays=arrays,
        num_rounds=config["rounds"],
        train_config=ConfigRecord({{"step": config["step"]}}),
    )
    if config["save"]:
        arrays = {{name: array.numpy().tolist() for name, array in result.arrays.items()}}
        metrics = [dict(one) for one in result.evaluate_metrics_clientapp.values()]
        with open(config["save"], "w") as file:
            json.dump({{"arrays": arrays, "evaluated": metrics}}, file)
"""
CLIENT = """
import os, signal
from pathlib import Path
import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
{import_line}

app = ClientApp({mods})

@app.train()
def train(message, context):
    site, config = context.node_config["partition-id"], message.content["config"]
    if site in map(int, str(context.node_config.get("broken", "")).split()):
        raise ValueError("no rows here")
    if dying := context.node_config.get("dies-at"):
        marker = Path(context.node_config["dies-once"])
        if config["server-round"] == dying and site == 1 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    found = {{name: array.numpy() for name, array in message.content["arrays"].items()}}
    chance = np.random.default_rng([site, config["server-round"]])
    w = found["w"] + config["step"] * chance.normal(size=7).astype(np.float32) + context.run_config["step"]
    arrays = ArrayRecord({{"w": Array(w.astype(np.float32)), "n": Array(np.asarray(found["n"] + 1))}})
    metrics = MetricRecord({{"train_loss": float(abs(w).sum()), "num-examples": 10 + site}})
    return Message(RecordDict({{"arrays": arrays, "metrics": metrics}}), reply_to=message)

@app.evaluate()
def evaluate(message, context):
    total = float(message.content["arrays"]["w"].numpy().sum()) + context.node_config["partition-id"]
    share = total / context.node_config["num-partitions"]
    metrics = MetricRecord({{"share": share, "num-examples": 10}})
    return Message(RecordDict({{"metrics": metrics}}), reply_to=message)
"""


def write(folder: Path, name: str = "tiny", *, chain: bool = True, strategy: str = "FedAvg()") -> Path:
    """Write the app, with the two lines or without; returns its folder."""
    package = folder / name
    package.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT.format(name=name))
    (package / "__init__.py").touch()
    server = {
        "import_line": "from aggregator.strategy import OnChain" if chain else "",
        "wrapped": f"OnChain({strategy}, context)" if chain else strategy,
    }
    (package / "server_app.py").write_text(SERVER.format(**server))
    client = {
        "import_line": "from clients.mod import on_chain" if chain else "",
        "mods": "mods=[on_chain]" if chain else "",
    }
    (package / "client_app.py").write_text(CLIENT.format(**client))
    return folder
