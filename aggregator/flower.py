"""Every private name of Flower that this project uses; a test fails when Flower changes one of them.

Flower sets these fields itself in a run of its own. They are needed here because a rule works outside any
run, and because the in-process grid is no run that Flower knows of.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from flwr.app import DEFAULT_TTL, Message, Metadata, RecordDict
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

__all__ = [
    "APP_CRASHED",
    "APP_RAISED",
    "SERVER_NODE",
    "Run",
    "adopt_identity",
    "as_reply",
    "empty_run",
    "quiet",
    "stamp",
]

SERVER_NODE = 1
"""The node id under which Flower's own server sends."""

APP_RAISED, APP_CRASHED = 2, 8
"""Flower's error codes for an app that raised, and for one whose process ended."""


def adopt_identity(run_id: int) -> None:
    """Make `Message(…)` work in this process, as if Flower had started it as the server of this run."""
    TaskIdentity.run_id = run_id
    TaskIdentity.node_id = SERVER_NODE
    TaskIdentity.task_id = 1


def empty_run(run_id: int) -> Run:
    """What `Grid.run` gives for a run that has no app bundle."""
    return Run.create_empty(run_id)


def stamp(message: Message, message_id: str) -> None:
    """Number a message, as Flower's server does when one is sent: replies refer to it."""
    message.metadata.__dict__["_message_id"] = message_id


def as_reply(content: RecordDict, node: int) -> Message:
    """A train reply of a node, made outside any run."""
    metadata = Metadata(
        run_id=0,
        message_id=str(node),
        src_node_id=node,
        dst_node_id=SERVER_NODE,
        reply_to_message_id=str(node),
        group_id="",
        created_at=0.0,
        ttl=float(DEFAULT_TTL),
        message_type="train",
    )
    message: Message = Message(content, metadata=metadata)  # type: ignore[call-overload]  # as Flower rebuilds one
    return message


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Flower's strategies from logging each call; warnings still come through."""
    logger = logging.getLogger("flwr")
    before = logger.level
    logger.setLevel(max(before, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(before)
