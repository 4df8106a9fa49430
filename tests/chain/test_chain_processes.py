"""Several processes on one file, and processes that are killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount
from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from web3 import Web3

COUNTER = "5f546001015f5500"
"""PUSH0 SLOAD PUSH1 1 ADD PUSH0 SSTORE STOP: adds one to slot 0"""

SENDER = """
import sys
from fl.chain.node import EmbeddedNode
with EmbeddedNode.open(sys.argv[1]) as node:
    for line in sys.stdin:
        print(node.send(bytes.fromhex(line)).hex(), flush=True)
"""


@pytest.fixture
def start_sender(node: EmbeddedNode, sign: Callable[..., bytes]):
    """Start processes that send an account's transactions and print each hash once it was acknowledged."""
    started = []

    def start(account: LocalAccount, nonces: range, to: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SENDER, str(node.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdin
        process.stdin.writelines(sign(account, nonce=nonce, to=to).hex() + "\n" for nonce in nonces)
        process.stdin.close()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_two_processes_that_write_at_once_lose_nothing(node, start_sender, deploy, alice, bob):
    web3 = Web3(EmbeddedProvider(node))
    counter = deploy(web3, COUNTER)
    processes = [start_sender(alice, range(1, 31), counter), start_sender(bob, range(30), counter)]
    acknowledged = [line for process in processes for line in process.stdout]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(set(acknowledged)) == 60
    assert int.from_bytes(web3.eth.get_storage_at(counter, 0), "big") == 60
    assert web3.eth.block_number == 61
    by_sender = [web3.eth.get_block(number, True)["transactions"][0]["from"] for number in range(2, 62)]
    assert by_sender.count(alice.address) == by_sender.count(bob.address) == 30


@pytest.mark.slow
def test_kill_9_loses_no_acknowledged_transaction(node, start_sender, deploy, alice):
    web3 = Web3(EmbeddedProvider(node))
    counter = deploy(web3, COUNTER)
    node.close()
    acknowledged = []
    for patience in (1, 4, 9):
        process = start_sender(alice, range(_next_nonce(node.path, alice), 10_000), counter)
        acknowledged += [process.stdout.readline() for _ in range(patience)]
        process.kill()
        acknowledged += process.stdout.readlines()
        process.wait()
        _check(node.path, counter, alice, [line.strip() for line in acknowledged])


def _next_nonce(path: Path, account: LocalAccount) -> int:
    with EmbeddedNode.open(path) as node:
        return Web3(EmbeddedProvider(node)).eth.get_transaction_count(account.address)


def _check(path: Path, counter: str, account: LocalAccount, acknowledged: list[str]) -> None:
    """Every acknowledged transaction has a receipt, and block, nonce and storage agree."""
    with EmbeddedNode.open(path) as node:
        web3 = Web3(EmbeddedProvider(node))
        assert all(web3.eth.get_transaction_receipt(f"0x{line}")["status"] == 1 for line in acknowledged)
        nonce = web3.eth.get_transaction_count(account.address)
        assert nonce > len(acknowledged)
        assert web3.eth.block_number == nonce
        assert int.from_bytes(web3.eth.get_storage_at(counter, 0), "big") == nonce - 1
