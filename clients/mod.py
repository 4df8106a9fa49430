"""The mod that makes a Flower app a site of fedledger: `ClientApp(mods=[on_chain])`, first in the list.

The app stays what it was. It finds the base weights under the key where the strategy puts its arrays, the
round's settings where the strategy puts its config, and answers with arrays and metrics. What goes back to
the server are references; the update goes sealed to the store and its receipt's digest to the chain.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TypeVar, cast

from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Context,
    Error,
    Message,
    MessageType,
    MetricRecord,
    RecordDict,
)
from flwr.clientapp.typing import ClientAppCallable, Mod
from pydantic import ValidationError

from clients.node import complete, linger, open_site
from clients.site import Site
from fl.canonical import Setting
from fl.documents import Announcement, Receipt, Reference
from fl.errors import ConsentError, FedledgerError, OwnCodeError, UsageError
from fl.messages import (
    ANNOUNCEMENT,
    CLOSED,
    DELIVER,
    EXAMPLES,
    INTRODUCE,
    PUBLISHED,
    RECEIPT,
    WEIGHTED_BY,
    WEIGHTS,
)
from fl.weights import Arrays

STATE = "fedledger"
"""Key of a config record in the context's state: `terms` (canonical bytes) and `round` of this training."""

MAX_METRICS = 1_000
"""How many numbers an evaluation may report."""

APP_RAISED, REFUSED_BY_MOD = 2, 6
"""Flower's error codes for an app that raised, and for a mod whose condition does not hold."""

_DIGEST = re.compile("[0-9a-f]{64}")

R = TypeVar("R", ArrayRecord, MetricRecord)
OpenSite = Callable[[Context], Site]

_log = logging.getLogger("fedledger.site")


