"""What a wrapped strategy asks for: with which settings a round trains and evaluates, and how many sites.

Who is asked is not the strategy's choice: it sees as many nodes as there are seats, and the draw says who.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from aggregator import rules
from aggregator.flower import Run
from fl.canonical import Setting
from fl.errors import UsageError

_ENOUGH = 8
"""How often a strategy may look at the nodes in one call, before it is clear that it waits for more."""


@dataclass(frozen=True)
class Asked:
    """What a strategy asks of `count` of `seats` nodes; `template` is one of its messages."""

    template: Message
    count: int
    seats: int

    @property
    def kind(self) -> str:
        """The messages' type, such as `train`."""
        return str(self.template.metadata.message_type)

    @property
    def settings(self) -> dict[str, Setting]:
        """The settings in its messages. Raises UsageError for what no document can hold."""
        records = self.template.content.config_records.values()
        return {name: _setting(name, value) for record in records for name, value in record.items()}

    def content(self, reference: ConfigRecord) -> RecordDict:
        """The message's content with `reference` in place of arrays; strategies share one record."""
        return RecordDict(
            {
                key: reference if isinstance(record, ArrayRecord) else record
                for key, record in self.template.content.items()
            }
        )

    def letters(self, reference: ConfigRecord, nodes: Sequence[int]) -> list[Message]:
        """One message for each of these nodes."""
        return [Message(self.content(reference), dst_node_id=node, message_type=self.kind) for node in nodes]


class Asking:
    """Asks a copy of a strategy for its rounds one after the other, from the first on, as Flower does.

    A strategy may change itself, or the configuration that it is handed, as it goes along (a learning rate
    that decays): so a run that goes on elsewhere asks it for the earlier rounds too, and each start begins
    anew. A round that failed is not asked for again. Raises UsageError for a strategy that asks nobody, or
    not everybody alike, or cannot be copied.
    """

    def __init__(self, strategy: Strategy, grid: Grid, config: ConfigRecord | None) -> None:
        self._strategy = rules.copied(strategy)
        self._grid = grid
        self._config = ConfigRecord(dict(config or {}))
        self._asked: list[Asked] = []

    def demand(self, seats: int) -> None:
        """Raise TooFewNodes when the strategy wants more nodes than there are seats."""
        for name in _TRAINING:
            _demand_nodes(self._strategy, name, seats)

    def round(self, index: int, seats: int) -> Asked:
        """What it asks of its round `index` when there are that many seats."""
        while len(self._asked) < index:
            self._asked.append(self._next(seats))
        asked = self._asked[index - 1]
        if asked.count == asked.seats:
            return Asked(asked.template, seats, seats)
        return Asked(asked.template, min(asked.count, seats), seats)

    def _next(self, seats: int) -> Asked:
        """Its next round, as if it had all the nodes that it waits for."""
        nodes = max(seats, 1, *(_wanted(self._strategy, name) for name in _TRAINING))
        grid = SeatedGrid(self._grid, range(1, nodes + 1))
        messages = list(
            self._strategy.configure_train(len(self._asked) + 1, ArrayRecord(), self._config, grid)
        )
        if not messages:
            raise UsageError("The strategy asks no site to train.")
        if any(_configs(message) != _configs(messages[0]) for message in messages):
            raise UsageError("The strategy gives sites different settings; a round has one announcement.")
        return Asked(_copied(messages[0]), len(messages), nodes)


_TRAINING = ("min_available_nodes", "min_train_nodes")


def evaluation(
    strategy: Strategy, grid: Grid, index: int, config: ConfigRecord | None, nodes: Sequence[int]
) -> Asked | None:
    """What the strategy asks of an evaluation by some of these nodes; None where it wants none or more."""
    seated = SeatedGrid(grid, nodes)
    try:
        for name in ("min_available_nodes", "min_evaluate_nodes"):
            _demand_nodes(strategy, name, len(nodes))
        messages = list(
            strategy.configure_evaluate(index, ArrayRecord(), ConfigRecord(dict(config or {})), seated)
        )
    except TooFewNodes:
        return None
    return Asked(_copied(messages[0]), len(messages), len(nodes)) if messages else None


def _demand_nodes(strategy: Strategy, name: str, seats: int) -> None:
    """Flower's strategies wait for ever for as many nodes as they want."""
    wanted = _wanted(strategy, name)
    if wanted > seats:
        raise TooFewNodes(
            f"The strategy wants {wanted} nodes ({name}), and there are {seats}.",
            f"Lower {name}, or have more members join the task.",
        )


def _wanted(strategy: Strategy, name: str) -> int:
    return int(getattr(strategy, name, 0))


class TooFewNodes(UsageError):
    """A strategy wants more nodes than there are."""


def _configs(message: Message) -> dict[str, dict[str, object]]:
    return {key: dict(record) for key, record in message.content.config_records.items()}


def _copied(message: Message) -> Message:
    """The message with config records of its own: a strategy goes on using its own."""
    content = RecordDict()
    for key, record in message.content.items():
        content[key] = ConfigRecord(dict(record)) if isinstance(record, ConfigRecord) else record
    metadata = message.metadata
    return Message(content, dst_node_id=metadata.dst_node_id, message_type=metadata.message_type)


def _setting(name: str, value: object) -> Setting:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, bool | int | float | str):
        return value
    raise UsageError(f"The setting {name!r} is {type(value).__name__}, which no document can hold.")


class SeatedGrid(Grid):
    """What a strategy sees in place of the real grid: so many nodes, and nothing can be sent.

    Raises TooFewNodes when it looks again and again, because it waits for more.
    """

    def __init__(self, grid: Grid, nodes: Sequence[int]) -> None:
        self._grid = grid
        self._nodes = nodes
        self._looks = 0

    def get_node_ids(self) -> list[int]:
        """See `Grid.get_node_ids`."""
        self._looks += 1
        if self._looks > _ENOUGH:
            raise TooFewNodes(
                f"The strategy waits for more than the {len(self._nodes)} nodes that there are."
            )
        return list(self._nodes)

    def set_run(self, run: Run) -> None:
        """See `Grid.set_run`."""
        self._grid.set_run(run)

    @property
    def run(self) -> Run:
        """See `Grid.run`."""
        return self._grid.run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """See `Grid.create_message`."""
        return self._grid.create_message(content, message_type, dst_node_id, group_id, ttl)

    def push_messages(self, messages: object) -> list[str]:  # noqa: ARG002 - whatever they are
        """Nothing is sent."""
        raise UsageError("The strategy sends messages while it is only asked for some.")

    pull_messages = send_and_receive = push_messages  # type: ignore[assignment]  # refused alike
