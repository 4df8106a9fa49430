"""The mod: a normal Flower app becomes a site, and no array travels in a message."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, Metadata, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode

from clients import mod
from clients.mod import STATE, site_mod
from fl import weights
from fl.documents import Terms
from fl.errors import StoreError
from fl.ledger.types import UpdateSubmitted
from fl.messages import ANNOUNCEMENT, DELIVER, RECEIPT


def message_with(content, node=2):
    metadata = Metadata(1, "1", 1, node, "", "", 0.0, 1e12, "train")
    return Message(content, metadata=metadata)


def by_reference(announcement, **config):
    reference = ConfigRecord({ANNOUNCEMENT: announcement.id.hex()})
    return message_with(RecordDict({"arrays": reference, "config": ConfigRecord(config)}))


DELIVERY = RecordDict({DELIVER: ConfigRecord()})


class Node:
    """One Flower node: an app behind the mod, its context, and what the app has seen."""

    def __init__(self, federation, name="ada", **node_config):
        self.federation, self.name = federation, name
        self.context = Context(1, 2, node_config, RecordDict(), {})
        self.seen = []
        self.reply = None
        self.app = ClientApp(mods=[site_mod(lambda _context: federation.site(name))])
        self.app.train()(self.train)

    def train(self, message, context):
        self.seen.append(message)
        if self.reply is not None:
            return self.reply(message)
        arrays = {name: array.numpy() for name, array in message.content["arrays"].items()}
        arrays["weight"] = arrays["weight"] + np.float32(len(self.name))
        record = ArrayRecord({name: Array(array) for name, array in arrays.items()})
        metrics = MetricRecord({"num-examples": 20, "loss": 0.25, "secret": 7.0})
        return Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=message)

    def __call__(self, message):
        return self.app(message, self.context)


def submissions(federation):
    return [e for e in federation.owner.history(federation.task) if isinstance(e, UpdateSubmitted)]


def test_the_app_gets_the_contracts_weights_and_the_rounds_settings(federation):
    node = Node(federation)
    node(by_reference(federation.open(**{"server-round": 1}), **{"server-round": 1}))
    (seen,) = node.seen
    arrays = {name: array.numpy() for name, array in seen.content["arrays"].items()}
    assert weights.encode(arrays) == weights.encode(federation.base)
    assert list(arrays) == ["weight", "steps"]
    assert dict(seen.content["config"]) == {"learning_rate": 0.5, "server-round": 1}


def test_settings_come_from_the_chain_not_from_the_message(federation):
    node = Node(federation)
    node(by_reference(federation.open(), learning_rate=1e9, steal="all"))
    assert dict(node.seen[0].content["config"]) == {"learning_rate": 0.5}


def test_the_app_finds_the_terms_in_its_state(federation):
    node = Node(federation)
    node(by_reference(federation.open()))
    state = node.context.state[STATE]
    assert Terms.decode(state["terms"]) == federation.terms
    assert state["round"] == 1


def test_the_reply_holds_references_and_no_array_metric_or_key(federation):
    node = Node(federation)
    reply = node(by_reference(federation.open()))
    (receipt,) = federation.site("ada").outbox.receipts()
    assert list(reply.content) == [RECEIPT]
    said = dict(reply.content[RECEIPT])
    assert said == {
        "trainer": receipt.trainer,
        "round": 1,
        "receipt": receipt.id.hex(),
        "update": receipt.update.cid,
        "size": receipt.update.size,
        "published": False,
    }
    assert receipt.key not in repr(reply)


def test_the_update_is_on_the_chain_when_the_mod_answers(federation):
    reply = Node(federation)(by_reference(federation.open()))
    (event,) = submissions(federation)
    assert event.receipt.hex() == reply.content[RECEIPT]["receipt"]


def test_a_node_that_submits_when_asked_waits_to_be_asked(federation):
    node = Node(federation, submit=False)
    node(by_reference(federation.open()))
    assert submissions(federation) == []
    node(message_with(DELIVERY))
    assert len(submissions(federation)) == 1


def test_being_asked_to_deliver_publishes_once_sealed_and_calls_no_app(federation):
    nodes = [Node(federation, name) for name in federation.sites]
    announcement = federation.open()
    for node in nodes:
        node(by_reference(announcement))
    receipts = [event.receipt for event in submissions(federation)]
    for node in nodes:
        assert not node(message_with(DELIVERY)).has_error()
    assert [len(node.seen) for node in nodes] == [1, 1, 1]
    assert all(federation.rounds.record().document(id_) for id_ in receipts)


def test_a_repeated_message_does_not_train_again(federation):
    node = Node(federation, submit=False)
    announcement = federation.open()
    first = node(by_reference(announcement))
    second = node(by_reference(announcement))
    node(message_with(DELIVERY))
    third = node(by_reference(announcement))
    assert len(node.seen) == 1
    assert second.content[RECEIPT] == first.content[RECEIPT]
    assert not third.has_error()


def test_a_message_that_comes_after_publishing_does_not_train_again(federation):
    node = Node(federation)
    announcement = federation.open()
    node(by_reference(announcement))
    federation.chain.set_time(federation.owner.task(federation.task).deadline + 1)
    node(message_with(DELIVERY))
    (receipt,) = federation.site("ada").outbox.receipts()
    assert federation.has(receipt.cid)
    assert not node(by_reference(announcement)).has_error()
    assert len(node.seen) == 1
    assert federation.site("ada").outbox.receipts() == (receipt,)


def test_the_messages_own_content_stays_as_it_was(federation):
    announcement = federation.open()
    shared = by_reference(announcement).content
    Node(federation)(message_with(shared))
    assert dict(shared["arrays"]) == {ANNOUNCEMENT: announcement.id.hex()}


# --- refusals


def test_arrays_by_value_are_refused_and_the_app_is_not_called(federation):
    federation.open()
    node = Node(federation)
    arrays = ArrayRecord({"weight": Array(np.zeros((1, 2), np.float32))})
    reply = node(message_with(RecordDict({"arrays": arrays, "config": ConfigRecord({})})))
    assert reply.error.code == mod.REFUSED_BY_MOD
    assert "on the chain" in reply.error.reason
    assert node.seen == []


@pytest.mark.parametrize("text", ["z" * 64, "0" * 63, "\u0660" * 64, "0" * 62 + " 0", ""])
def test_a_reference_that_is_no_digest_is_refused(federation, text):
    federation.open()
    node = Node(federation)
    reference = RecordDict({"arrays": ConfigRecord({ANNOUNCEMENT: text}), "config": ConfigRecord({})})
    reply = node(message_with(reference))
    assert reply.error.code == mod.REFUSED_BY_MOD
    assert node.seen == []


def test_a_refusal_says_why(federation):
    opened = federation.open()
    other = opened.model_copy(update={"round": 5})
    reply = Node(federation)(by_reference(other))
    assert reply.error.code == mod.REFUSED_BY_MOD
    assert "not opened with" in reply.error.reason


def test_an_error_of_the_app_leaves_no_path_in_the_reply(federation, tmp_path):
    node = Node(federation)

    def broken(_message):
        raise FileNotFoundError(f"{tmp_path}/patients.csv")

    node.reply = broken
    reply = node(by_reference(federation.open()))
    assert reply.error.code == mod.APP_RAISED
    assert "FileNotFoundError" in reply.error.reason
    assert str(tmp_path) not in repr(reply)


def test_an_error_of_the_site_leaves_no_path_in_the_reply(federation, tmp_path):
    def no_site(_context):
        raise StoreError(f"The store {tmp_path} is full.")

    app = ClientApp(mods=[site_mod(no_site)])
    app.train()(lambda message, _context: message)
    reply = app(by_reference(federation.open()), Context(1, 2, {}, RecordDict(), {}))
    assert "StoreError" in reply.error.reason
    assert str(tmp_path) not in repr(reply)


@pytest.mark.parametrize(
    "content",
    [
        RecordDict({}),
        RecordDict({"metrics": MetricRecord({"num-examples": 3, "loss": 1.0})}),
        RecordDict({"arrays": ArrayRecord({"weight": Array(np.zeros((1, 2)))}), "metrics": MetricRecord({})}),
    ],
    ids=["nothing", "no-arrays", "no-examples"],
)
def test_a_reply_that_is_no_update_becomes_an_error(federation, content):
    node = Node(federation)
    node.reply = lambda message: Message(content, reply_to=message)
    assert node(by_reference(federation.open())).has_error()
    assert federation.site("ada").outbox.receipts() == ()


def test_examples_that_are_no_whole_number_become_an_error(federation):
    node = Node(federation)
    content = RecordDict(
        {
            "arrays": ArrayRecord(
                {"weight": Array(np.zeros((1, 2), np.float32)), "steps": Array(np.array(1))}
            ),
            "metrics": MetricRecord({"num-examples": 3.5, "loss": 1.0}),
        }
    )
    node.reply = lambda message: Message(content, reply_to=message)
    assert node(by_reference(federation.open())).has_error()


def test_error_codes_are_flowers_own():
    assert mod.APP_RAISED == ErrorCode.CLIENT_APP_RAISED_EXCEPTION
    assert mod.REFUSED_BY_MOD == ErrorCode.MOD_FAILED_PRECONDITION
