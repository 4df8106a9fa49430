"""Somebody's own app in a folder of its own, and simulations of it in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tiny_app

from aggregator.founding.app_folder import AppFolder
from experiments.simulation import Simulation, simulate
from fl.chain.node import EmbeddedNode


@dataclass(frozen=True)
class Bench:
    """Where apps and runs go."""

    folder: Path

    def app(self, name: str, **of_app: Any) -> AppFolder:
        """An app written to a folder, ready to be imported under this name."""
        return AppFolder.open(tiny_app.write(self.folder / f"app-{name}", name, **of_app))

    def simulate(self, app: AppFolder, run: str | None = "run", nodes: int = 3, **more: Any) -> Simulation:
        """A simulation in the folder `run`; what the app saves is in `RUN.json`."""
        config = (
            dict(app.run_config) | {"save": str(self.folder / f"{run}.json")} | more.pop("run_config", {})
        )
        folder = None if run is None else self.folder / run
        return simulate(app.server, app.client, nodes, folder=folder, run_config=config, **more)

    def saved(self, run: str | None = "run") -> Any:
        """What the app saved: final arrays and what was evaluated."""
        return json.loads((self.folder / f"{run}.json").read_text())

    def head(self, run: str = "run") -> bytes:
        """The hash of the chain's newest block, in which everything before it is committed to."""
        with EmbeddedNode.open(self.folder / run / "chain.sqlite") as node, node.reading() as snapshot:
            return snapshot.head().hash


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield Bench(tmp_path)
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
