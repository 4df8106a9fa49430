"""Bringing a run's federation to life: data divided, contract deployed, task created, everybody joined.

Everything follows from the configuration and its seed, so a set-up that was interrupted is simply done again.
The deployment's file is written last: a folder that has it is set up.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from experiments.config import RunConfig
from experiments.parts import Parts
from experiments.secrets import Secrets
from experiments.sites import KEYS, SITES, Sites
from experiments.terms import write_terms
from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.documents import Profile, Terms
from fl.examples import encode_examples
from fl.files import write_atomically
from fl.ledger import deploy
from fl.ledger.accounts import write_key
from fl.ledger.contract import Web3Ledger
from fl.ledger.types import Address, TaskParams
from fl.store.embedded import EmbeddedStore
from fl.store.port import BlobStore, put_bytes
from fl.wiring import Deployment

CHAIN = "chain.sqlite"
TEST = "test.safetensors"
STORE = "store"
OWNER = "owner"
AGGREGATOR = "aggregator"
_MADE = {KEYS, SITES, STORE, TEST}  # and the chain's file, with SQLite's beside it
_WEI = 10**24  # what every account gets to pay gas with


def set_up(config: RunConfig, folder: Path, parts: Parts) -> Deployment:
    """Make the folder a run that is ready for its first round; what an earlier attempt left is cleared."""
    _clear(folder)
    secrets, sites = Secrets(config.seed), Sites(config, folder)
    _write_keys(folder / KEYS, secrets, sites)
    store = EmbeddedStore(folder / STORE)
    terms = write_terms(config, parts, store)
    with _chain(config, folder, secrets, sites) as node:
        owner = _deploy(EmbeddedProvider(node), config, secrets)
        task = _create_task(owner, terms, config, secrets)
        _admit(owner, sites, store)
    place = Deployment(str(folder / CHAIN), owner.contract, task, str(folder / STORE))
    for name, rows in zip(sites.names, parts.sites, strict=True):
        sites.write_rows(name, rows)
        sites.join(name, place)
    write_atomically(folder / TEST, encode_examples(*parts.test))
    Deployment(CHAIN, owner.contract, task, STORE).write(folder)
    return place


def _clear(folder: Path) -> None:
    """Remove what a set-up makes, and nothing that somebody else put into the folder."""
    for path in folder.iterdir():
        if path.name in _MADE or path.name.lstrip(".").startswith(CHAIN):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _write_keys(folder: Path, secrets: Secrets, sites: Sites) -> None:
    """Keys of a demonstration: a real site's key never leaves it."""
    folder.mkdir(mode=0o700)
    for role in (OWNER, AGGREGATOR, *sites.names):
        write_key(folder / f"{role}.key", secrets.account(role))


def _chain(config: RunConfig, folder: Path, secrets: Secrets, sites: Sites) -> EmbeddedNode:
    roles = (OWNER, AGGREGATOR, *sites.names)
    return EmbeddedNode.create(
        folder / CHAIN,
        chain_id=config.chain.chain_id,
        alloc={secrets.account(role).address: _WEI for role in roles},
        genesis_time=config.chain.genesis_time,
        virtual_time=True,
    )


def _deploy(provider: EmbeddedProvider, config: RunConfig, secrets: Secrets) -> Web3Ledger:
    """Token and federation, owned by the run's owner, who gets enough tokens to pay every round."""
    account = secrets.account(OWNER)
    deployed = deploy.deploy(provider, account)
    funds = config.money.units * config.rounds
    deploy.mint(provider, account, deployed.token, Address(account.address), funds)
    return Web3Ledger(provider, deployed.contract, account)


def _create_task(owner: Web3Ledger, terms: Terms, config: RunConfig, secrets: Secrets) -> int:
    """The task with the terms' own numbers, funded for every round; the owner is its sponsor too."""
    params = TaskParams(
        terms=terms.id,
        weights=bytes.fromhex(terms.weights.sha256),
        aggregator=Address(secrets.account(AGGREGATOR).address),
        sponsor=Address(secrets.account(OWNER).address),
        reward=int(terms.reward),
        quorum=terms.quorum,
        window=terms.window,
        close_window=terms.close_window,
        settle_delay=terms.settle_delay,
    )
    task = owner.create_task(params)
    funds = config.money.units * config.rounds
    if funds:
        owner.approve(funds)
        owner.fund(task, funds)
    return task


def _admit(owner: Web3Ledger, sites: Sites, store: BlobStore) -> None:
    for name in sites.names:
        address = sites.address(name)
        did = f"did:pkh:eip155:{owner.chain_id}:{address}"
        profile = Profile(name=name, did=did, encryption_key=None)
        put_bytes(store, profile.encode())
        owner.admit(address, profile.id)
