"""Chain files as they are found: damaged, gone, read-only, the disk full. A sentence each, nothing lost."""

from __future__ import annotations

import os
import random
import resource
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from web3 import Web3

from fl.chain import database
from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.errors import ChainError

NOBODY = 65534
PAGE = 4096


@pytest.fixture
def closed(node, send) -> Path:
    """A chain with ten blocks, closed."""
    web3 = Web3(EmbeddedProvider(node))
    for _ in range(10):
        send(web3, value=1)
    node.close()
    return node.path


def use(path: Path, raw: bytes) -> None:
    """Open, read everything that every program reads, and write."""
    with EmbeddedNode.open(path) as node:
        with node.reading() as snapshot:
            for number in range(snapshot.head().block_number + 1):
                snapshot.receipts(snapshot.header(number))
            snapshot.state("latest").get_balance(bytes(20))
        node.send(raw)


def complaint(path: Path, raw: bytes) -> str | None:
    try:
        use(path, raw)
    except ChainError as error:
        return error.message
    return None


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk that takes no file beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def foreign(closed) -> Iterator[Path]:
    """A copy of the chain in a folder that everybody can find: pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chain.sqlite"
        path.write_bytes(closed.read_bytes())
        yield path


@contextmanager
def rights(folder: Path, of_folder: int, of_files: int) -> Iterator[None]:
    """Be somebody who has these rights to the files in a folder, and no more."""
    for path in folder.iterdir():
        path.chmod(of_files)
    folder.chmod(of_folder)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


def test_whatever_page_is_overwritten_the_file_is_called_damaged_or_does_no_harm(closed, sign, alice):
    """And opening it changes nothing, so that it can still be repaired."""
    whole, raw = closed.read_bytes(), sign(alice, nonce=10)
    choice = random.Random(0)
    said = []
    for page in range(len(whole) // PAGE):
        damaged = bytearray(whole)
        damaged[page * PAGE : (page + 1) * PAGE] = choice.randbytes(PAGE)
        closed.write_bytes(damaged)
        with suppress(ChainError):
            EmbeddedNode.open(closed).close()
        assert closed.read_bytes() == damaged
        said.append(complaint(closed, raw))
    complaints = [sentence for sentence in said if sentence]
    assert all("damaged" in sentence for sentence in complaints)
    assert len(complaints) > len(said) // 2


def test_a_lost_state_is_called_damage(closed, sign, alice):
    """SQLite finds nothing wrong with it."""
    with closing(sqlite3.connect(closed)) as file, file:
        file.execute("DELETE FROM state WHERE length(key) = 32")
    with pytest.raises(ChainError, match="damaged") as error:
        use(closed, sign(alice, nonce=10))
    assert "Restore" in error.value.hint


def test_a_file_that_is_deleted_while_it_is_open_takes_no_more_promises(node, sign, alice):
    """Linux would let us write on, to a file that nobody finds again."""
    node.path.rename(node.path.with_suffix(".away"))
    with pytest.raises(ChainError, match="deleted or replaced"):
        node.send(sign(alice))
    with pytest.raises(ChainError, match="deleted or replaced"):
        node.now()
    node.path.with_suffix(".away").rename(node.path)
    assert node.send(sign(alice))


def test_a_file_that_is_replaced_while_it_is_open_is_not_written_to(node, create, sign, alice):
    other = create("other.sqlite")
    other.close()
    other.path.replace(node.path)
    with pytest.raises(ChainError, match="deleted or replaced"):
        node.send(sign(alice))


def test_a_folder_is_no_chain_file(tmp_path):
    with pytest.raises(ChainError, match="no chain file"):
        EmbeddedNode.open(tmp_path)


def test_a_writer_that_waits_too_long_for_another_says_so_and_may_try_again(closed, sign, alice, monkeypatch):
    monkeypatch.setattr(database, "_PATIENCE", 0.1)
    with EmbeddedNode.open(closed) as node, closing(sqlite3.connect(closed, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ChainError, match="locked") as error:
            node.send(sign(alice, nonce=10))
        assert "Another process" in error.value.hint
        other.execute("ROLLBACK")
        node.send(sign(alice, nonce=10))


def test_a_full_disk_refuses_the_block_and_keeps_the_chain(closed, sign, alice):
    with EmbeddedNode.open(closed) as node:
        web3 = Web3(EmbeddedProvider(node))
        with largest_file(PAGE), pytest.raises(ChainError, match="cannot be used") as error:
            node.send(sign(alice, nonce=10))
        assert "space" in error.value.hint
        assert web3.eth.block_number == 10
        node.send(sign(alice, nonce=10))
        assert web3.eth.block_number == 11


def test_a_full_disk_leaves_no_half_of_a_new_chain(tmp_path):
    with largest_file(PAGE), pytest.raises(ChainError, match="cannot be used"):
        EmbeddedNode.create(tmp_path / "chain.sqlite", alloc={})
    assert list(tmp_path.iterdir()) == []


def test_a_chain_that_may_not_be_written_refuses_with_a_sentence(closed, foreign, sign, alice):
    with rights(foreign.parent, 0o555, 0o444), pytest.raises(ChainError, match="cannot be used") as error:
        use(foreign, sign(alice, nonce=10))
    assert "may be written to" in error.value.hint
    assert foreign.read_bytes() == closed.read_bytes()


def test_a_chain_that_may_not_be_read_is_refused_with_a_sentence(foreign):
    with rights(foreign.parent, 0o555, 0), pytest.raises(ChainError, match="cannot be used"):
        EmbeddedNode.open(foreign)


def test_a_chain_that_lost_its_write_ahead_log_is_whole_again_as_of_an_earlier_block(node, send, tmp_path):
    """What a copy of the main file alone holds: fewer blocks, all of them whole."""
    web3 = Web3(EmbeddedProvider(node))
    for _ in range(3):
        send(web3)
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(node.path.read_bytes())
    with EmbeddedNode.open(copy) as earlier:
        head = Web3(EmbeddedProvider(earlier)).eth.get_block("latest")
        assert head["number"] <= 3
        assert head == web3.eth.get_block(head["number"])


def test_a_clock_that_was_ahead_delays_the_chain_and_stops_nothing(create, sign, alice, monkeypatch):
    node = create(virtual_time=False, genesis_time=None)
    today = int(time.time())
    monkeypatch.setattr(time, "time", lambda: today + 86_400.0)
    node.send(sign(alice))
    monkeypatch.setattr(time, "time", lambda: today + 5.0)
    node.send(sign(alice, nonce=1))
    web3 = Web3(EmbeddedProvider(node))
    assert [web3.eth.get_block(number)["timestamp"] - today for number in (1, 2)] == [86_400, 86_400]
    monkeypatch.setattr(time, "time", lambda: today + 86_401.0)
    node.send(sign(alice, nonce=2))
    assert web3.eth.get_block("latest")["timestamp"] == today + 86_401
