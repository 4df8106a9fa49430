"""The ClientApp of the presets: trains the model that the terms name on the site's own rows.

A normal Flower app. What makes it a site is the mod, and what it needs beside arrays and config stands in the
node's configuration (`data`: its rows; `model`: the model's function where it is somebody's own) and in the
context's state (the terms, left there by the mod).
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import cast

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from clients.mod import STATE, on_chain
from clients.node import complete, derived, text
from fl.canonical import Setting
from fl.documents import Data, Terms
from fl.errors import UsageError
from fl.examples import Examples, decode_examples
from fl.learning.models import build, name_own
from fl.learning.training import Training, train
from fl.messages import EXAMPLES, SERVER_ROUND
from fl.weights import Arrays

CODE = "fl.learning,clients.app"
"""What a node's configuration gives as `code` for this app, and terms approve the digest of."""

app = ClientApp(mods=[on_chain])


@app.train()
def train_here(message: Message, context: Context) -> Message:
    """Train one round on the site's rows; answer with arrays, metrics and the number of examples."""
    arrays = {name: array.numpy() for name, array in _arrays(message).items()}
    trained, metrics = _trained(arrays, _settings(message), context)
    answer = ArrayRecord({name: Array(array) for name, array in trained.items()})
    return Message(RecordDict({"arrays": answer, "metrics": metrics}), reply_to=message)


def _arrays(message: Message) -> ArrayRecord:
    return cast(ArrayRecord, message.content["arrays"])


def _settings(message: Message) -> Training:
    config = cast(ConfigRecord, message.content["config"])
    settings = {name: value for name, value in config.items() if name != SERVER_ROUND}
    return Training.of(cast("dict[str, Setting]", settings))


def _trained(arrays: Arrays, settings: Training, context: Context) -> tuple[Arrays, MetricRecord]:
    state = cast(ConfigRecord, context.state[STATE])
    terms = Terms.decode(cast(bytes, state["terms"]))
    if terms.model is None or terms.data is None:
        raise UsageError("The terms name no model or describe no rows, so this app cannot train.")
    config = complete(context.node_config)
    rows = read_rows(Path(text(config, "data")), terms.data)
    if "model" in config:  # said by the node's owner; terms may name it, and no more than that
        name_own(text(config, "model"), terms.model.builder)
    module = build(terms.model, rows.x.shape[1], len(terms.data.classes))
    seed = _seed(context, cast(int, state["round"]))
    trained, metrics = train(module, arrays, rows.x, rows.y, settings, seed)
    return trained, MetricRecord({EXAMPLES: len(rows.y), **metrics})


def _seed(context: Context, round_: int) -> int:
    """What draws the batches: from the node's seed where there is one. Below 2^63."""
    chance = derived(complete(context.node_config), f"batches of {round_}") or secrets.token_bytes(8)
    return int.from_bytes(chance[:8], "big") >> 1


def read_rows(file: Path, data: Data) -> Examples:
    """A site's rows: `.safetensors` as `fl.examples` writes them, else a CSV file that the terms describe.

    Raises UsageError or DocumentError for what is neither.
    """
    if file.suffix == ".safetensors":
        return decode_examples(file.read_bytes())
    from clients.data import encode, read_csv  # noqa: PLC0415 - brings pandas

    return encode(read_csv(file, data.label), data)
