"""A Flower app simulated with one call: on the chain if its strategy is, and as it is if not.

    from experiments.simulation import simulate

    simulate("my_app.server_app:app", "my_app.client_app:app", num_supernodes=10, folder="runs/first")

In the manner of Flower's own `run_simulation`, but in this process and without Ray. A strategy wrapped in
`OnChain` gets a federation of its own in `folder`: an embedded chain whose time is virtual, a store, and a
member for each node. The same seed gives the same run; a folder that was used before goes on where it stood.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flwr.app import Context, RecordDict, UserConfig
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

from aggregator import flower
from aggregator.founding.app_folder import load, package
from experiments.folder import alone
from experiments.grid import RUN, InProcessGrid
from experiments.workers import App
from fl.errors import UsageError
from fl.garbage import uncollected

if TYPE_CHECKING:  # what a plain app does not need is imported when a chain is asked for: it takes seconds
    from aggregator.founding.choices import Choices
    from aggregator.plan import Plan
    from aggregator.record import Round
    from aggregator.rounds import Rounds
    from experiments.founding import Founding

NodeConfig = Mapping[str, bool | float | int | str]


@dataclass(frozen=True)
class Simulation:
    """What a simulation left.

    `folder` has the chain and the store, and is None for a plain app. `rounds` are all rounds of its task,
    those of an earlier start included: "closed", "void", or why a round failed.
    """

    folder: Path | None
    rounds: tuple[str, ...] = ()


def simulate(
    server_app: ServerApp | str,
    client_app: ClientApp | str,
    num_supernodes: int = 10,
    *,
    folder: Path | str | None = None,
    choices: Choices | None = None,
    run_config: UserConfig | None = None,
    node_config: NodeConfig | None = None,
    workers: int = 1,
    seed: int = 1,
) -> Simulation:
    """Run a Flower app on `num_supernodes` nodes; apps are objects, or named as `module:attribute`.

    `choices` are for the terms of its task, whose keys follow from `seed`. A node's configuration is
    `node_config` with Flower's `partition-id` and `num-partitions`. With several `workers` the ClientApp runs
    in as many processes, and must be in a module. What the ServerApp raises is raised.

    Raises UsageError for what cannot be simulated.
    """
    with uncollected():
        server = server_app if isinstance(server_app, ServerApp) else load(server_app, ServerApp)
    client = client_app if isinstance(client_app, str) else _named(client_app)
    if workers > 1 and client is None:
        raise UsageError("With several workers, the ClientApp must be in a module.", _IN_A_MODULE)
    ground = Ground(
        None if folder is None else Path(folder).absolute(), num_supernodes, seed, client, choices
    )
    nodes = [{**(node_config or {}), **of_node} for of_node in ground.node_configs()]
    with SimulationGrid(client or client_app, nodes, ground, workers=workers, run_config=run_config) as grid:
        server(grid, Context(RUN, flower.SERVER_NODE, {}, RecordDict(), dict(run_config or {})))
        return grid.simulation()


_IN_A_MODULE = "Move it into a module of its own, or name it as module:attribute."


def _named(app: ClientApp) -> str | None:
    """How other processes can import an app; None for one that no module has, or only a script."""
    for name, module in list(sys.modules.items()):
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is app and name not in ("__main__", "__mp_main__"):
                return f"{name}:{attribute}"
    return None


@dataclass(frozen=True)
class Ground:
    """Where a federation could be founded, for how many nodes, and what its task would need."""

    folder: Path | None
    nodes: int
    seed: int
    client: str | None
    choices: Choices | None

    def node_configs(self) -> list[UserConfig]:
        """What every node is told; the files of sites are written when they are founded."""
        files = list(map(str, self._sites().values())) if self.folder else [""] * self.nodes
        return [
            {"partition-id": number, "num-partitions": self.nodes, **({"site": file} if file else {})}
            for number, file in enumerate(files)
        ]

    def _sites(self) -> dict[str, Path]:
        """The sites' files by name; names count from 1."""
        assert self.folder is not None, "sites need a folder"
        digits = len(str(self.nodes))
        names = [f"site-{number:0{digits}}" for number in range(1, self.nodes + 1)]
        return {name: self.folder / "sites" / name / "site.toml" for name in names}

    def founding(self) -> Founding:
        """What founds a federation here. Raises UsageError when there is no folder, or no code is known."""
        from aggregator.founding.choices import Choices  # noqa: PLC0415 - see the head of this file
        from experiments.founding import Founding  # noqa: PLC0415 - as above

        if self.folder is None:
            raise UsageError("A strategy on the chain needs a folder.", "Give one: simulate(…, folder=…).")
        choices = self.choices or Choices()
        code = choices.code or ((package(self.client),) if self.client else ())
        if not code:
            raise UsageError(
                "Sites approve the code that trains, and this ClientApp is in no module.", _IN_A_MODULE
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        return Founding(self.folder, self._sites(), self.seed, choices, code)


class SimulationGrid(InProcessGrid):
    """An in-process grid whose nodes become the sites of a federation when a strategy asks for one."""

    def __init__(
        self,
        app: App,
        nodes: Sequence[UserConfig],
        ground: Ground,
        *,
        workers: int,
        run_config: UserConfig | None,
    ) -> None:
        super().__init__(app, nodes, workers=workers, run_config=run_config)
        self._ground = ground
        self._rounds: Rounds | None = None
        self._held = ExitStack()

    def found(self, plan: Plan) -> Rounds:
        """Found a task for the plan, or go on with the folder's; nobody else works there meanwhile."""
        founding = self._ground.founding()
        self._held.enter_context(alone(founding.folder))
        self._rounds = founding.found(plan)
        return self._rounds

    def close(self) -> None:
        """End the workers, and let go of the folder."""
        super().close()
        self._held.close()

    def simulation(self) -> Simulation:
        """What there is to see of it."""
        if self._rounds is None:
            return Simulation(None)
        return Simulation(self._ground.folder, tuple(_outcome(one) for one in self._rounds.record().rounds))


def _outcome(round_: Round) -> str:
    if round_.closed:
        return "void" if round_.voided else "closed"
    return round_.failed.reason.rstrip(b"\0").decode("ascii", "replace") if round_.failed else "void"
