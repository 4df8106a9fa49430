"""Worker processes that run a Flower app: each has its own nodes, and none outlives its parent."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from flwr.app import Context, Error, Message
from flwr.clientapp import ClientApp

from aggregator import flower
from aggregator.founding.app_folder import load
from experiments import processes
from fl.errors import OwnCodeError
from fl.garbage import uncollected

App = ClientApp | str
"""A ClientApp, or where to import it from: `module:attribute`."""

_PATIENCE = 5.0
"""Seconds that a worker gets to end by itself."""


def load_app(app: App) -> ClientApp:
    """Import an app if it is named. Raises UsageError when it is not there."""
    if isinstance(app, ClientApp):
        return app
    with uncollected():
        return load(app, ClientApp)


def answer(app: ClientApp, message: Message, context: Context) -> Message:
    """The app's reply; what it raises becomes an error reply with the error's kind and text.

    Below what somebody's own code raised, which is a line, stands its traceback.
    """
    try:
        return app(message, context)
    except OwnCodeError as error:
        reason = f"{type(error).__name__}: {error.message}\n{traceback.format_exc()}"
        return Message(Error(flower.APP_RAISED, reason), reply_to=message)
    except Exception as error:  # noqa: BLE001 - whatever somebody's app raises ends its answer, not the run
        return Message(Error(flower.APP_RAISED, f"{type(error).__name__}: {error}"), reply_to=message)


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection


class Workers:
    """`count` processes; node i always goes to the same one, which keeps the node's context.

    A worker that dies costs its message an error reply, and its nodes their contexts.
    """

    def __init__(self, app: App, contexts: Mapping[int, Context], count: int, run_id: int) -> None:
        self._app = app
        self._run_id = run_id
        nodes = sorted(contexts)
        self._contexts = [{node: contexts[node] for node in nodes[i::count]} for i in range(count)]
        self._place = {node: i for i, own in enumerate(self._contexts) for node in own}
        self._workers: list[_Worker | None] = [None] * count

    def run(self, messages: Sequence[Message], answered: Callable[[int], None]) -> list[Message]:
        """Reply to every message, in the order of the messages; `answered` hears each node as it is done."""
        replies: dict[int, Message] = {}
        queues = self._queues(messages)
        busy = {self._send(i, messages[queue[0]]): i for i, queue in queues.items()}
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                i = busy.pop(connection)
                number = queues[i].popleft()
                replies[number] = self._receive(i, connection, messages[number])
                answered(messages[number].metadata.dst_node_id)
                if queues[i]:
                    busy[self._send(i, messages[queues[i][0]])] = i
        return [replies[number] for number in range(len(messages))]

    def _queues(self, messages: Sequence[Message]) -> dict[int, deque[int]]:
        """Positions of messages by worker; a worker gets the next when it has answered the last."""
        queues: dict[int, deque[int]] = {}
        for number, message in enumerate(messages):
            queues.setdefault(self._place[message.metadata.dst_node_id], deque()).append(number)
        return queues

    def _send(self, i: int, message: Message) -> Connection:
        worker = self._workers[i]
        if worker is None or not worker.process.is_alive():
            worker = self._workers[i] = self._start(i)
        with suppress(BrokenPipeError):  # it died just now, which `_receive` will find
            worker.connection.send(message)
        return worker.connection

    def _receive(self, i: int, connection: Connection, message: Message) -> Message:
        try:
            reply: Message = connection.recv()
        except (EOFError, ConnectionResetError):
            self._end(i)
            return Message(Error(flower.APP_CRASHED, "The app's process ended."), reply_to=message)
        return reply

    def _start(self, i: int) -> _Worker:
        needs = self._app.partition(":")[0] if isinstance(self._app, str) else ""
        arguments = self._app, self._contexts[i], self._run_id
        return _Worker(*processes.start(_serve, *arguments, needs=needs, name=f"sites-{i}", daemon=True))

    def close(self) -> None:
        """End all workers, also those in the middle of something."""
        for i in range(len(self._workers)):
            self._end(i)

    def _end(self, i: int) -> None:
        worker, self._workers[i] = self._workers[i], None
        if worker is None:
            return
        worker.connection.close()
        worker.process.terminate()
        worker.process.join(_PATIENCE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


# --- in the worker


def _serve(connection: Connection, app: App, contexts: Mapping[int, Context], run_id: int) -> None:
    flower.adopt_identity(run_id)
    loaded = load_app(app)
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        connection.send(answer(loaded, message, contexts[message.metadata.dst_node_id]))
