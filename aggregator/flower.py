"""Every private name of Flower that this project uses; a test fails when Flower changes one of them.

Flower sets these fields itself in a run of its own. They are needed here because a rule works outside any
run, and because the in-process grid is no run that Flower knows of.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import DEFAULT_TTL, Array, ArrayRecord, Message, Metadata, RecordDict, UserConfig
from flwr.common.config import get_fused_config_from_dir, get_project_config, parse_config_args
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

__all__ = [
    "APP_CRASHED",
    "APP_RAISED",
    "SERVER_NODE",
    "Run",
    "adopt_identity",
    "as_reply",
    "components_of",
    "empty_run",
    "lazy_record",
    "quiet",
    "run_config_of",
    "stamp",
]

_Array = np.ndarray[Any, Any]

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


def lazy_record(
    arrays: Mapping[str, _Array], like: Mapping[str, _Array], *, copied: bool = False
) -> ArrayRecord:
    """A record whose arrays are read from `arrays` each time they are asked for, in place of a copy as bytes.

    `like` gives their order, dtypes and shapes. Strategies do their arithmetic on what `numpy` gives, so one
    that looks at one array after the other holds one. What it changes in place must be `copied`.
    """

    def read(name: str) -> _Array:
        return arrays[name].copy() if copied else arrays[name]

    record = ArrayRecord()
    for name, array in like.items():  # given a dict, it would make arrays of its own, with the bytes
        record[name] = _LazyArray(array, partial(read, name))
    return record


class _LazyArray(Array):
    def __init__(self, like: _Array, read: Callable[[], _Array]) -> None:
        # without Flower's own, which sets `data`
        self.dtype, self.shape, self.stype = str(like.dtype), like.shape, "numpy.ndarray"
        self._read = read

    def numpy(self) -> _Array:
        return self._read()

    @property
    def data(self) -> bytes:  # type: ignore[override]  # nothing sets it
        return Array(self.numpy()).data


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


def components_of(folder: Path) -> dict[str, str]:
    """References to an app's `serverapp` and `clientapp`, as its pyproject.toml has them.

    Raises OSError or ValueError for a folder that is no Flower app.
    """
    config: dict[str, Any] = get_project_config(folder)
    components: dict[str, str] = config["tool"]["flwr"]["app"]["components"]
    return components


def run_config_of(folder: Path, changes: Sequence[str]) -> UserConfig:
    """An app's run configuration, changed as `flwr run -c` does.

    Raises OSError, ValueError or click's ClickException for changes that are none.
    """
    return get_fused_config_from_dir(folder, parse_config_args(list(changes)))
