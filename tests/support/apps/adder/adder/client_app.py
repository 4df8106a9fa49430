"""A site that adds its own number, notes that it did, and takes as long as it is told to."""

import time
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    number = int(context.node_config["number"])
    vector = message.content["arrays"]["vector"].numpy()
    _note(context, f"train {message.content['config']['server-round']}")
    time.sleep(float(context.run_config.get("seconds", 0.0)))
    while (Path(context.node_config["folder"]) / "hold").exists():
        time.sleep(0.05)
    noise = np.random.default_rng(number).random(len(vector), np.float32)  # which nothing compresses
    trained = vector * np.float32(0.5) + noise * np.float32(number)
    metrics = MetricRecord({"num-examples": number, "loss": 1.0 / number})
    content = RecordDict({"arrays": ArrayRecord({"vector": Array(trained)}), "metrics": metrics})
    return Message(content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    number = int(context.node_config["number"])
    _note(context, "evaluate")
    distance = abs(float(message.content["arrays"]["vector"].numpy()[0]) - number)
    return Message(
        RecordDict({"metrics": MetricRecord({"num-examples": number, "distance": distance})}),
        reply_to=message,
    )


def _note(context: Context, line: str) -> None:
    with (Path(context.node_config["folder"]) / "journal").open("a") as journal:
        journal.write(f"{line}\n")
