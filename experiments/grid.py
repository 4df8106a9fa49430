"""A Flower grid in this process: the same apps and strategies, without a server, and the same run twice.

Apps run in this process or in workers. Replies come in the order of the messages, whoever was done first, and
messages that ask sites to deliver are answered here, one after the other: so the number of workers changes
nothing, and the chain is written to from one process and in one order.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from types import TracebackType
from typing import Self

from flwr.app import Context, Error, Message, RecordDict, UserConfig
from flwr.serverapp import Grid

from aggregator import flower
from aggregator.flower import Run
from experiments.workers import App, Workers, answer, load_app
from fl.errors import UsageError
from fl.messages import MARKED

RUN = 1
FIRST_NODE = flower.SERVER_NODE + 1


def _unheard(*_heard: object) -> None:
    """Nobody listens."""


class InProcessGrid(Grid):
    """One node for each configuration in `nodes`, numbered from `FIRST_NODE` in that order.

    `app` is a ClientApp, or `module:attribute` for one; with more than one worker it has to be importable or
    picklable. A node's context is kept for the whole run. `answered` hears the position of each node that is
    done with its app; `failed` hears it of each error reply, and the error. Use it as a context manager:
    leaving it ends the workers. Raises UsageError for an app that is not there, no node, or no worker.
    """

    def __init__(
        self,
        app: App,
        nodes: Sequence[UserConfig],
        *,
        workers: int = 1,
        run_config: UserConfig | None = None,
        answered: Callable[[int], None] = _unheard,
        failed: Callable[[int, Error], None] = _unheard,
    ) -> None:
        if not nodes or workers < 1:
            raise UsageError(f"A grid of {len(nodes)} nodes and {workers} workers cannot run anything.")
        flower.adopt_identity(RUN)
        self._app = load_app(app)
        self._contexts = {
            node: Context(RUN, node, dict(config), RecordDict(), dict(run_config or {}))
            for node, config in enumerate(nodes, FIRST_NODE)
        }
        self._workers = Workers(app, self._contexts, min(workers, len(nodes)), RUN) if workers > 1 else None
        self._answered = answered
        self._failed = failed
        self._numbers = count(1)
        self._replies: dict[str, Message] = {}
        self._run = flower.empty_run(RUN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, also in the middle of something."""
        if self._workers:
            self._workers.close()

    # --- Flower's interface

    def set_run(self, run: Run) -> None:
        """See `Grid.set_run`."""
        self._run = run

    @property
    def run(self) -> Run:
        """See `Grid.run`."""
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """See `Grid.create_message`."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """See `Grid.get_node_ids`."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Answer all messages, nodes in their order; returns the messages' ids."""
        sent = sorted(messages, key=lambda message: message.metadata.dst_node_id)
        for message in sent:
            flower.stamp(message, str(next(self._numbers)))
        for message, reply in zip(sent, self._all_answered(sent), strict=True):
            flower.stamp(reply, str(next(self._numbers)))
            if reply.has_error():
                self._failed(message.metadata.dst_node_id - FIRST_NODE, reply.error)
            self._replies[message.metadata.message_id] = reply
        return [message.metadata.message_id for message in sent]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Each reply once, in the order of the ids; nothing for an id that is unknown."""
        found = (self._replies.pop(message_id, None) for message_id in message_ids)
        return [reply for reply in found if reply]

    def send_and_receive(
        self,
        messages: Iterable[Message],
        *,
        timeout: float | None = None,  # noqa: ARG002 - nothing is waited for: apps run until they are done
    ) -> Iterable[Message]:
        """See `Grid.send_and_receive`; replies come in the order of the nodes."""
        return self.pull_messages(self.push_messages(messages))

    # --- running the app

    def _all_answered(self, messages: Sequence[Message]) -> Iterable[Message]:
        """Replies in the order of the messages; without workers, each when it is asked for."""
        if self._workers and not any(_is_marked(message) for message in messages):
            return self._workers.run(messages, self._say)
        return (self._answer_here(message) for message in messages)

    def _answer_here(self, message: Message) -> Message:
        node = message.metadata.dst_node_id
        copied: Message = pickle.loads(pickle.dumps(message))  # noqa: S301 - our own bytes: strategies share one content
        reply = answer(self._app, copied, self._contexts[node])
        if not _is_marked(message):
            self._say(node)
        return reply

    def _say(self, node: int) -> None:
        self._answered(node - FIRST_NODE)


def _is_marked(message: Message) -> bool:
    """Whether the site answers without its app."""
    return any(mark in message.content for mark in MARKED)