def site_mod(open_site_of: OpenSite, *, frank: bool = False) -> Mod:
    """A mod over sites that `open_site_of` opens; `on_chain` is the one over the node's configuration.

    A `frank` site raises what code of a person's own raised: for where that person runs all sites.
    """

    def mod(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        try:
            return _answer(message, context, call_next, open_site_of(context))
        except ConsentError as refusal:  # speaks of chain and terms only
            _log.warning("refused: %s %s", refusal.message, refusal.hint)
            return Message(Error(REFUSED_BY_MOD, refusal.message), reply_to=message)
        except FedledgerError as error:  # may name the site's files: those stay here
            theirs = isinstance(error, OwnCodeError)
            if theirs and frank:
                raise
            _log.error("%s %s", error.message, error.hint, exc_info=theirs)
            return _failure(error, message)
        except Exception as error:  # noqa: BLE001 - somebody else's app: its text may name the site's files
            _log.exception("the app failed")
            return _failure(error, message)

    return mod


def _failure(error: Exception, message: Message) -> Message:
    reason = f"{type(error).__name__} at the site; its own log says more."
    return Message(Error(APP_RAISED, reason), reply_to=message)


def _site_of(context: Context) -> Site:
    return open_site(context.node_config)


on_chain = site_mod(_site_of)


def _answer(message: Message, context: Context, call_next: ClientAppCallable, site: Site) -> Message:
    if INTRODUCE in message.content:
        return _introduced(message, context, site)
    if DELIVER in message.content:
        return _delivered(message, site)
    if _category(message) == MessageType.EVALUATE:
        return _evaluated(message, context, call_next, site)
    if _category(message) != MessageType.TRAIN:
        raise ConsentError("This site answers messages to train and to evaluate, and no others.")
    config = complete(context.node_config)
    announcement = site.announced(_announced_id(message))
    if site.submitted(announcement.round):
        return Message(RecordDict(), reply_to=message)
    receipt = site.prepared(announcement) or _train(message, context, call_next, site, announcement)
    published = False
    if config.get("submit", True):
        site.submit_due()
        published = site.publish_soon(receipt.round, linger(config))
    return Message(RecordDict({RECEIPT: _reference(receipt, published)}), reply_to=message)


def _category(message: Message) -> str:
    """Such as `train`, of which an app may have several functions."""
    return str(message.metadata.message_type.partition(".")[0])


def _introduced(message: Message, context: Context, site: Site) -> Message:
    signature = site.introduction(context.run_id, context.node_id)
    said = ConfigRecord({"trainer": site.account, "signature": signature})
    return Message(RecordDict({INTRODUCE: said}), reply_to=message)


def _delivered(message: Message, site: Site) -> Message:
    try:
        site.submit_due()
    finally:  # receipts of other rounds may be due, whatever became of this one
        site.publish_due()
    return Message(RecordDict(), reply_to=message)


def _evaluated(message: Message, context: Context, call_next: ClientAppCallable, site: Site) -> Message:
    """Call the app on the contract's weights; only metrics go back."""
    config = complete(context.node_config)
    if not config.get("evaluate", True):
        raise ConsentError("This site evaluates nothing.")
    base = _record(site.in_force(_weights(message, site, linger(config))))
    records = message.content.config_records
    message.content = RecordDict(
        {key: base if WEIGHTS in said or CLOSED in said else said for key, said in records.items()}
    )
    reply = call_next(message, context)
    if reply.has_error():
        raise UsageError(f"The app answered with an error: {reply.error.reason}")
    return Message(_report(reply), reply_to=message)


def _report(reply: Message) -> RecordDict:
    """The metrics of an evaluation: numbers, and not so many that arrays could pass for them."""
    records = reply.content.metric_records
    values = [value for record in records.values() for value in record.values()]
    numbers = sum(len(value) if isinstance(value, list) else 1 for value in values)
    if numbers > MAX_METRICS:
        raise UsageError(f"The app reports {numbers} numbers; an evaluation has {MAX_METRICS} at most.")
    return RecordDict(dict(records))


def _weights(message: Message, site: Site, seconds: float) -> Reference:
    """Which weights the message refers to. Raises ConsentError for a message by value."""
    for record in message.content.config_records.values():
        text, round_ = record.get(WEIGHTS), record.get(CLOSED)
        if isinstance(round_, int):
            return site.made_by(round_, seconds)
        if isinstance(text, str):
            try:
                return Reference.model_validate_json(text)
            except ValidationError as error:
                raise ConsentError("The message's reference to weights is none.") from error
    raise ConsentError("This site evaluates only weights that are on the chain, and the message names none.")


def _announced_id(message: Message) -> bytes:
    """Which announcement the message refers to. Raises ConsentError for a message by value."""
    for record in message.content.config_records.values():
        value = record.get(ANNOUNCEMENT)
        if isinstance(value, str) and _DIGEST.fullmatch(value):
            return bytes.fromhex(value)
    raise ConsentError("This site answers only rounds that are on the chain, and the message names none.")


def _train(
    message: Message, context: Context, call_next: ClientAppCallable, site: Site, announcement: Announcement
) -> Receipt:
    """Call the app on the contract's weights and prepare what it gives back."""
    context.state[STATE] = ConfigRecord({"terms": site.terms.encode(), "round": announcement.round})
    message.content = _content(message, site, announcement)
    reply = call_next(message, context)
    if reply.has_error():
        raise UsageError(f"The app answered with an error: {reply.error.reason}")
    record = _only(list(reply.content.array_records.values()), "array")
    arrays = {name: array.numpy() for name, array in record.items()}
    metrics = _scalars(_only(list(reply.content.metric_records.values()), "metric"))
    key = str(site.terms.rule.arguments.get(WEIGHTED_BY, EXAMPLES))
    examples = metrics.pop(key, 0.0)
    if not examples.is_integer():
        raise UsageError(f"The app reports {examples} as {key!r}, which is no whole number.")
    return site.prepare(announcement, arrays, int(examples), metrics)


def _content(message: Message, site: Site, announcement: Announcement) -> RecordDict:
    """What the app gets: a new record, because strategies share one among their messages."""
    base = _record(site.base(announcement))
    config = ConfigRecord({name: _plain(value) for name, value in site.settings(announcement).items()})
    return RecordDict(
        {
            key: base if ANNOUNCEMENT in record else config
            for key, record in message.content.config_records.items()
        }
    )


def _record(arrays: Arrays) -> ArrayRecord:
    return ArrayRecord({name: Array(array) for name, array in arrays.items()})


def _plain(value: Setting) -> bool | float | int | str | list[int]:
    return cast("list[int]", list(value)) if isinstance(value, tuple) else value  # Flower checks the items


def _only(records: list[R], kind: str) -> R:
    if len(records) != 1:
        raise UsageError(f"The app's reply holds {len(records)} {kind} records; one is needed.")
    return records[0]


def _scalars(metrics: MetricRecord) -> dict[str, float]:
    """Single numbers only: a list can be no claim of a document."""
    return {name: float(value) for name, value in metrics.items() if not isinstance(value, list)}


def _reference(receipt: Receipt, published: bool) -> ConfigRecord:
    """What may leave before the round is sealed: the receipt's digest and the sealed update's reference."""
    return ConfigRecord(
        {
            "trainer": receipt.trainer,
            "round": receipt.round,
            "receipt": receipt.id.hex(),
            "update": receipt.update.cid,
            "size": receipt.update.size,
            PUBLISHED: published,
        }
    )
