"""The ServerApp of the presets: runs a task's rounds by the rule that its terms name.

Run configuration: where the task is, as in `aggregator.connecting`, `num-rounds`, and `timeout` (seconds to
wait for the sites, default 3600).
"""

from __future__ import annotations

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Strategy

from aggregator import flower, rules
from aggregator.connecting import connect, persistently
from aggregator.strategy import OnChain
from fl.documents import Terms
from fl.errors import UsageError

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the task's rounds until `num-rounds` have ended."""
    config = context.run_config
    try:
        count, timeout = int(config["num-rounds"]), float(config.get("timeout", 3600.0))
    except KeyError as error:
        raise UsageError(f"The run's configuration has no {error}.") from error
    except ValueError as error:
        raise UsageError(f"A number in the run's configuration is none: {error}.") from error

    def start() -> None:
        rounds = connect(config)
        OnChain(everybody(rounds.terms()), rounds).start(grid, num_rounds=count, timeout=timeout)

    persistently(start)


def everybody(terms: Terms) -> Strategy:
    """The terms' rule as a strategy that asks every site to train, and none to evaluate."""
    return asking(terms)


def asking(terms: Terms, fraction_train: float = 1.0, own: Strategy | None = None) -> Strategy:
    """The terms' rule as a strategy that asks this part of the sites to train, and none to evaluate.

    At least a quorum is asked. `own` is an instance of the rule where it is somebody's own.
    """
    fewest = terms.quorum
    sampling = {
        "fraction_train": fraction_train,
        "fraction_evaluate": 0.0,
        "min_train_nodes": fewest,
        "min_available_nodes": fewest,
    }
    if own is None:
        with flower.quiet():
            return rules.make(terms.rule, **sampling)
    strategy = rules.copied(own)
    vars(strategy).update(sampling)
    return strategy
