"""`fl` as somebody types it, on a served chain with a store of its own for each test."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreed import terms_of
from eth_account.signers.local import LocalAccount

from fl import weights
from fl.chain.node import EmbeddedNode
from fl.chain.server import RpcServer
from fl.cli import main
from fl.documents import Terms
from fl.ledger.accounts import account_from_seed, write_key
from fl.money import units
from fl.store.embedded import EmbeddedStore
from fl.store.port import put_bytes
from fl.wiring import open_store

NAMES = ("owner", "aggregator", "ada", "bert", "cleo", "stranger")
ACCOUNTS = {name: account_from_seed(b"commands", name) for name in NAMES}
BASE = {"layer": np.zeros((2, 3), np.float32), "steps": np.array(0, np.int64)}


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it wrote to stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Desk:
    """A folder with everybody's key file, a node and a store, and `fl` in it."""

    folder: Path
    rpc: str
    store: str
    capture: pytest.CaptureFixture[str]
    contract: str = ""
    terms: Terms = field(init=False)

    def fl(self, *words: object) -> Said:
        """`fl WORDS…`."""
        self.capture.readouterr()
        code = main([str(word) for word in words])
        out, err = self.capture.readouterr()
        assert "Traceback" not in err
        assert "fault in fedledger" not in err
        return Said(code, out, err)

    def done(self, *words: object) -> Any:
        """What `fl WORDS… --json` says, which must succeed."""
        said = self.fl(*words, "--json")
        assert said.code == 0, said.err
        return said.json

    def refused(self, *words: object, code: int = 2) -> str:
        """What `fl WORDS…` says is wrong; it must, and print nothing else."""
        said = self.fl(*words)
        assert (said.code, said.out) == (code, ""), said
        return said.err

    def account(self, name: str) -> LocalAccount:
        return ACCOUNTS[name]

    def address(self, name: str) -> str:
        return str(self.account(name).address)

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    @property
    def at(self) -> tuple[str, ...]:
        """Where the contract is."""
        return "--rpc", self.rpc, "--contract", self.contract

    @property
    def place(self) -> tuple[str, ...]:
        """Where the contract is, and the store."""
        return *self.at, "--store", self.store

    @property
    def owned(self) -> tuple[object, ...]:
        """The same, with the owner's key."""
        return *self.place, "--key", self.key("owner")

    def deploy(self) -> None:
        self.contract = self.done("federation", "deploy", "--rpc", self.rpc, "--key", self.key("owner"))[
            "contract"
        ]

    def admit(self, *names: str) -> None:
        for name in names:
            self.done("federation", "admit", self.address(name), "--name", name, *self.owned)

    def write_terms(self, **changes: Any) -> Path:
        """A file with terms, whose weights are in the store."""
        put_bytes(open_store(self.store), weights.encode(BASE))
        self.terms = terms_of(BASE, **({"reward": str(units("100"))} | changes))
        file = self.folder / "terms.json"
        file.write_bytes(self.terms.encode())
        return file

    def create(self, *words: object, **changes: Any) -> Any:
        """Create a task with these terms."""
        file = self.write_terms(**changes)
        return self.done(
            "task", "create", file, *self.owned, "--aggregator", self.address("aggregator"), *words
        )


@pytest.fixture(scope="session")
def node_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A served embedded chain, on which everybody has coin but the stranger."""
    alloc = {ACCOUNTS[name].address: 10**24 for name in NAMES if name != "stranger"}
    file = tmp_path_factory.mktemp("chain") / "chain.sqlite"
    with EmbeddedNode.create(file, alloc=alloc) as node, RpcServer(node, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


@pytest.fixture
def desk(
    tmp_path: Path,
    node_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    """Nothing is deployed yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in NAMES:
        write_key(tmp_path / f"{name}.key", ACCOUNTS[name])
    EmbeddedStore(tmp_path / "store")
    return Desk(tmp_path, node_url, str(tmp_path / "store"), capsys)


@pytest.fixture
def office(desk: Desk) -> Desk:
    """A federation is deployed, and nobody is a member."""
    desk.deploy()
    return desk
