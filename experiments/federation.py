"""A federation in a folder of this machine: keys from a seed, a chain in virtual time, a store, members.

For experiments: a real member's key never leaves it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from eth_account.signers.local import LocalAccount

from experiments.config import ChainConfig
from experiments.secrets import Secrets
from fl import members, tasks
from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.documents import Terms
from fl.ledger import deploy
from fl.ledger.accounts import write_key
from fl.ledger.contract import Web3Ledger
from fl.ledger.types import Address
from fl.store.embedded import EmbeddedStore
from fl.waiting import Wait
from fl.wiring import Deployment, open_chain, open_ledger

CHAIN = "chain.sqlite"
STORE = "store"
KEYS = "keys"
SITES = "sites"
OWNER = "owner"
AGGREGATOR = "aggregator"
_MADE = {KEYS, SITES, STORE}  # and the chain's file, with SQLite's beside it
_WEI = 10**24  # what every account gets to pay gas with


class Federation:
    """Everything about a federation that follows from a folder, a seed, and what its members are called.

    Setting one up that was interrupted is done again from the start: `begin`, `found`, whatever else is
    needed, and last `finish`, after which the folder counts as set up.
    """

    def __init__(self, folder: Path, seed: int, names: Collection[str]) -> None:
        self.folder = folder.absolute()
        self.secrets = Secrets(seed)
        self.names = tuple(names)

    def account(self, role: str) -> LocalAccount:
        """The account of `OWNER`, `AGGREGATOR` or a member."""
        return self.secrets.account(role)

    def address(self, role: str) -> Address:
        """The address of that account."""
        return Address(self.account(role).address)

    def key(self, role: str) -> Path:
        """Where the account's private key lies."""
        return self.folder / KEYS / f"{role}.key"

    def begin(self, made: Collection[str] = ()) -> EmbeddedStore:
        """Clear what an earlier attempt left (`made`: the caller's part of it), write keys, make the store.

        Nothing that somebody else put into the folder is touched.
        """
        for path in self.folder.iterdir():
            if path.name in {*_MADE, *made} or path.name.lstrip(".").startswith(CHAIN):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (self.folder / KEYS).mkdir(mode=0o700)
        for role in self._roles:
            write_key(self.key(role), self.account(role))
        return EmbeddedStore(self.folder / STORE)

    def found(self, terms: Terms, rounds: int, chain: ChainConfig, store: EmbeddedStore) -> Deployment:
        """Deploy token and contract, create the task, pay for its rounds, admit everybody."""
        funds = int(terms.reward) * rounds
        with self._chain(chain) as node:
            owner = self._deployed(EmbeddedProvider(node), funds)
            task = tasks.create(owner, store, terms, self.address(AGGREGATOR))
            tasks.fund(owner, task, funds)
            for name in self.names:
                members.admit(owner, store, self.address(name), name)
        return Deployment(str(self.folder / CHAIN), owner.contract, task, str(self.folder / STORE))

    def top_up(self, place: Deployment, rounds: int) -> None:
        """Mint and pay what the task's pool lacks for so many more rounds."""
        owner = open_ledger(place, self.account(OWNER))
        task = owner.task(place.task)
        if (missing := task.reward * rounds - task.pool) > 0:
            provider = open_chain(place.chain)
            token = deploy.token_of(provider, place.contract)
            deploy.mint(provider, self.account(OWNER), token, self.address(OWNER), missing)
            tasks.fund(owner, place.task, missing)

    def finish(self, place: Deployment) -> None:
        """Write where everything is, with paths that hold when the folder is moved."""
        Deployment(CHAIN, place.contract, place.task, STORE).write(self.folder)

    @property
    def _roles(self) -> tuple[str, ...]:
        return (OWNER, AGGREGATOR, *self.names)

    def _chain(self, chain: ChainConfig) -> EmbeddedNode:
        return EmbeddedNode.create(
            self.folder / CHAIN,
            chain_id=chain.chain_id,
            alloc={self.address(role): _WEI for role in self._roles},
            genesis_time=chain.genesis_time,
            virtual_time=True,
        )

    def _deployed(self, provider: EmbeddedProvider, funds: int) -> Web3Ledger:
        account = self.account(OWNER)
        deployed = deploy.deploy(provider, account)
        deploy.mint(provider, account, deployed.token, self.address(OWNER), funds)
        return Web3Ledger(provider, deployed.contract, account)


def virtual_waiting(chain: Path) -> Wait:
    """Wait on a chain whose time stands still: when nothing is done, move it."""
    node = open_chain(str(chain)).node

    def wait(until: int, done: Callable[[], bool]) -> None:
        if not done():
            node.set_time(max(node.now(), until))

    return wait
