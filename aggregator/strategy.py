"""OnChain: a Flower strategy whose rounds happen on the chain.

The wrapped strategy says with which settings a round is trained; the chain says which updates count, and the
rule of the terms, which is the wrapped strategy too, makes one model of them. Messages carry references.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from aggregator.deliberation import REMINDERS
from aggregator.rounds import RoundEnd, Rounds
from fl import weights
from fl.canonical import Setting
from fl.documents import Announcement
from fl.errors import StoreError, UsageError
from fl.ledger.types import Task
from fl.messages import ANNOUNCEMENT, DELIVER

EvaluateFn = Callable[[int, ArrayRecord], MetricRecord | None]

_log = logging.getLogger("fedledger.aggregator")


class Watch:
    """Hears how rounds go and does nothing; override what is of interest."""

    def opened(self, announcement: Announcement) -> None:
        """A round is open on the chain, and the sites are asked next."""

    def trained(self, round_: int, replies: Sequence[Message]) -> None:
        """Every site has answered, perhaps with an error, or the time to answer is over."""

    def ended(self, end: RoundEnd) -> None:
        """A round was closed or failed."""


class OnChain(Strategy):
    """Runs `rounds` over a Flower grid; `strategy` is one that `aggregator.rules` supports.

    Raises UsageError when it is not the terms' rule, or when it samples: every site is asked in each round.
    """

    def __init__(self, strategy: Strategy, rounds: Rounds, watch: Watch | None = None) -> None:
        self.strategy = strategy
        self.rounds = rounds
        self.watch = watch or Watch()
        named, given = rounds.terms().rule.name, type(strategy).__name__
        if named != given:
            raise UsageError(f"The terms name the rule {named}, and the strategy is {given}.")
        if getattr(strategy, "fraction_train", 1.0) != 1.0:
            raise UsageError("Every site is asked in each round.", "Leave fraction_train at 1.0.")

    def start(
        self,
        grid: Grid,
        initial_arrays: ArrayRecord | None = None,
        num_rounds: int = 3,
        timeout: float = 3600,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,  # noqa: ARG002 - Flower's signature
        evaluate_fn: EvaluateFn | None = None,
    ) -> Result:
        """Run rounds until `num_rounds` have ended, those before a restart included, and settle them.

        The contract's weights win over `initial_arrays`. `timeout` is in seconds and never beyond a round's
        deadline. `evaluate_fn` is called with the weights in force; sites are not asked to evaluate.
        Raises Refused when a round cannot be opened.
        """
        self._compare(initial_arrays)
        result = Result()
        self._evaluate(evaluate_fn, self.rounds.ended(), result)
        while (ended := self.rounds.ended()) < num_rounds:
            end = self._round(grid, train_config or ConfigRecord(), timeout)
            _log.info("round %s (%s of %s): %s", end.round, ended + 1, num_rounds, end.reason or "closed")
            if end.manifest:
                result.train_metrics_clientapp[end.round] = MetricRecord(dict(end.manifest.metrics))
            self._evaluate(evaluate_fn, end.round, result)
        self._deliver(grid, timeout)  # the last round has ended: sites need its receipts no more
        self.rounds.settle_all()
        result.arrays = self._current()
        return result

    # --- one round

    def _round(self, grid: Grid, config: ConfigRecord, timeout: float) -> RoundEnd:
        """Open, train, wait for the seal, have receipts published, decide; goes on where a round stands."""
        asked = list(self.configure_train(self._index(), ArrayRecord(), ConfigRecord(dict(config)), grid))
        announcement = self.rounds.open(_settings(asked))
        self.watch.opened(announcement)
        failed: Sequence[Message] = ()
        if not self.rounds.over():
            replies = self._train(grid, asked, announcement, timeout)
            self.watch.trained(announcement.round, replies)
            failed = _failed(asked, replies)
        self._gather(grid, failed, announcement, timeout)
        self._deliver(grid, timeout)
        end = self.rounds.finish(lambda: self._deliver(grid, timeout))
        self.watch.ended(end)
        self.rounds.settle_due()
        return end

    def _train(
        self, grid: Grid, asked: Sequence[Message], announcement: Announcement, timeout: float
    ) -> list[Message]:
        return self._ask(grid, [_by_reference(message, announcement) for message in asked], timeout)

    def _gather(
        self, grid: Grid, failed: Sequence[Message], announcement: Announcement, timeout: float
    ) -> None:
        """Have sites train that failed to, and submit what is due, until the round is over.

        There are those that submit when asked, those whose node or store was away, and those whose
        submission a reorg took back.
        """
        task = self._task()
        step = max(1, task.window // REMINDERS)
        while self._in_time(task):
            next_time = min(self.rounds.ledger.now() + step, task.deadline + 1)
            self._deliver(grid, timeout)
            if self._in_time(task):
                failed = _failed(failed, self._train(grid, failed, announcement, timeout))
            self.rounds.wait(next_time, self.rounds.over)
        self.rounds.await_end()

    def _in_time(self, task: Task) -> bool:
        """Whether a submission that is sent now can still count."""
        return not self.rounds.over() and self.rounds.ledger.now() <= task.deadline

    def _index(self) -> int:
        """Closed rounds + 1, which is what strategies count: failed rounds use chain numbers up."""
        return 1 + sum(round_.closed is not None for round_ in self.rounds.record().rounds)

    def _task(self) -> Task:
        return self.rounds.ledger.task(self.rounds.task)

    def _deliver(self, grid: Grid, timeout: float) -> None:
        content = RecordDict({DELIVER: ConfigRecord()})
        self._ask(grid, [_train_message(content, node) for node in sorted(grid.get_node_ids())], timeout)

    def _ask(self, grid: Grid, messages: Sequence[Message], timeout: float) -> list[Message]:
        """Send and wait, at most as long as the open round allows. Errors are logged."""
        if not messages:
            return []
        replies = list(grid.send_and_receive(messages, timeout=min(timeout, self._left())))
        for reply in replies:
            if reply.has_error():
                # %r: the text is somebody else's, and a log may be a terminal
                _log.warning("node %s: %.300r", reply.metadata.src_node_id, reply.error.reason)
        return replies

    def _left(self) -> float:
        """Seconds to wait for replies: a part of the window, and never beyond its end.

        A site that never answers must not keep others from being asked again, nor the round from closing.
        """
        task, now = self._task(), self.rounds.ledger.now()
        if not task.open:
            left = task.close_window / REMINDERS
        elif task.sealed(now):
            left = (task.close_by() - now) / REMINDERS
        else:
            left = min(task.deadline - now, task.window / REMINDERS)
        return max(1, left)

    # --- the weights in force

    def _current(self) -> ArrayRecord:
        record = self.rounds.record()
        reference = record.heritage().weights
        if reference is None:
            raise StoreError("No document names the weights that the contract holds.")
        arrays = weights.decode(record.blob(reference), record.terms().order)
        return ArrayRecord({name: Array(array) for name, array in arrays.items()})

    def _compare(self, initial: ArrayRecord | None) -> None:
        if initial is None:
            return
        arrays = {name: array.numpy() for name, array in initial.items()}
        if weights.digest(weights.encode(arrays)) != self._task().weights:
            _log.warning("initial_arrays are not used: the contract holds other weights")

    def _evaluate(self, evaluate_fn: EvaluateFn | None, round_: int, result: Result) -> None:
        metrics = evaluate_fn(round_, self._current()) if evaluate_fn else None
        if metrics is not None:
            result.evaluate_metrics_serverapp[round_] = metrics

    # --- the wrapped strategy's own

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """As the wrapped strategy does; only the settings of its messages are used."""
        return self.strategy.configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """As the wrapped strategy does."""
        return self.strategy.aggregate_train(server_round, replies)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """As the wrapped strategy does."""
        return self.strategy.configure_evaluate(server_round, arrays, config, grid)

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """As the wrapped strategy does."""
        return self.strategy.aggregate_evaluate(server_round, replies)

    def summary(self) -> None:
        """As the wrapped strategy does."""
        self.strategy.summary()


# --- messages


def _train_message(content: RecordDict, node: int) -> Message:
    return Message(content, dst_node_id=node, message_type=MessageType.TRAIN)


def _failed(asked: Sequence[Message], replies: Sequence[Message]) -> list[Message]:
    """The messages that were answered with an error, or not yet: to ask twice does no harm."""
    well = {reply.metadata.src_node_id for reply in replies if not reply.has_error()}
    return [message for message in asked if message.metadata.dst_node_id not in well]


def _by_reference(message: Message, announcement: Announcement) -> Message:
    """The strategy's message with the announcement's id in place of arrays."""
    reference = ConfigRecord({ANNOUNCEMENT: announcement.id.hex()})
    content = RecordDict()
    for key, record in message.content.items():
        content[key] = reference if isinstance(record, ArrayRecord) else record
    return _train_message(content, message.metadata.dst_node_id)


def _settings(messages: Sequence[Message]) -> dict[str, Setting]:
    """The settings that the strategy gives to every site alike. Raises UsageError for others."""
    found = [
        {name: value for record in message.content.config_records.values() for name, value in record.items()}
        for message in messages
    ]
    if not found:
        raise UsageError("The strategy asks no site to train.")
    if any(settings != found[0] for settings in found):
        raise UsageError("The strategy gives sites different settings; a round has one announcement.")
    return {name: _setting(name, value) for name, value in found[0].items()}


def _setting(name: str, value: object) -> Setting:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, bool | int | float | str):
        return value
    raise UsageError(f"The setting {name!r} is {type(value).__name__}, which no document can hold.")
