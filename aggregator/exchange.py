"""Messages to nodes and their replies, over any Flower grid.

Whose a reply is follows from the message that it answers: when a node is gone, Flower's server replies in its
place, under its own node id.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread

from flwr.app import Message
from flwr.serverapp import Grid

POLL_SECONDS = 0.25
"""Between two looks for replies; Flower's own grid takes three seconds."""

_PULL_SECONDS = 30.0
"""For replies to come once they are announced."""

_GLANCE_SECONDS = 1.0
"""Between two looks at the chain, which may have made waiting needless."""

_log = logging.getLogger("fedledger.aggregator")


class Exchange:
    """Messages that were sent to nodes, at most one to each, and wait for their replies."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._nodes: dict[str, int] = {}  # by the message's id

    @property
    def waiting(self) -> frozenset[int]:
        """Nodes that have not replied yet."""
        return frozenset(self._nodes.values())

    def send(self, messages: Iterable[Message]) -> None:
        """Send one message a node, the nodes in their order."""
        ordered = sorted(messages, key=lambda message: message.metadata.dst_node_id)
        if ordered:
            ids = self._grid.push_messages(ordered)
            for message, id_ in zip(ordered, ids, strict=False):
                if id_:  # Flower has none for what it could not send
                    self._nodes[id_] = message.metadata.dst_node_id

    def forget(self) -> None:
        """Give up on those that have not replied: they may be asked again."""
        self._nodes.clear()

    def collect(self) -> dict[int, Message]:
        """The replies that came since the last time, by node. Errors are logged."""
        found: dict[int, Message] = {}
        for reply in self._pulled():
            node = self._nodes.pop(reply.metadata.reply_to_message_id, None)
            if node is not None:
                found[node] = reply
                _log_error(node, reply)
        return dict(sorted(found.items()))

    def _pulled(self) -> list[Message]:
        """Replies that can be read; of a node whose reply cannot be, nothing more is expected."""
        if not self._nodes:
            return []
        with suppress(_Unreadable):
            return _pull(self._grid, list(self._nodes))
        replies: list[Message] = []
        for id_ in list(self._nodes):
            try:
                replies += _pull(self._grid, [id_])
            except _Unreadable as error:
                _log.warning("node %s: its reply cannot be read: %.300r", self._nodes.pop(id_), str(error))
        return replies

    def wait(self, seconds: float, over: Callable[[], bool] = lambda: False) -> dict[int, Message]:
        """Collect until everybody has replied, but at most `seconds`, and not beyond `over()`."""
        found = self.collect()
        began = glanced = time.monotonic()
        while self._nodes and (now := time.monotonic()) < began + seconds:
            if now >= glanced + _GLANCE_SECONDS:
                if over():
                    break
                glanced = now
            time.sleep(POLL_SECONDS)
            found |= self.collect()
        return dict(sorted(found.items()))


def exchange(
    grid: Grid, messages: Iterable[Message], seconds: float, over: Callable[[], bool] = lambda: False
) -> dict[int, Message]:
    """Send one message a node and wait for the replies, which come by node, in the order of the nodes."""
    letters = Exchange(grid)
    letters.send(messages)
    return letters.wait(seconds, over)


class _Unreadable(Exception):
    """A reply that Flower cannot make a message of, or that does not come to an end."""


def _pull(grid: Grid, ids: list[str]) -> list[Message]:
    """What `Grid.pull_messages` gives, in a thread: Flower waits up to hours for a reply that was announced.

    Raises _Unreadable when it takes too long, or fails: replies are made by whoever has a node.
    """
    answer: Queue[list[Message] | Exception] = Queue()

    def pull() -> None:
        try:
            answer.put(list(grid.pull_messages(ids)))
        except Exception as error:  # noqa: BLE001 - whatever somebody's bytes lead to
            answer.put(error)

    Thread(target=pull, daemon=True).start()
    try:
        found = answer.get(timeout=_PULL_SECONDS)
    except Empty:
        raise _Unreadable("it does not come to an end") from None
    if isinstance(found, Exception):
        raise _Unreadable(repr(found)) from found
    return found


def _log_error(node: int, reply: Message) -> None:
    if reply.has_error():
        # %r: the text is somebody else's, and a log may be a terminal
        _log.warning("node %s: %.300r", node, reply.error.reason)
