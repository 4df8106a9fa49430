"""One call of `OnChain.start`: rounds over a Flower grid, with what the chain says in place of replies.

It keeps nothing that chain and store do not have, so it can be killed anywhere and started again elsewhere.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from aggregator.asking import Asked, Asking, evaluation
from aggregator.deliberation import REMINDERS
from aggregator.exchange import Exchange, exchange
from aggregator.rounds import RoundEnd, Rounds
from aggregator.trainers import Trainers
from fl.canonical import sha256
from fl.documents import Announcement
from fl.errors import FedledgerError
from fl.ledger.types import Address, Task
from fl.messages import (
    ANNOUNCEMENT,
    CLOSED,
    DELIVER,
    EXAMPLES,
    PUBLISHED,
    RECEIPT,
    WEIGHTED_BY,
    WEIGHTS,
)

_GRACE_SECONDS = 60.0
"""How long the nodes that are there may take to say whose they are."""

_REPLY_SECONDS = 15.0
"""How long replies are waited for once a round is sealed: sites that submitted publish then, and say so."""

_log = logging.getLogger("fedledger.aggregator")


class Watch:
    """Hears how rounds go and does nothing; override what is of interest."""

    def opened(self, announcement: Announcement) -> None:
        """A round is open on the chain, and the sites are asked next."""

    def trained(self, round_: int, replies: Sequence[Message]) -> None:
        """Every site has answered, perhaps with an error, or the time to answer is over."""

    def ended(self, end: RoundEnd) -> None:
        """A round was closed or failed."""


class Training:
    """Trains and evaluates over `grid`; `timeout` is in seconds, for nodes to come and to answer.

    `early`: ask for evaluations while sites still train, which saves time where nodes answer by themselves.
    """

    def __init__(
        self,
        grid: Grid,
        rounds: Rounds,
        strategy: Strategy,
        config: ConfigRecord | None,
        evaluate_config: ConfigRecord | None,
        timeout: float,
        watch: Watch,
        *,
        early: bool = False,
    ) -> None:
        self.grid = grid
        self.rounds = rounds
        self.strategy = strategy
        self.timeout = timeout
        self.watch = watch
        self._published: set[Address] = set()
        self._grace = _GRACE_SECONDS
        self.evaluate_config = evaluate_config
        self._early = early
        self._wanted: _Evaluation | None = None
        self._silent: set[int] = set()
        self.asking = Asking(strategy, grid, config)
        self.kind = self.asking.round(1, self.rounds.seats()).kind
        self.trainers = Trainers(grid, rounds.ledger, rounds.task, self.kind)

    # --- one round

    def round(self) -> RoundEnd:
        """Open, train, wait for the seal, have receipts published, decide; goes on where a round stands."""
        self._gather_nodes()
        asked = self.asking.round(self.index(), self.rounds.seats())
        if not self._task().open:
            self.asking.demand(asked.seats)
        count = None if asked.count == asked.seats else asked.count
        announcement = self.rounds.open(asked.settings, count)
        self.watch.opened(announcement)
        self._published, self._silent, self._wanted = set[Address](), set[int](), None
        self._gather_updates(asked, announcement)
        self._deliver_sealed(announcement.round)
        end = self.rounds.finish(self.deliver)
        self.watch.ended(end)
        self.rounds.settle_due()
        return end

    def index(self) -> int:
        """Closed rounds + 1, which is what strategies count: failed rounds use chain numbers up."""
        return 1 + sum(round_.closed is not None for round_ in self.rounds.record().rounds)

    def _gather_nodes(self) -> None:
        """Wait until the nodes of enough trainers are there, and a little for those that are being asked.

        Raises FedledgerError when they do not come.
        """
        task = self._task()
        self.meet()
        if task.open and not self._open_still():
            return  # nobody has to train any more

        def enough() -> bool:
            self.trainers.meet()
            return len(self.trainers.nodes()) >= task.quorum

        until = self.rounds.ledger.now() + int(self.timeout)
        self.rounds.wait(min(until, task.deadline + 1) if task.open else until, enough)
        if not enough() and not self._task().open:
            raise FedledgerError(
                f"It takes {task.quorum} trainers; the nodes of {len(self.trainers.nodes())} are there.",
                "Is `on_chain` the first mod of their app, and does each node's configuration name its site?",
            )

    def meet(self) -> None:
        """Learn whose the nodes are that are there now."""
        self.trainers.forgive()
        self.trainers.wait(self._grace, self.rounds.seats())
        self._grace = 0  # who comes later is met while the others train

    def _gather_updates(self, asked: Asked, announcement: Announcement) -> None:
        """Have sites train and submit until the round is over.

        Those that answered well are not asked again; those that failed, did not answer, or came later are,
        some times in a window. What a site could not submit, or a reorg took back, it submits when asked.
        """
        task, done, letters = self._task(), set[Address](), Exchange(self.grid)
        step = max(1, task.window // REMINDERS)
        first = True
        while not self.rounds.over():
            self.trainers.forgive()
            letters.forget()
            until = min(self.rounds.ledger.now() + step, task.deadline + 1)
            if self._open_still():
                replies = self._train(asked, announcement, done, letters)
                if first:
                    self.watch.trained(announcement.round, replies)
                    first = False
            if self._open_still():
                self.deliver(over=self._late())
            elif self.rounds.ledger.now() > task.deadline:
                break
            self.rounds.wait(until, lambda: self.rounds.over() or self.trainers.meet())
        self.rounds.await_end()

    def _train(
        self, asked: Asked, announcement: Announcement, done: set[Address], letters: Exchange
    ) -> list[Message]:
        """Ask whoever is to train and has not done so yet; the trainers that answered well join `done`.

        Who comes while others train is asked too.
        """
        reference = ConfigRecord({ANNOUNCEMENT: announcement.id.hex()})
        due: dict[int, Address] = {}

        def ask() -> None:
            nodes = self.trainers.nodes(announcement.invited)
            left = {node: trainer for trainer, node in nodes.items() if trainer not in done}
            new = left.keys() - due.keys()
            due.update(left)
            letters.send(asked.letters(reference, list(new)))

        late = self._late()

        def over() -> bool:
            if self.trainers.meet():
                ask()
            return late()

        ask()
        if self._early and not self._wanted:
            self._ask_early(announcement.round, due.keys())
        replies = letters.wait(min(self.timeout, self._left()), over)
        self._silent = set(letters.waiting)
        well = {due[node]: reply for node, reply in replies.items() if not reply.has_error()}
        done.update(well)
        self._published.update(trainer for trainer, reply in well.items() if _has_published(reply))
        return list(replies.values())

    def _late(self) -> Callable[[], bool]:
        """Says whether replies are no longer worth waiting for."""
        sealed: list[float] = []

        def late() -> bool:
            if not self._open_still():
                sealed.append(time.monotonic())
            return bool(sealed) and time.monotonic() > sealed[0] + _REPLY_SECONDS

        return late

    def _open_still(self) -> bool:
        """Whether a submission that is sent now can count, for all that is known."""
        task = self._task()
        return task.open and not task.sealed(self.rounds.ledger.now())

    def _deliver_sealed(self, number: int) -> None:
        """Have those publish that submitted to a sealed round and have not published yet."""
        submitted = {event.trainer for event in self.rounds.record().round(number).submissions}
        self.deliver(submitted - self._published)

    def deliver(
        self, trainers: AbstractSet[Address] | None = None, over: Callable[[], bool] = lambda: False
    ) -> None:
        """Have these (None: all) submit and publish what is due; wait no longer than until `over()`."""
        content = RecordDict({DELIVER: ConfigRecord()})
        nodes = self.trainers.nodes(trainers).values()
        letters = [Message(content, dst_node_id=node, message_type=self.kind) for node in nodes]
        exchange(self.grid, letters, min(self.timeout, self._left()), over)

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

    def _task(self) -> Task:
        return self.rounds.ledger.task(self.rounds.task)

    # --- evaluation

    def evaluate(self, end: RoundEnd) -> MetricRecord | None:
        """Have sites evaluate the contract's weights on their own rows, after a close: a report, no more.

        As many as the strategy wants, drawn by (terms, round, trainer). A site that does not answer within
        a quarter of the task's window is left out; None when nobody does, or none is asked.
        """
        assert end.manifest is not None, "only a closed round is evaluated"
        wanted, self._wanted = self._wanted or self._want_evaluation(self.index() - 1), None
        if wanted is None:
            return None
        seconds = min(self.timeout, self._task().window / REMINDERS)
        early = wanted.early
        replies = early.wait(seconds, lambda: early.waiting <= self._silent)
        good = {node: reply for node, reply in replies.items() if not reply.has_error()}
        late = [node for node in wanted.nodes if node not in good and node not in self._silent]
        reference = ConfigRecord({WEIGHTS: json.dumps(end.manifest.weights.model_dump())})
        more = exchange(self.grid, wanted.asked.letters(reference, late), seconds)
        return self._report(wanted.index, {**good, **more})

    def _want_evaluation(self, index: int) -> _Evaluation | None:
        """What the strategy wants of an evaluation after its round `index`, and of whom."""
        nodes = self.trainers.nodes()
        asked = evaluation(self.strategy, self.grid, index, self.evaluate_config, list(nodes.values()))
        if asked is None:
            return None
        seed = self.rounds.terms().id + index.to_bytes(32, "big")
        drawn = sorted(nodes, key=lambda trainer: sha256(seed + trainer.encode()))[: asked.count]
        return _Evaluation(index, asked, sorted(nodes[one] for one in drawn), Exchange(self.grid))

    def _ask_early(self, round_: int, training: AbstractSet[int]) -> None:
        """Ask those for an evaluation that are training now: their nodes then take it up without a pause.

        A node of Flower's that finds no message looks again after three seconds.
        """
        self._wanted = self._want_evaluation(self.index())
        if self._wanted:
            nodes = [node for node in self._wanted.nodes if node in training]
            self._wanted.early.send(self._wanted.asked.letters(ConfigRecord({CLOSED: round_}), nodes))

    def _report(self, index: int, replies: Mapping[int, Message]) -> MetricRecord | None:
        """What the strategy makes of the reports; anybody may have made one that it stumbles over."""
        key = str(getattr(self.strategy, WEIGHTED_BY, EXAMPLES))
        sound = [replies[node] for node in sorted(replies) if _is_sound(replies[node], key)]
        try:
            return self.strategy.aggregate_evaluate(index, sound)
        except Exception as error:  # noqa: BLE001 - somebody's strategy on somebody's numbers: a report, no more
            _log.warning("round %s was not evaluated: %.300r", index, error)
            return None


@dataclass(frozen=True)
class _Evaluation:
    """An evaluation that the strategy wants of these nodes; some were asked before the round closed."""

    index: int
    asked: Asked
    nodes: list[int]
    early: Exchange


def _has_published(reply: Message) -> bool:
    record = reply.content.config_records.get(RECEIPT)
    return record is not None and record.get(PUBLISHED) is True


def _is_sound(reply: Message, key: str) -> bool:
    """Whether a report can stand beside others: single finite numbers, for a positive count of examples."""
    if reply.has_error():
        return True  # the strategy counts it
    records = list(reply.content.metric_records.values())
    values = [value for record in records for value in record.values()]
    finite = all(isinstance(value, int | float) and math.isfinite(value) for value in values)
    count = records[0].get(key, 1) if len(records) == 1 else 0
    return finite and isinstance(count, int | float) and count > 0
