"""Several processes on one file, and processes that are killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount
from web3 import Web3

from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider

COUNTER = "5f546001015f5500"
"""PUSH0 SLOAD PUSH1 1 ADD PUSH0 SSTORE STOP: adds one to slot 0"""

SENDER = """
import sys
from eth_account import Account
from fl.chain.node import EmbeddedNode

path, key, to, first, count = sys.argv[1:]
account = Account.from_key(key)
fields = {"to": to, "gas": 100_000, "gasPrice": 2 * 10**9, "chainId": 31337}
with EmbeddedNode.open(path) as node:
    for nonce in range(int(first), int(first) + int(count)):
        raw = account.sign_transaction({**fields, "nonce": nonce}).raw_transaction
        print(node.send(bytes(raw)).hex(), flush=True)
"""


@pytest.fixture
def start_sender(node: EmbeddedNode):
    """Start processes that send an account's transactions and print each hash once it is acknowledged."""
    started = []

    def start(account: LocalAccount, first_nonce: int, count: int, to: str) -> subprocess.Popen[str]:
        arguments = [str(node.path), account.key.hex(), to, str(first_nonce), str(count)]
        process = subprocess.Popen(
            [sys.executable, "-c", SENDER, *arguments], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_two_processes_that_write_at_once_lose_nothing(node, start_sender, deploy, alice, bob):
    web3 = Web3(EmbeddedProvider(node))
    counter = deploy(web3, COUNTER)
    processes = [start_sender(alice, 1, 30, counter), start_sender(bob, 0, 30, counter)]
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
        process = start_sender(alice, _next_nonce(node.path, alice), 10_000, counter)
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


def test_a_process_that_ends_without_closing_leaves_the_whole_chain_in_its_one_file(node, alice):
    node.close()
    leaving = SENDER.replace(
        "with EmbeddedNode.open(path) as node:", "node = EmbeddedNode.open(path)\nif node:"
    )
    arguments = [str(node.path), alice.key.hex(), alice.address, "0", "1"]
    subprocess.run([sys.executable, "-c", leaving, *arguments], check=True, stdout=subprocess.DEVNULL)
    assert [file.name for file in node.path.parent.iterdir()] == [node.path.name]
    with EmbeddedNode.open(node.path) as again, again.reading() as snapshot:
        assert snapshot.head().block_number == 1
