"""Grounds for the ledger suite: each kind of chain, giving out one fresh federation after another.

Time stands still but for what a test moves: on the embedded chain and in memory altogether, on real nodes but
for the second that each block is later than the last. Their clocks begin far ahead of the wall clock's, which
they would follow otherwise.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import requests
import rlp
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak
from nodes import Anvil, Geth, eventually, tool
from web3.providers import BaseProvider

from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.chain.server import RpcServer
from fl.ledger.accounts import account_from_seed
from fl.ledger.contract import Web3Ledger
from fl.ledger.deploy import deploy, mint
from fl.ledger.memory import MemoryFederation
from fl.ledger.node import http_provider
from fl.ledger.port import Ledger
from fl.ledger.types import Address

CHAIN_ID = 31337
START = 1_700_000_000
AHEAD = 2_500_000_000  # in the year 2049
RICHES = 10_000
NAMES = ("owner", "aggregator", "sponsor", "ada", "bert", "cleo", "stranger")
ACTORS = {name: account_from_seed(b"ledger suite", name) for name in NAMES}
CLOCK = account_from_seed(b"ledger suite", "clock")
ALLOC = {account.address: 10**24 for account in (*ACTORS.values(), CLOCK)}


class Ground(NamedTuple):
    """A federation as each account sees it, how the next transaction gets its time, and the node."""

    open_as: Callable[[LocalAccount | None], Ledger]
    set_time: Callable[[int], None]
    provider: BaseProvider | None


Fresh = Callable[[], Ground]


@contextmanager
def memory(_: Path) -> Iterator[Fresh]:
    """The in-memory ledger, at the address that the owner's second contract gets."""
    owner = Address(ACTORS["owner"].address)
    contract = to_checksum_address(keccak(rlp.encode([to_canonical_address(owner), 1]))[12:])

    def fresh() -> Ground:
        federation = MemoryFederation(owner, chain_id=CHAIN_ID, contract=Address(contract), time=START)
        federation.mint(Address(ACTORS["sponsor"].address), RICHES)
        federation.as_account(ACTORS["sponsor"]).approve(RICHES)
        return Ground(federation.as_account, federation.set_time, None)

    yield fresh


@contextmanager
def embedded(folder: Path) -> Iterator[Fresh]:
    """The embedded chain in this process."""
    with _copies(folder) as fresh:
        yield lambda: fresh(EmbeddedProvider)


@contextmanager
def served(folder: Path) -> Iterator[Fresh]:
    """The embedded chain over HTTP."""
    with _copies(folder) as fresh, ExitStack() as servers:

        def serve(node: EmbeddedNode) -> BaseProvider:
            server = servers.enter_context(RpcServer(node, port=0))
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            servers.callback(server.shutdown)
            return http_provider(server.url)

        yield lambda: fresh(serve)


@contextmanager
def _copies(folder: Path) -> Iterator[Callable[[Callable[[EmbeddedNode], BaseProvider]], Ground]]:
    """Chains that are copies of one with a federation."""
    first = folder / "chain.db"
    with EmbeddedNode.create(
        first, chain_id=CHAIN_ID, alloc=ALLOC, genesis_time=START, virtual_time=True
    ) as node:
        contract = _deployed(EmbeddedProvider(node))
    numbers = count(1)
    with ExitStack() as nodes:

        def fresh(provide: Callable[[EmbeddedNode], BaseProvider]) -> Ground:
            copy = Path(shutil.copy(first, folder / f"chain-{next(numbers)}.db"))
            node = nodes.enter_context(EmbeddedNode.open(copy))
            provider = provide(node)
            return Ground(lambda account: Web3Ledger(provider, contract, account), node.set_time, provider)

        yield fresh


