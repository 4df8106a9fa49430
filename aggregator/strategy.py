"""OnChain: a Flower strategy whose rounds happen on the chain.

The wrapped strategy says with which settings a round is trained and how many sites are asked; the chain says
who that is and which updates count, and the rule of the terms, which is the wrapped strategy too, makes one
model of them. Messages carry references.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from aggregator import rules
from aggregator.asking import Asking
from aggregator.connecting import connect, persistently
from aggregator.plan import FoundingGrid, Plan
from aggregator.rounds import Rounds
from aggregator.training import Training, Watch
from fl import weights
from fl.canonical import decode_settings
from fl.documents import Rule
from fl.errors import StoreError, UsageError
from fl.messages import SERVER_ROUND

__all__ = ["OnChain", "Watch"]

EvaluateFn = Callable[[int, ArrayRecord], MetricRecord | None]

_log = logging.getLogger("fedledger.aggregator")


class OnChain(Strategy):
    """Runs `strategy`, one that `aggregator.rules` supports, over a Flower grid, every round on the chain.

    `chain` is the ServerApp's context, whose run configuration says where the task is
    (`aggregator.connecting`), or the task's rounds. Raises UsageError in `start` when the strategy is not the
    terms' rule.
    """

    def __init__(self, strategy: Strategy, chain: Rounds | Context, watch: Watch | None = None) -> None:
        self.strategy = strategy
        self.chain = chain
        self.watch = watch or Watch()

    def start(
        self,
        grid: Grid,
        initial_arrays: ArrayRecord | None = None,
        num_rounds: int = 3,
        timeout: float = 3600,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,
        evaluate_fn: EvaluateFn | None = None,
    ) -> Result:
        """Run rounds until `num_rounds` have ended, those before a restart included, and settle them.

        The contract's weights win over `initial_arrays`. `timeout` is in seconds: for nodes to come, and to
        answer, then never beyond a round's deadline. After each closed round sites evaluate as the strategy
        wants, then `evaluate_fn` is called with the weights in force; results are by the chain's round.
        While chain or store are away, a deployed run starts again. Raises Refused when a round cannot be
        opened, FedledgerError when too few nodes come.
        """
        result = Result()

        def run() -> None:
            rounds = self._rounds(grid, initial_arrays, train_config, num_rounds)
            self._demand_rule(rounds)
            _compare(initial_arrays, rounds)
            training = Training(
                grid,
                rounds,
                self.strategy,
                train_config,
                evaluate_config,
                timeout,
                self.watch,
                early=self._deployed(grid),
            )
            self._run(training, num_rounds, evaluate_fn, result)

        if self._deployed(grid):
            persistently(run)
        else:
            run()
        return result

    def _run(
        self,
        training: Training,
        num_rounds: int,
        evaluate_fn: EvaluateFn | None,
        result: Result,
    ) -> None:
        rounds = training.rounds
        _evaluate(evaluate_fn, rounds.ended(), rounds, result)
        while (ended := rounds.ended()) < num_rounds:
            end = training.round()
            _log.info("round %s (%s of %s): %s", end.round, ended + 1, num_rounds, end.reason or "closed")
            if end.fault:
                _log.info("the rule failed: %s", end.fault.trace)
            if end.manifest:
                result.train_metrics_clientapp[end.round] = MetricRecord(dict(end.manifest.metrics))
                if metrics := training.evaluate(end):
                    result.evaluate_metrics_clientapp[end.round] = metrics
            _evaluate(evaluate_fn, end.round, rounds, result)
        training.meet()
        training.deliver()  # the last round has ended: sites need its receipts no more
        rounds.settle_all()
        result.arrays = _current(rounds)

    # --- which chain

    def _rounds(
        self, grid: Grid, arrays: ArrayRecord | None, config: ConfigRecord | None, num_rounds: int
    ) -> Rounds:
        if isinstance(self.chain, Rounds):
            return self.chain
        if isinstance(grid, FoundingGrid):
            return grid.found(self._plan(grid, arrays, config, num_rounds))
        return connect(self.chain.run_config, self.strategy)

    def _deployed(self, grid: Grid) -> bool:
        return isinstance(self.chain, Context) and not isinstance(grid, FoundingGrid)

    def _plan(
        self, grid: Grid, arrays: ArrayRecord | None, config: ConfigRecord | None, num_rounds: int
    ) -> Plan:
        if arrays is None:
            raise UsageError("`start` got no initial_arrays to found a task with.")
        wanted = max(getattr(self.strategy, "min_available_nodes", 1), len(list(grid.get_node_ids())))
        settings = Asking(self.strategy, grid, config).round(1, wanted).settings
        settings.pop(SERVER_ROUND, None)
        initial = {name: array.numpy() for name, array in arrays.items()}
        return Plan(self.strategy, initial, settings, num_rounds)

    def _demand_rule(self, rounds: Rounds) -> None:
        agreed, given = rounds.terms().rule, rules.describe(self.strategy)
        if agreed != given:
            raise UsageError(
                f"The terms name the rule {_shown(agreed)}, and the strategy is {_shown(given)}.",
                "Give the strategy the terms' arguments, or found another task.",
            )
        if rules.averages_otherwise(self.strategy):
            _log.warning("train_metrics_aggr_fn is not used: a manifest has Flower's own mean")

    # --- the wrapped strategy's own

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """As the wrapped strategy does; only the settings of its messages are used, and how many they are."""
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


def _shown(rule: Rule) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in decode_settings(rule.arguments).items())
    return f"{rule.name}({arguments})"


# --- the weights in force


def _current(rounds: Rounds) -> ArrayRecord:
    record = rounds.record()
    reference = record.heritage().weights
    if reference is None:
        raise StoreError("No document names the weights that the contract holds.")
    arrays = weights.decode(record.weights(reference), record.terms().order)
    return ArrayRecord({name: Array(array) for name, array in arrays.items()})


def _compare(initial: ArrayRecord | None, rounds: Rounds) -> None:
    if initial is None:
        return
    arrays = {name: array.numpy() for name, array in initial.items()}
    if weights.digest(weights.encode(arrays)).hex() != rounds.terms().weights.sha256:
        _log.warning("initial_arrays are not used: the terms began with other weights")


def _evaluate(evaluate_fn: EvaluateFn | None, round_: int, rounds: Rounds, result: Result) -> None:
    metrics = evaluate_fn(round_, _current(rounds)) if evaluate_fn else None
    if metrics is not None:
        result.evaluate_metrics_serverapp[round_] = metrics
