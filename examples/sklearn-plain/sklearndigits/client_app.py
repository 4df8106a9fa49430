"""The ClientApp: one site trains and tests on its own digits."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from sklearn.metrics import log_loss

from sklearndigits.task import create_model, get_weights, load_data, set_weights

app = ClientApp()


@app.train()
def train(message: Message, context: Context):
    """Train the model on this site's digits."""
    model = create_model(seed=message.content["config"]["server-round"])
    set_weights(model, message.content["arrays"].to_numpy_ndarrays())
    x, _, y, _ = load_data(context.node_config["partition-id"], context.node_config["num-partitions"])
    for _ in range(context.run_config["local-epochs"]):
        model.partial_fit(x, y)
    metrics = MetricRecord({"num-examples": len(y)})
    content = RecordDict({"arrays": ArrayRecord(get_weights(model)), "metrics": metrics})
    return Message(content=content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context):
    """Test the model on this site's digits."""
    model = create_model()
    set_weights(model, message.content["arrays"].to_numpy_ndarrays())
    _, x, _, y = load_data(context.node_config["partition-id"], context.node_config["num-partitions"])
    loss = log_loss(y, model.predict_proba(x), labels=model.classes_)
    metrics = MetricRecord({"loss": loss, "accuracy": model.score(x, y), "num-examples": len(y)})
    return Message(content=RecordDict({"metrics": metrics}), reply_to=message)