@contextmanager
def anvil(folder: Path) -> Iterator[Fresh]:
    """Anvil, set back to one state for each federation: only the newest can be used."""
    with Anvil(folder, "--timestamp", str(AHEAD)) as node:
        node.ask("anvil_setBlockTimestampInterval", 1)
        node.give(*ALLOC)
        provider = http_provider(node.url)
        contract = _deployed(provider)
        state = [node.ask("evm_snapshot")]
        open_as = cache(lambda account: Web3Ledger(provider, contract, account))

        def fresh() -> Ground:
            node.ask("evm_revert", state.pop())
            state.append(node.ask("evm_snapshot"))  # going back to one uses it up
            return Ground(open_as, lambda moment: node.ask("evm_setNextBlockTimestamp", moment), provider)

        yield fresh


@contextmanager
def geth(folder: Path) -> Iterator[Fresh]:
    """`geth --dev`, with a new federation each time; a second passes with every block and not otherwise."""
    (folder / "genesis.json").write_text(json.dumps(_genesis()))
    node = Geth(folder)
    data = node.command[node.command.index("--datadir") + 1]
    init = [str(tool("geth")), "init", "--datadir", data, str(folder / "genesis.json")]
    subprocess.run(init, check=True, capture_output=True)
    with node:
        provider = http_provider(node.url)

        def fresh() -> Ground:
            contract = _deployed(provider)
            return Ground(
                lambda account: Web3Ledger(provider, contract, account), _Clock(node).set_time, provider
            )

        yield fresh


KINDS = {"memory": memory, "web3": embedded, "served": served, "anvil": anvil, "geth": geth}


def _deployed(provider: BaseProvider) -> Address:
    """A federation whose sponsor has money, and has approved all of it."""
    contract, token = deploy(provider, ACTORS["owner"])
    mint(provider, ACTORS["owner"], token, Address(ACTORS["sponsor"].address), RICHES)
    Web3Ledger(provider, contract, ACTORS["sponsor"]).approve(RICHES)
    return contract


def _genesis() -> dict[str, Any]:
    """A chain of proof of stake from its first block, with the rules of Prague (geth's format)."""
    blocks = ("homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg")
    blocks += ("istanbul", "berlin", "london")
    blobs = {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716}
    config = {f"{fork}Block": 0 for fork in blocks} | {
        f"{fork}Time": 0 for fork in ("shanghai", "cancun", "prague")
    }
    config |= {
        "chainId": CHAIN_ID,
        "terminalTotalDifficulty": 0,
        "blobSchedule": {"cancun": blobs, "prague": blobs},
    }
    alloc = {address: {"balance": hex(wei)} for address, wei in ALLOC.items()}
    facts = {"timestamp": AHEAD, "gasLimit": 30_000_000, "difficulty": 0, "baseFeePerGas": 10**9}
    return {"config": config, "alloc": alloc, **{name: hex(number) for name, number in facts.items()}}


class _Clock:
    """Lets time pass on `geth --dev` by sending what does nothing."""

    def __init__(self, node: Geth) -> None:
        self._node = node
        self._nonce = int(node.ask("eth_getTransactionCount", CLOCK.address, "latest"), 16)

    def set_time(self, moment: int) -> None:
        """Have the next block stamped `moment`."""
        while (left := moment - 1 - self._now()) > 0:
            # now and then geth makes an empty block besides, so that the last few are made one by one
            self._tick(left // 2 if left > 4 else 1)
            eventually(lambda: int(self._node.ask("txpool_status")["pending"], 16) == 0)
            self._settle()
        if left < 0:
            raise RuntimeError(f"geth is {-left} s late")

    def _tick(self, times: int) -> None:
        sent = [self._nothing(self._nonce + number) for number in range(times)]
        calls = [
            {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]} for raw in sent
        ]
        requests.post(self._node.url, json=calls, timeout=30).raise_for_status()
        self._nonce += times

    def _nothing(self, nonce: int) -> str:
        transaction = {"to": CLOCK.address, "value": 0, "gas": 21_000, "chainId": CHAIN_ID, "nonce": nonce}
        fees = {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9}
        return CLOCK.sign_transaction(transaction | fees).raw_transaction.to_0x_hex()

    def _settle(self) -> None:
        """Wait until no block is being made."""
        before = None
        while before != (before := self._now()):
            time.sleep(0.05)

    def _now(self) -> int:
        return int(self._node.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
