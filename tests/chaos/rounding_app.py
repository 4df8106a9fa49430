"""The presets' app with numbers that add up to the same in any order: sites submit as they come.

Four sites claim equally many examples, and their weights are multiples of 2^-10: a mean of them is exact.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord
from flwr.clientapp import ClientApp

from clients.app import train_here
from clients.mod import on_chain
from fl.messages import EXAMPLES

app = ClientApp(mods=[on_chain])


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train as the presets do, then round."""
    reply = train_here(message, context)
    arrays = cast(ArrayRecord, reply.content["arrays"])
    for name, array in arrays.items():
        arrays[name] = Array(np.round(array.numpy() * 1024) / np.float32(1024))
    cast(MetricRecord, reply.content["metrics"])[EXAMPLES] = 64
    return reply
