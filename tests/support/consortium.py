"""A consortium on a real chain and a real store: members with keys, and tasks for the `adder` app.

`adder` stands in `apps/adder` as Flower's users write an app; `two_lines` puts its rounds on the chain.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tomli_w
from agreed import terms_of
from nodes import Anvil

from aggregator.record import Record
from clients.site import policy_digest
from fl import members, tasks, weights
from fl.code import code_digest
from fl.ledger.accounts import account_from_seed, write_key
from fl.ledger.contract import Web3Ledger
from fl.ledger.deploy import deploy
from fl.ledger.node import http_provider
from fl.ledger.types import Address, Stage
from fl.store.port import put_bytes
from fl.wiring import open_store

ADDER = Path(__file__).parent / "apps" / "adder"
SITES = ("ada", "bert", "cleo")
ROLES = ("owner", "aggregator", *SITES)
SEED = b"consortium"

ACCOUNTS = {name: account_from_seed(SEED, name) for name in ROLES}
ADDRESSES = {name: Address(account.address) for name, account in ACCOUNTS.items()}


class Consortium:
    """Three members of a federation on `chain`, whose blobs lie in `store` (as `fl.wiring` names it).

    They reach the chain at `rpc`, if there is something in between. Each has a folder for its key, its node's
    configuration and what its app writes down. They work at one task, the newest.
    """

    def __init__(self, folder: Path, chain: Anvil, store: str, rpc: str = "") -> None:
        self.folder = folder
        self.chain = chain
        self.rpc = rpc or chain.url
        self.store = store
        self.app = two_lines(folder)
        chain.give(*ADDRESSES.values())
        self._provider = http_provider(chain.url)
        self.contract, _ = deploy(self._provider, ACCOUNTS["owner"])
        for name in ROLES:
            (folder / name).mkdir()
            write_key(folder / name / "key", ACCOUNTS[name])
        for name in SITES:
            members.admit(self.ledger("owner"), open_store(store), ADDRESSES[name], name)

    def ledger(self, name: str) -> Web3Ledger:
        """The contract in somebody's name."""
        return Web3Ledger(self._provider, self.contract, ACCOUNTS[name])

    def new_task(self, elements: int, **changes: object) -> int:
        """A task for `adder` with a vector of so many elements, which every member joins and works at."""
        store = open_store(self.store)
        base = {"vector": np.zeros(elements, np.float32)}
        put_bytes(store, weights.encode(base))
        terms = terms_of(base, **(_USUAL | {"code": _digest(self.app)} | changes))
        task = tasks.create(self.ledger("owner"), store, terms, ADDRESSES["aggregator"])
        for name in SITES:
            self.ledger(name).join_task(task, terms.id, policy_digest(b"", bytes(32)))
            (self.folder / name / "journal").write_text("")
            self._configure(name, task, outbox="outbox", code="adder")
        self._configure("aggregator", task)
        return task

    def configuration(self, name: str) -> Path:
        """What `aggregator` in a run's configuration, or `site` in a node's, names."""
        return self.folder / name / "fedledger.toml"

    def node_config(self, name: str) -> dict[str, str | int]:
        """A node's configuration; `number` is what the site adds."""
        here = {"site": str(self.configuration(name)), "folder": str(self.folder / name)}
        return here | {"number": 1 + SITES.index(name)}

    def trained(self, name: str) -> list[str]:
        """What a site has done so far, such as `train 1` and `evaluate`."""
        return (self.folder / name / "journal").read_text().splitlines()

    def submitted(self, task: int, round_: int) -> set[str]:
        """Whose updates the chain has for a round."""
        found = self._record(task).rounds[round_ - 1 : round_]
        trainers = {event.trainer for one in found for event in one.submissions}
        return {name for name in SITES if ADDRESSES[name] in trainers}

    def outcome(self, task: int, round_: int) -> Stage:
        """What has become of a round."""
        return self.ledger("owner").outcome(task, round_).stage

    def pass_deadline(self, task: int) -> None:
        """Move the chain's clock to just after the open round's deadline."""
        self.chain.ask("evm_setNextBlockTimestamp", self.ledger("owner").task(task).deadline + 1)
        self.chain.ask("evm_mine")

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """While this lasts, a site's app does not get done with training."""
        hold = self.folder / name / "hold"
        hold.touch()
        try:
            yield
        finally:
            hold.unlink()

    def _record(self, task: int) -> Record:
        return Record(self.ledger("owner"), open_store(self.store), task)

    def _configure(self, name: str, task: int, **more: str) -> None:
        said = {"chain": self.rpc, "contract": self.contract, "task": task, "store": self.store}
        said |= {"key": "key", "confirmations": 1, **more}
        self.configuration(name).write_text(tomli_w.dumps(said))


def two_lines(folder: Path) -> Path:
    """A copy of `adder` that has the two lines."""
    app = Path(shutil.copytree(ADDER, folder / "adder"))
    server, client = app / "adder" / "server_app.py", app / "adder" / "client_app.py"
    _edit(server, "\napp =", "\nfrom aggregator.strategy import OnChain\n\napp =")
    _edit(server, "    initial =", "    strategy = OnChain(strategy, context)\n    initial =")
    _edit(
        client,
        "\napp = ClientApp()",
        "\nfrom clients.mod import on_chain\n\napp = ClientApp(mods=[on_chain])",
    )
    return app


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{old} in {file}"
    file.write_text(text.replace(old, new))


def _digest(app: Path) -> str:
    """The digest of the package that a site runs (`fl.code.installed_code`)."""
    return code_digest(
        {f"adder/{file.name}": file.read_bytes() for file in (app / "adder").glob("*.py")}
    ).hex()


_USUAL = {
    "scoring": {"rule": "examples", "utility": "log_loss", "budget": 1024, "validation": None},
    "limits": {"element": "float:100.0", "norm": "float:1000000.0", "examples": 1000},
    "reward": "0",
    "quorum": 2,
    "window": 900,
    "close_window": 900,
    "settle_delay": 0,
}
