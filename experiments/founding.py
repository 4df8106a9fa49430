"""What becomes of an app's plan in a folder: a federation with a task for it, or the one that is there."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from aggregator.connecting import open_rounds
from aggregator.founding.choices import Choices
from aggregator.founding.draft import differences, draft
from aggregator.plan import Plan
from aggregator.rounds import Rounds
from clients.node import open_site
from clients.site import policy_digest
from experiments.config import ChainConfig
from experiments.federation import AGGREGATOR, Federation, virtual_waiting
from experiments.folder import sweep
from fl.code import installed_code
from fl.documents import Terms
from fl.errors import UsageError
from fl.files import write_atomically
from fl.store.memory import MemoryStore
from fl.store.port import BlobStore
from fl.wiring import Deployment, open_chain, open_ledger, open_store

ABOUT = "simulation.toml"


@dataclass(frozen=True)
class Founding:
    """Where, for which sites, from which seed, with which choices.

    `sites` are the files with their configurations, by name; `code` are the modules that train.
    """

    folder: Path
    sites: Mapping[str, Path]
    seed: int
    choices: Choices
    code: tuple[str, ...]

    def found(self, plan: Plan) -> Rounds:
        """Found a task for the plan and have every site join it, or go on with the one in the folder.

        Raises UsageError when the folder's task is another, or has other sites, and for terms that cannot be.
        """
        if self.choices.quorum > len(self.sites):
            raise UsageError(
                f"A quorum of {self.choices.quorum} can never be met by {len(self.sites)} nodes.",
                "Choose a lower one, or more nodes.",
            )
        sweep(self.folder)
        if not Deployment.exists(self.folder):
            return self._rounds(self._founded(plan), plan)
        self._check_sites()
        place = Deployment.read(self.folder)
        rounds = self._rounds(place, plan)
        self._check_terms(rounds.terms(), plan)
        self._federation.top_up(place, plan.rounds - len(rounds.record().rounds))
        self._write_sites(place)  # the folder may have been moved
        return rounds

    def _rounds(self, place: Deployment, plan: Plan) -> Rounds:
        ledger = open_ledger(place, self._federation.account(AGGREGATOR))
        wait = virtual_waiting(Path(place.chain))
        return open_rounds(ledger, open_store(place.store), place.task, wait, plan.strategy)

    @property
    def _federation(self) -> Federation:
        return Federation(self.folder, self.seed, tuple(self.sites))

    def _about(self) -> dict[str, int]:
        return {"nodes": len(self.sites), "seed": self.seed}

    def _draft(self, plan: Plan, store: BlobStore) -> Terms:
        return draft(plan, self.choices, installed_code(*self.code), store)

    # --- a new one

    def _founded(self, plan: Plan) -> Deployment:
        """Done again from the start if it was interrupted: `finish` comes last."""
        open_ledger.cache_clear()  # an earlier chain at this very path may be open in this process
        open_chain.cache_clear()
        store = self._federation.begin(made=[ABOUT])
        write_atomically(self.folder / ABOUT, tomli_w.dumps(self._about()).encode())
        place = self._federation.found(self._draft(plan, store), plan.rounds, ChainConfig(), store)
        self._write_sites(place)
        for name in self.sites:
            self._join(name)
        self._federation.finish(place)
        return place

    def _write_sites(self, place: Deployment) -> None:
        for name, file in self.sites.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, tomli_w.dumps(self._site(name, place)).encode())

    def _site(self, name: str, place: Deployment) -> dict[str, object]:
        """What opens this site in any process; the grid has it submit in its turn, so `submit` is off."""
        return {
            "chain": place.chain,
            "contract": place.contract,
            "task": place.task,
            "store": place.store,
            "key": str(self._federation.key(name)),
            "outbox": "outbox",
            "code": ",".join(self.code),
            "submit": False,
            "seed": self._federation.secrets.draw("site", name).hex(),
        }

    def _join(self, name: str) -> None:
        """Have a site read the terms, check them against the chain, and join the task."""
        site = open_site({"site": str(self.sites[name])})
        policy = policy_digest(b"any task of this simulation", self._federation.secrets.draw("policy", name))
        site.join(site.terms, policy)

    # --- the one that is there

    def _check_sites(self) -> None:
        file = self.folder / ABOUT
        said = tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
        if said != self._about():
            shown = " and ".join(f"{key} = {value}" for key, value in said.items()) or "something else"
            raise UsageError(f"{self.folder} was begun with {shown}.", "Give the same, or another folder.")

    def _check_terms(self, terms: Terms, plan: Plan) -> None:
        """Initial weights may differ: an app that draws them anew goes on with those on the chain."""
        if differing := differences(terms, self._draft(plan, MemoryStore())):
            raise UsageError(
                f"The task in {self.folder} was founded with other terms: {', '.join(differing)}.",
                "Terms never change: give another folder, or the app and the choices as they were.",
            )
