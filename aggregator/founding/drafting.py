"""Runs somebody's ServerApp up to where its strategy would start, and drafts terms for what it asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

from aggregator import flower
from aggregator.flower import Run
from aggregator.founding.app_folder import AppFolder, load, package
from aggregator.founding.choices import Choices
from aggregator.founding.draft import draft
from aggregator.plan import Plan
from fl.code import installed_code
from fl.documents import Terms
from fl.errors import UsageError
from fl.store.port import BlobStore

RUN = 1
_LOOKS = 3
"""How often an app may look for nodes: a strategy that is not on the chain would look for ever."""

_LINE = "Its strategy has to be wrapped: OnChain(strategy, context)."


def draft_terms(app: AppFolder, choices: Choices, store: BlobStore) -> Terms:
    """Terms for an app that is `AppFolder.open`ed, stored with the initial weights that they name.

    Raises UsageError when the app starts no strategy on the chain, and what `draft` and the app raise.
    """
    flower.adopt_identity(RUN)
    code = installed_code(*(choices.code or (package(app.client),)))
    server = load(app.server, ServerApp)
    try:
        server(_Paper(), Context(RUN, flower.SERVER_NODE, {}, RecordDict(), dict(app.run_config)))
    except _Found as found:
        return draft(found.plan, choices, code, store)
    raise UsageError("The ServerApp ended, and started no strategy on the chain.", _LINE)


class _Found(BaseException):  # no error: it ends the app, past whatever there catches exceptions
    def __init__(self, plan: Plan) -> None:
        self.plan = plan


class _Paper(Grid):
    """A grid without nodes, on which a strategy gets no further than to what it asks for."""

    def __init__(self) -> None:
        self._looks = 0

    def found(self, plan: Plan) -> NoReturn:
        """See `FoundingGrid`."""
        raise _Found(plan)

    def set_run(self, run: Run) -> None:
        """There is no run."""

    @property
    def run(self) -> Run:
        """An empty one."""
        return flower.empty_run(RUN)

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
        """None is there. Raises UsageError when that was said often enough."""
        self._looks += 1
        if self._looks > _LOOKS:
            raise UsageError("The ServerApp waits for nodes, and a draft has none.", _LINE)
        return []

    def push_messages(self, messages: Iterable[Message]) -> NoReturn:  # noqa: ARG002 - Grid's signature
        """Raises UsageError."""
        raise UsageError(
            "The ServerApp sends messages before its strategy starts, and a draft has no nodes.",
            "Let it ask nodes after `start`, or write the terms yourself.",
        )

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:  # noqa: ARG002 - as above
        """Nobody answers."""
        return []

    def send_and_receive(
        self,
        messages: Iterable[Message],
        *,
        timeout: float | None = None,  # noqa: ARG002 - as above
    ) -> NoReturn:
        """Raises UsageError."""
        self.push_messages(messages)
