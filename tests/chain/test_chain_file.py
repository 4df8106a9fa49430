"""The chain file: made once, opened by many, refused with a sentence when it is not one."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest
from web3 import Web3
from web3.exceptions import Web3RPCError

from fl.chain import node as node_module
from fl.chain.logs import LogFilter
from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.errors import ChainError

EMITTER = "5f5fa000"
"""PUSH0 PUSH0 LOG0 STOP"""


def test_a_chain_is_there_again_when_it_is_opened(node, send, alice):
    receipt = send(Web3(EmbeddedProvider(node)), value=5)
    node.close()
    with EmbeddedNode.open(node.path) as again:
        web3 = Web3(EmbeddedProvider(again))
        assert web3.eth.chain_id == 31337
        assert web3.eth.get_transaction_receipt(receipt["transactionHash"]) == receipt


def test_a_chain_is_one_file_once_it_is_closed(node, tmp_path, send):
    send(Web3(EmbeddedProvider(node)))
    node.close()
    assert [path.name for path in tmp_path.iterdir()] == ["chain.sqlite"]


def test_the_chain_id_is_the_creators_choice(create):
    node = create(chain_id=5)
    assert node.chain_id == Web3(EmbeddedProvider(node)).eth.chain_id == 5


def test_create_never_touches_a_file_that_is_there(create, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ChainError, match="exists already"):
        create("notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_chain_that_cannot_be_created_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="0x12"):
        EmbeddedNode.create(tmp_path / "chain.sqlite", alloc={"0x12": 1})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ChainError, match="cannot be used"):
        EmbeddedNode.create(tmp_path / "no" / "chain.sqlite", alloc={})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ChainError, match="There is no chain file") as error:
        EmbeddedNode.open(tmp_path / "chain.sqlite")
    assert error.value.hint
    assert list(tmp_path.iterdir()) == []


def test_another_sort_of_file_is_refused(tmp_path):
    for name, content in (("empty", b""), ("text", b"hello" * 1000), ("zeros", bytes(8192))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ChainError, match="chain file"):
            EmbeddedNode.open(tmp_path / name)


def test_another_programs_database_is_refused(tmp_path):
    with closing(sqlite3.connect(tmp_path / "other")) as other:
        other.execute("CREATE TABLE state (key, value)")
    with pytest.raises(ChainError, match="is not a chain file"):
        EmbeddedNode.open(tmp_path / "other")


def test_a_truncated_file_is_refused(node):
    node.close()
    whole = node.path.read_bytes()
    for size in (10, 4096, len(whole) // 2):
        node.path.write_bytes(whole[:size])
        with pytest.raises(ChainError, match="damaged"):
            EmbeddedNode.open(node.path)


def test_a_format_that_no_release_writes_is_refused(node):
    node.close()
    with closing(sqlite3.connect(node.path)) as file:
        file.execute("PRAGMA user_version = 0")
    with pytest.raises(ChainError, match="format 0"):
        EmbeddedNode.open(node.path)


def test_a_newer_format_is_refused(node):
    node.close()
    with closing(sqlite3.connect(node.path)) as file:
        file.execute("PRAGMA user_version = 2")
    with pytest.raises(ChainError, match="format 2") as error:
        EmbeddedNode.open(node.path)
    assert "Upgrade" in error.value.hint


def test_paths_with_signs_that_mean_something_in_a_uri_work(create):
    assert create("a chain?mode=ro#1%20.sqlite").now() > 0


def test_a_closed_node_says_so(node):
    node.close()
    node.close()
    with pytest.raises(ChainError, match="closed"):
        node.now()


def test_opening_and_reading_do_not_wait_for_a_writer(node, alice):
    with closing(sqlite3.connect(node.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with EmbeddedNode.open(node.path) as second:
            assert Web3(EmbeddedProvider(second)).eth.get_balance(alice.address) == 10**21


def test_a_block_that_fails_half_way_leaves_nothing(node, sign, alice, monkeypatch):
    web3 = Web3(EmbeddedProvider(node))
    raw = sign(alice, value=5)

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(node_module, "add_logs", fail)  # the last step of a block
        with pytest.raises(Web3RPCError, match="disk is full"):
            web3.eth.send_raw_transaction(raw)
    assert web3.eth.block_number == web3.eth.get_transaction_count(alice.address) == 0
    web3.eth.send_raw_transaction(raw)
    assert web3.eth.block_number == web3.eth.get_transaction_count(alice.address) == 1


def test_a_reader_never_sees_half_a_block(node, deploy, sign, alice):
    """Nonce, blocks and logs grow together: each transaction makes one block with one log."""
    emitter = deploy(Web3(EmbeddedProvider(node)), EMITTER)
    seen = []

    def write() -> None:
        with EmbeddedNode.open(node.path) as writer:
            for nonce in range(1, 21):
                writer.send(sign(alice, to=emitter, nonce=nonce))

    thread = threading.Thread(target=write)
    thread.start()
    while thread.is_alive():
        with node.reading() as snapshot:
            head = snapshot.head()
            nonce = snapshot.state("latest").get_nonce(bytes.fromhex(alice.address[2:]))
            logs = snapshot.logs(LogFilter(0, 10**9))
            seen.append((head.block_number, nonce, len(logs) + 1))
    thread.join()
    assert all(number == nonce == logs for number, nonce, logs in seen)
    assert len(set(seen)) > 2
