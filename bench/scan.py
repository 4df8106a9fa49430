"""Reading a long history: a task with 1,000 rounds, each opened, submitted to by five, closed and settled."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from federation import SEED, Federation, addresses, digest
from figures import Figure
from nodes import ServedChain
from web3 import Web3
from web3.providers import BaseProvider

from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.ledger.abi import call_data
from fl.ledger.accounts import account_from_seed
from fl.ledger.contract import Web3Ledger
from fl.ledger.node import http_provider
from fl.ledger.types import FULL_QUALITY, Address, Entry, Result

ROUNDS = 1_000
TRAINERS = 5
EVENTS = 9
"""Of a round: opened, five submissions, sealed, closed, settled."""

BOUND = 5.0
"""Seconds: what somebody at a terminal waits for without wondering. Every command begins with this scan."""


def figures() -> Iterator[Figure]:
    """Seconds of a first `history`, with nothing remembered from before."""
    with TemporaryDirectory(prefix="fedledger-bench-") as folder:
        path = Path(folder) / "chain.sqlite"
        with EmbeddedNode.create(path, alloc=_alloc(), virtual_time=True) as node:
            federation = Federation(EmbeddedProvider(node), TRAINERS)
            _play(node, federation)
            yield _scan("in process", federation, federation.provider)
        with ServedChain(path) as served:
            yield _scan("served", federation, http_provider(served.url))


def _alloc() -> dict[str, int]:
    return dict.fromkeys(addresses(TRAINERS).values(), 10**24)


def _scan(where: str, federation: Federation, provider: BaseProvider) -> Figure:
    ledger = Web3Ledger(provider, federation.contract)
    begin = perf_counter()
    found = ledger.history(federation.task)
    took = perf_counter() - begin
    assert len(found) > ROUNDS * EVENTS
    return Figure(f"log scan of {ROUNDS:,} rounds, {where}", took, "s", bound=BOUND)


def _play(node: EmbeddedNode, federation: Federation) -> None:
    """All rounds, each call in a block of its own; signed here, for simulating each would take minutes."""
    sender = _Sender(node, federation)
    names = [f"trainer {number}" for number in range(TRAINERS)]
    entries = tuple(Entry(Address(addresses(TRAINERS)[name]), 1, FULL_QUALITY) for name in names)
    receipts = (digest("receipt"),) * TRAINERS
    for before, round_ in pairwise(range(ROUNDS + 1)):
        announcement, weights = digest(f"announcement {round_}"), digest(f"weights {round_}")
        sender.send("aggregator", "openRound", round_, digest(f"weights {before}"), announcement)
        for name, receipt in zip(names, receipts, strict=True):
            sender.send(name, "submitUpdate", round_, receipt)
        result = Result(announcement, weights, digest("manifest"), entries, receipts)
        sender.send("aggregator", "closeRound", round_, result)
        sender.send("aggregator", "settleRound", round_, node.now(), entries)


class _Sender:
    """Signs calls about the federation's task and puts them on the chain."""

    def __init__(self, node: EmbeddedNode, federation: Federation) -> None:
        self._node = node
        self._task = federation.task
        self._contract = federation.contract
        web3 = Web3(federation.provider)
        self._accounts = {name: account_from_seed(SEED, name) for name in addresses(TRAINERS)}
        self._nonces = {
            name: web3.eth.get_transaction_count(account.address) for name, account in self._accounts.items()
        }

    def send(self, name: str, function: str, *arguments: object) -> None:
        transaction: dict[str, Any] = {
            "to": self._contract,
            "data": call_data(function, (self._task, *arguments)),
            "nonce": self._nonces[name],
            "chainId": self._node.chain_id,
            "gas": 400_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 10**9,
        }
        self._node.send(bytes(self._accounts[name].sign_transaction(transaction).raw_transaction))
        self._nonces[name] += 1
