"""Messages and replies over a grid that behaves as Flower's own does in its worst hours."""

from __future__ import annotations

from threading import Event

import pytest
from flwr.app import Error, Message, RecordDict

from aggregator import flower
from aggregator.exchange import exchange


class Server:
    """A grid that replies as it is told: by node, after how many looks, or with what error."""

    def __init__(self, after, errors=(), unsent=(), broken=(), endless=()):
        self.after = after
        self.errors = errors
        self.unsent = unsent
        self.broken = broken
        self.endless = endless
        self.looks = 0
        self.sent = {}

    def push_messages(self, messages):
        for message in messages:
            flower.stamp(message, f"to {message.metadata.dst_node_id}")
        self.sent = {message.metadata.message_id: message for message in messages}
        unsent = {f"to {node}" for node in self.unsent}
        return [None if id_ in unsent else id_ for id_ in self.sent]

    def pull_messages(self, ids):
        self.looks += 1
        asked = {int(id_.removeprefix("to ")) for id_ in ids}
        if asked & set(self.broken):
            raise ValueError("no message at all")
        if asked & set(self.endless):
            Event().wait(20)
        return [self._reply(self.sent[id_]) for id_ in reversed(list(ids)) if self._due(self.sent[id_])]

    def _due(self, message):
        return self.after.get(message.metadata.dst_node_id, 10**9) <= self.looks

    def _reply(self, message):
        if message.metadata.dst_node_id not in self.errors:
            return Message(RecordDict(), reply_to=message)
        reply = Message(Error(3, "Node Unavailable"), reply_to=message)
        reply.metadata.__dict__["_src_node_id"] = 1  # Flower's server speaks for a node that is gone
        return reply


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time passes only by waiting."""

    class Clock:
        now = 0.0

        def sleep(self, seconds):
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr("aggregator.exchange.time.sleep", clock.sleep)
    monkeypatch.setattr("aggregator.exchange.time.monotonic", lambda: clock.now)
    flower.adopt_identity(1)
    return clock


def letters(*nodes):
    return [Message(RecordDict(), dst_node_id=node, message_type="train") for node in nodes]


def test_replies_come_by_node_in_the_order_of_the_nodes():
    server = Server({5: 3, 3: 1, 4: 2})
    assert list(exchange(server, letters(5, 3, 4), 60)) == [3, 4, 5]


def test_whose_an_error_is_follows_from_the_message_that_it_answers():
    replies = exchange(Server({3: 1, 4: 1}, errors=[4]), letters(3, 4), 60)
    assert {node: reply.has_error() for node, reply in replies.items()} == {3: False, 4: True}


def test_what_could_not_be_sent_is_not_waited_for(clock):
    assert list(exchange(Server({3: 1, 4: 1}, unsent=[3]), letters(3, 4), 60)) == [4]
    assert clock.now == 0


def test_who_is_silent_is_waited_for_so_long_and_no_longer(clock):
    assert list(exchange(Server({3: 2}), letters(3, 4), 60)) == [3]
    assert 60 <= clock.now < 61


def test_waiting_ends_when_it_has_become_needless(clock):
    exchange(Server({3: 2}), letters(3, 4), 60, lambda: clock.now > 10)
    assert 10 < clock.now < 12


def test_nothing_to_send_takes_no_time(clock):
    assert exchange(Server({}), [], 60) == {}
    assert clock.now == 0


def test_a_reply_that_cannot_be_read_is_nobodys_but_its_nodes(caplog):
    replies = exchange(Server({3: 1, 4: 1, 5: 1}, broken=[4]), letters(3, 4, 5), 60)
    assert list(replies) == [3, 5]
    assert "node 4: its reply cannot be read" in caplog.text


def test_a_reply_that_does_not_come_to_an_end_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("aggregator.exchange._PULL_SECONDS", 2.0)
    replies = exchange(Server({3: 1, 4: 1, 5: 1}, endless=[4]), letters(3, 4, 5), 60)
    assert list(replies) == [3, 5]
