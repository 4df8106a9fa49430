"""A federation on anvil, which mines, forgets and reorganizes as it is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from faulty_rpc import FaultyRpc
from nodes import Anvil, eventually

from fl.ledger.abi import call_data
from fl.ledger.accounts import account_from_seed
from fl.ledger.contract import Web3Ledger
from fl.ledger.deploy import deploy
from fl.ledger.node import http_provider
from fl.ledger.types import Address, TaskParams

OWNER, SPONSOR, POOR = (account_from_seed(b"node tests", name) for name in ("owner", "sponsor", "poor"))
PEOPLE = Address(OWNER.address), Address(SPONSOR.address)


@dataclass
class Federation:
    """One contract on one anvil. `owner(3)` calls in the owner's name and waits for three confirmations."""

    node: Anvil
    contract: Address

    def open(self, account: LocalAccount | None = None, confirmations: int = 0, url: str = "") -> Web3Ledger:
        provider = http_provider(url or self.node.url, timeout=10)
        return Web3Ledger(provider, self.contract, account, confirmations=confirmations)

    def owner(self, confirmations: int = 0, url: str = "") -> Web3Ledger:
        return self.open(OWNER, confirmations, url)

    def sponsor(self, confirmations: int = 0) -> Web3Ledger:
        return self.open(SPONSOR, confirmations)

    def params(self) -> TaskParams:
        return TaskParams(b"\1" * 32, b"\2" * 32, *PEOPLE, 1, 1, 60, 60, 0)

    def create_task(self) -> int:
        return self.owner().create_task(self.params())

    def deployed_again(self) -> Federation:
        """Another contract on the same chain."""
        return Federation(self.node, deploy(http_provider(self.node.url), OWNER).contract)

    # --- the chain

    def mine(self, blocks: int = 1) -> None:
        if blocks:
            self.node.ask("anvil_mine", hex(blocks))

    def by_hand(self) -> None:
        """From now on blocks are made by `mine` only."""
        self.node.ask("evm_setAutomine", False)

    def reorg(self, depth: int, *keeping: str) -> None:
        """Put other blocks in place of the last `depth`, with these raw transactions in the first of them."""
        self.node.ask("anvil_reorg", depth, [[raw, 0] for raw in keeping])

    def waiting(self) -> list[dict[str, Any]]:
        """The mempool's transactions."""
        pool = self.node.ask("txpool_content")["pending"]
        return [transaction for of_one in pool.values() for transaction in of_one.values()]

    def transactions(self) -> list[str]:
        """The hashes of all that the owner had mined, in order."""
        numbers = map(hex, range(self.head() + 1))
        blocks = [self.node.ask("eth_getBlockByNumber", number, True) for number in numbers]
        mined = [transaction for block in blocks for transaction in block["transactions"]]
        return [one["hash"] for one in mined if one["from"].lower() == OWNER.address.lower()]

    def waiting_hashes(self) -> set[str]:
        return {transaction["hash"] for transaction in self.waiting()}

    def head(self) -> int:
        return int(self.node.ask("eth_blockNumber"), 16)

    def wait_for_one(self) -> list[dict[str, Any]]:
        """The mempool, once there is something in it."""
        eventually(lambda: bool(self.waiting()))
        return self.waiting()

    # --- transactions made here

    def raw(self, transaction: str) -> str:
        return str(self.node.ask("eth_getRawTransactionByHash", transaction))

    def signed_by_the_sponsor(self, function: str, *arguments: object) -> str:
        """A call that the sponsor signs and does not send."""
        return self._signed(SPONSOR, 0, to=self.contract, data=call_data(function, arguments))

    def send_for_the_sponsor(self, nonce: int, **fees: int) -> None:
        """A transaction of the sponsor that does nothing."""
        raw = self._signed(SPONSOR, nonce, to=SPONSOR.address, gas=21_000, **fees)
        self.node.ask("eth_sendRawTransaction", raw)

    def nothing_sent_with_the_nonce_of(self, transaction: str) -> str:
        """Another transaction of the owner in place of this one, signed and not sent."""
        nonce = int(self.node.ask("eth_getTransactionByHash", transaction)["nonce"], 16)
        return self._signed(OWNER, nonce, to=OWNER.address)

    def _signed(self, account: LocalAccount, nonce: int, **fields: Any) -> str:
        fees = {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9, "gas": 200_000, "value": 0}
        transaction = {"chainId": 31337, "nonce": nonce, **fees, **fields}
        return str(account.sign_transaction(transaction).raw_transaction.to_0x_hex())

    @staticmethod
    def hash_of(raw: str) -> str:
        return "0x" + keccak(hexstr=raw).hex()


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Federation]:
    with Anvil(tmp_path) as node:
        node.give(OWNER.address, SPONSOR.address)
        yield Federation(node, deploy(http_provider(node.url), OWNER).contract)


@pytest.fixture
def proxy(federation: Federation) -> Iterator[FaultyRpc]:
    with FaultyRpc(federation.node.url) as proxy:
        yield proxy


class Aside:
    """Calls in another thread, while the test does things to the chain."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def __call__(self, call: Callable[..., Any], *arguments: object) -> Future[Any]:
        return self._pool.submit(call, *arguments)

    @staticmethod
    def until(holds: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until something holds, doing something over and over."""

        def look() -> bool:
            meanwhile()
            return holds()

        eventually(look)


class Looks:
    """Those that a caller takes, by way of a proxy, at the transaction that it waits for."""

    def __init__(self, proxy: FaultyRpc) -> None:
        self._proxy = proxy
        self._ahead = 0.0

    def wait_for_one(self) -> None:
        """Wait until a look that begins now, or later, has ended."""
        before = self._taken()
        eventually(lambda: self._taken() > before + 1)

    def outlast_all_patience(self) -> None:
        """An hour passes, for whoever waits."""
        self._ahead += 3600

    def _taken(self) -> int:
        return len(self._proxy.asked("eth_getTransactionReceipt"))

    # what the caller knows of time

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@pytest.fixture
def looks(proxy: FaultyRpc, monkeypatch: pytest.MonkeyPatch) -> Looks:
    looks = Looks(proxy)
    monkeypatch.setattr("fl.ledger.confirming.time", looks)
    return looks


@pytest.fixture
def aside() -> Iterator[Aside]:
    with ThreadPoolExecutor(2) as pool:
        yield Aside(pool)
