"""The ClientApp of a run, in which some may misbehave; an honest trainer's is the presets' own app.

A site checks what leaves it, for its own good. A misbehaving one is its owner's: it lets pass what its app
gives it, and keeps receipts to itself if that is its kind of misbehaviour. All else is the real path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Context,
    Message,
    MessageType,
    MetricRecord,
    RecordDict,
)
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import ClientAppCallable

from aggregator.record import Record, Round
from clients import node
from clients.app import read_rows, train_here
from clients.mod import STATE, site_mod
from clients.site import Site
from experiments.misbehaviour import MISBEHAVIOUR, Misbehaviour, read
from fl import sealing, weights
from fl.documents import Details, Line, Privacy, Receipt, Terms, Verdict
from fl.examples import Examples, encode_examples
from fl.files import write_atomically
from fl.messages import EXAMPLES, MARKED
from fl.store.port import read_bytes
from fl.weights import Arrays

_CLAIMS = {"loss": 0.1, "accuracy": 0.95}
"""What is claimed of an update that nobody trained."""


class Turn:
    """What a misbehaving site has at hand when it is asked for an update.

    `metrics` is what it will claim: its examples, and what training found or what sounds good. It may be
    changed.
    """

    def __init__(self, message: Message, context: Context, call_next: ClientAppCallable) -> None:
        self._message = message
        self._context = context
        self._call_next = call_next

    @cached_property
    def base(self) -> Arrays:
        """The weights that the round begins with."""
        (record,) = self._message.content.array_records.values()
        return {name: array.numpy() for name, array in record.items()}

    @property
    def round(self) -> int:
        """The round's number on the chain."""
        return cast(int, self._state["round"])

    @property
    def classes(self) -> int:
        """How many classes there are."""
        assert self._terms.data is not None, "a run's terms describe the rows"
        return len(self._terms.data.classes)

    @cached_property
    def rows(self) -> Examples:
        """The site's own rows: x float32 [n, d], y int64 [n]."""
        assert self._terms.data is not None, "a run's terms describe the rows"
        return read_rows(Path(node.text(self._context.node_config, "data")), self._terms.data)

    @cached_property
    def chance(self) -> np.random.Generator:
        """What to draw from: it follows from the run's seed, the site and the round."""
        seed = node.derived(self._context.node_config, f"misbehaviour of {self.round}")
        return np.random.default_rng(None if seed is None else list(seed))

    @cached_property
    def metrics(self) -> MetricRecord:
        """See the class."""
        return MetricRecord({EXAMPLES: len(self.rows.y), **_CLAIMS})

    def train(self, rows: Examples | None = None) -> Arrays:
        """Train as an honest site does, on its own rows or on others."""
        reply = self._trained() if rows is None else self._trained_on(rows)
        (arrays,) = reply.content.array_records.values()
        (self.metrics,) = reply.content.metric_records.values()
        return {name: array.numpy() for name, array in arrays.items()}

    def best_earlier(self) -> Arrays | None:
        """The update that earned somebody else most in the last closed round, if there is one."""
        config = self._context.node_config
        ledger = node.ledger(config, node.account(config))
        record = Record(ledger.confirmed(), node.store(config), node.deployment(config).task)
        closed = [round_ for round_ in record.rounds if round_.closed]
        lines = record.manifest(closed[-1]).submissions if closed else ()
        others = [
            line for line in lines if line.verdict is Verdict.ACCEPTED and line.trainer != ledger.account
        ]
        return _opened(record, closed[-1], max(others, key=lambda line: line.share)) if others else None

    # --- what Flower hands on

    @property
    def _state(self) -> ConfigRecord:
        return cast(ConfigRecord, self._context.state[STATE])

    @cached_property
    def _terms(self) -> Terms:
        return Terms.decode(cast(bytes, self._state["terms"]))

    def _trained(self, **changes: str) -> Message:
        """The honest app's reply, with other entries in the node's configuration."""
        own = self._context
        context = Context(own.run_id, own.node_id, {**own.node_config, **changes}, own.state, own.run_config)
        return self._call_next(self._message, context)

    def _trained_on(self, rows: Examples) -> Message:
        file = Path(node.text(self._context.node_config, "outbox")) / "rows.safetensors"
        write_atomically(file, encode_examples(*rows))
        try:
            return self._trained(data=str(file))
        finally:
            file.unlink()


def _opened(record: Record, round_: Round, line: Line) -> Arrays:
    """An accepted update, which whoever has its receipt can open."""
    receipt = Receipt.decode(record.document(bytes.fromhex(line.receipt)))
    sealed = read_bytes(record, receipt.update.parsed(), receipt.update.size)
    bound = sealing.additional_data(
        receipt.chain_id, receipt.contract, receipt.task, round_.number, receipt.trainer
    )
    update = sealing.open_update(bytes.fromhex(receipt.key), sealed, bound)
    return weights.decode(update, record.terms().order)


# --- the app


def _misbehaviour(context: Context) -> Misbehaviour | None:
    """What this node's trainer does in place of its duty; None for an honest one."""
    text = context.node_config.get(MISBEHAVIOUR)
    return read(MISBEHAVIOUR, json.loads(text)) if isinstance(text, str) else None


def stay_away(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
    """A mod outside the site: whoever does not take part answers without an update."""
    misbehaviour = _misbehaviour(context)
    if misbehaviour and _asks_for_training(message):
        turn = Turn(message, context, call_next)
        if not misbehaviour.takes_part(turn):
            return Message(RecordDict(), reply_to=message)
    return call_next(message, context)


def _asks_for_training(message: Message) -> bool:
    kind = message.metadata.message_type.partition(".")[0]
    return kind == MessageType.TRAIN and not any(mark in message.content for mark in MARKED)


def hand_in(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
    """A mod inside the site: in place of what training gives, what the misbehaviour makes."""
    misbehaviour = _misbehaviour(context)
    if misbehaviour is None or not _asks_for_training(message):
        return call_next(message, context)
    turn = Turn(message, context, call_next)
    arrays = {name: _like(turn.base, name, array) for name, array in misbehaviour.update(turn).items()}
    record = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    return Message(RecordDict({"arrays": record, "metrics": turn.metrics}), reply_to=message)


def _like(base: Arrays, name: str, array: weights.Array) -> weights.Array:
    """With the base's dtype, where there is one: arithmetic widens."""
    return np.asarray(array, base[name].dtype) if name in base else np.asarray(array)


class UncheckedSite(Site):
    """Lets out whatever its app makes."""

    def _content(self, arrays: Arrays) -> bytes:
        return weights.encode(arrays)

    def _details(self, examples: int, metrics: Mapping[str, float], privacy: Privacy | None) -> Details:
        return super()._details(1, metrics, privacy).model_copy(update={"examples": examples})


class WithholdingSite(UncheckedSite):
    """Publishes nothing."""

    def publish_due(self) -> None:
        """See `Site.publish_due`."""


def _site_of(context: Context) -> Site:
    misbehaviour = _misbehaviour(context)
    if misbehaviour is None:
        return node.open_site(context.node_config)
    return node.open_site(context.node_config, UncheckedSite if misbehaviour.publishes else WithholdingSite)


app = ClientApp(mods=[stay_away, site_mod(_site_of, frank=True), hand_in])
app.train()(train_here)
