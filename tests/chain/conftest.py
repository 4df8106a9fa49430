"""A chain with virtual time, reached in process and over HTTP by the same tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3

from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.chain.server import RpcServer

START = 1_800_000_000
"""Genesis time of the test chain."""


@pytest.fixture(scope="session")
def alice() -> LocalAccount:
    return Account.from_key(bytes(31) + b"\x01")


@pytest.fixture(scope="session")
def bob() -> LocalAccount:
    return Account.from_key(bytes(31) + b"\x02")


@pytest.fixture
def create(tmp_path: Path, alice: LocalAccount, bob: LocalAccount) -> Iterator[Callable[..., EmbeddedNode]]:
    """Make chains on which Alice and Bob have 1000 ether each; they are closed after the test."""
    nodes = []

    def create(name: str = "chain.sqlite", **settings: Any) -> EmbeddedNode:
        alloc = {alice.address: 10**21, bob.address: 10**21}
        settings = {"alloc": alloc, "virtual_time": True, "genesis_time": START, **settings}
        nodes.append(EmbeddedNode.create(tmp_path / name, **settings))
        return nodes[-1]

    yield create
    for node in nodes:
        node.close()


@pytest.fixture
def node(create: Callable[..., EmbeddedNode]) -> EmbeddedNode:
    return create()


@pytest.fixture
def url(node: EmbeddedNode) -> Iterator[str]:
    with RpcServer(node, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


@pytest.fixture(params=["in process", "over HTTP"])
def web3(request: pytest.FixtureRequest, node: EmbeddedNode) -> Web3:
    if request.param == "in process":
        return Web3(EmbeddedProvider(node))
    return Web3(HTTPProvider(request.getfixturevalue("url")))


@pytest.fixture(scope="session")
def sign() -> Callable[..., bytes]:
    def sign(account: LocalAccount, **fields: Any) -> bytes:
        """Sign an EIP-1559 transaction, or another type if the fields say so."""
        if "gasPrice" not in fields:
            fields = {"maxFeePerGas": 5 * 10**9, "maxPriorityFeePerGas": 10**9, **fields}
        fields = {"nonce": 0, "gas": 100_000, "value": 0, "chainId": 31337, "to": bytes(20), **fields}
        return bytes(account.sign_transaction(fields).raw_transaction)

    return sign


@pytest.fixture
def send(sign: Callable[..., bytes], alice: LocalAccount) -> Callable[..., Any]:
    def send(web3: Web3, account: LocalAccount = alice, **fields: Any) -> Any:
        """Sign with the account's next nonce, send, and return the receipt."""
        fields.setdefault("nonce", web3.eth.get_transaction_count(account.address))
        return web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(sign(account, **fields)))

    return send


@pytest.fixture
def deploy(send: Callable[..., Any]) -> Callable[[Web3, str], str]:
    def deploy(web3: Web3, code: str) -> str:
        """Deploy runtime code, given as hexadecimal, and return its address."""
        size = len(bytes.fromhex(code))
        # PUSH1 size DUP1 PUSH1 9 PUSH0 CODECOPY PUSH0 RETURN: copy what follows these nine bytes, return it
        receipt = send(web3, to="", data=f"0x60{size:02x}8060095f395ff3{code}", gas=500_000)
        assert receipt["status"] == 1
        return str(receipt["contractAddress"])

    return deploy
