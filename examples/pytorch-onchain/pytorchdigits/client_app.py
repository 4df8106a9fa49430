"""The ClientApp: one site trains and tests on its own digits."""

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from clients.mod import on_chain
from pytorchdigits.task import Net, load_data
from pytorchdigits.task import test as test_net
from pytorchdigits.task import train as train_net

app = ClientApp(mods=[on_chain])


@app.train()
def train(message: Message, context: Context):
    """Train the model on this site's digits."""
    partition_id = context.node_config["partition-id"]
    config = message.content["config"]
    torch.manual_seed(1000 * partition_id + config["server-round"])  # the same run twice gives the same model
    net = Net()
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    loader, _ = load_data(partition_id, context.node_config["num-partitions"])
    loss = train_net(net, loader, context.run_config["local-epochs"], config["lr"])
    metrics = MetricRecord({"train-loss": loss, "num-examples": len(loader.dataset)})
    content = RecordDict({"arrays": ArrayRecord(net.state_dict()), "metrics": metrics})
    return Message(content=content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context):
    """Test the model on this site's digits."""
    net = Net()
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    _, loader = load_data(context.node_config["partition-id"], context.node_config["num-partitions"])
    loss, accuracy = test_net(net, loader)
    metrics = MetricRecord({"loss": loss, "accuracy": accuracy, "num-examples": len(loader.dataset)})
    return Message(content=RecordDict({"metrics": metrics}), reply_to=message)
