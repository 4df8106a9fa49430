"""The store on a real IPFS node: the same names, content both ways, and one that dies, hangs or is full."""

import io
import os
import random
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import kubo_blocks
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nodes import Kubo

from fl.errors import BlobUnavailable, StoreError, StoreUnavailable
from fl.store.cid import Cid
from fl.store.collecting import Named
from fl.store.embedded import EmbeddedStore
from fl.store.kubo import KuboStore
from fl.store.layout import KUBO, Layout, blocks, cid_of
from fl.store.port import put_bytes, read_bytes

MIB = KUBO.chunk
DATA = random.Random(4).randbytes(3 * MIB + 7)
LONG = random.Random(5).randbytes(9 * MIB + 7)  # more than is read ahead


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    with Kubo(tmp_path_factory.mktemp("kubo")) as node:
        yield node


@pytest.fixture
def store(node: Kubo) -> KuboStore:
    return KuboStore(node.address)


class Pattern(io.RawIOBase):
    """`size` bytes that cost no memory and never repeat within a chunk's length."""

    PERIOD = random.Random(7).randbytes((1 << 20) - 3)

    def __init__(self, size: int) -> None:
        self._at, self._size = 0, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # all that BufferedReader hands over
        start = self._at % len(self.PERIOD)
        count = min(len(buffer), len(self.PERIOD) - start, self._size - self._at)
        buffer[:count] = self.PERIOD[start : start + count]
        self._at += count
        return count


def pattern(size: int) -> io.BufferedReader:
    return io.BufferedReader(Pattern(size), MIB)


def name_of(stream: io.BufferedReader, layout: Layout = KUBO) -> str:
    *_, root = blocks(stream, layout)
    return str(root.cid)


def kubo_name(node: Kubo, data: io.BufferedReader, chunk: int = MIB, *options: str) -> str:
    """What `ipfs add` calls the bytes."""
    how = {
        "cid-version": "1",
        "raw-leaves": "true",
        "chunker": f"size-{chunk}",
        **dict.fromkeys(options, "true"),
    }
    answer = kubo_blocks.ask(node, "add", data, **how)
    return str(answer.json()["Hash"])


# Names


SMALL = Layout(chunk=1 << 10, width=KUBO.width)


@settings(max_examples=25, deadline=None)
@given(chunks=st.integers(0, 5), rest=st.integers(-3, 3))
def test_names_around_the_boundaries_of_chunks_are_kubos(node: Kubo, chunks: int, rest: int) -> None:
    size = max(0, chunks * MIB + rest)
    assert name_of(pattern(size)) == kubo_name(node, pattern(size), MIB, "only-hash")


@settings(max_examples=25, deadline=None)
@given(leaves=st.sampled_from([1, 174, 2 * 174, 9 * 174]), near=st.integers(-3, 3), rest=st.integers(-2, 2))
def test_names_around_the_boundaries_of_nodes_are_kubos(
    node: Kubo, leaves: int, near: int, rest: int
) -> None:
    size = max(0, (leaves + near) * SMALL.chunk + rest)
    assert name_of(pattern(size), SMALL) == kubo_name(node, pattern(size), SMALL.chunk, "only-hash")


@pytest.mark.slow
@pytest.mark.parametrize("rest", [0, 1])
def test_names_around_the_boundary_to_three_rows_of_nodes_are_kubos(node: Kubo, rest: int) -> None:
    size = SMALL.width**2 * SMALL.chunk + rest
    assert name_of(pattern(size), SMALL) == kubo_name(node, pattern(size), SMALL.chunk, "only-hash")


@pytest.mark.slow
@pytest.mark.parametrize("rest", [-1, 0, 1])
def test_names_around_the_first_boundary_of_links_are_kubos(node: Kubo, rest: int) -> None:
    size = KUBO.width * MIB + rest
    assert name_of(pattern(size)) == kubo_name(node, pattern(size), MIB, "only-hash")


# Content moves


def test_what_is_put_is_what_the_node_shows(node: Kubo, store: KuboStore) -> None:
    assert node.run("cat", str(put_bytes(store, DATA))) == DATA


def test_what_was_added_to_the_node_is_read_here(node: Kubo, store: KuboStore) -> None:
    cid = Cid.parse(kubo_name(node, pattern(2 * MIB + 9)))
    assert read_bytes(store, cid, limit=3 * MIB) == pattern(2 * MIB + 9).read()


def test_content_moves_from_a_folder_to_a_node_and_back_under_its_name(
    store: KuboStore, tmp_path: Path
) -> None:
    here, there = EmbeddedStore(tmp_path / "here"), EmbeddedStore(tmp_path / "there")
    cid = put_bytes(here, DATA)
    with here.open(cid, limit=len(DATA)) as stream:
        assert store.put(stream) == cid
    with store.open(cid, limit=len(DATA)) as stream:
        assert there.put(stream) == cid
    assert read_bytes(there, cid, limit=len(DATA)) == DATA


def test_what_was_put_survives_the_garbage_collection_of_the_node(node: Kubo, store: KuboStore) -> None:
    cid = put_bytes(store, DATA[:-1])
    kubo_blocks.collect_garbage(node)
    assert read_bytes(store, cid, limit=len(DATA)) == DATA[:-1]


# Nodes that fail


def test_a_missing_block_is_reported_by_a_node_without_a_network(store: KuboStore) -> None:
    with pytest.raises(BlobUnavailable, match="does not serve block"):
        store.open(Cid.raw(bytes(32)), limit=1)


def test_a_node_on_the_network_does_not_look_for_a_missing_block_for_ever(tmp_path: Path) -> None:
    with online(tmp_path) as node:
        absent = Cid.raw(bytes(32))
        with pytest.raises(BlobUnavailable, match=str(absent)):
            KuboStore(node.address, timeout=2).open(absent, limit=1)


def online(folder: Path) -> Kubo:
    """A node that would talk to others, and knows none."""
    folder.mkdir(exist_ok=True)
    node = Kubo(folder)
    node.command.remove("--offline")
    return node


@pytest.mark.slow
def test_what_was_read_from_another_node_and_kept_stays_when_that_node_is_gone(tmp_path: Path) -> None:
    with online(tmp_path / "site") as site, online(tmp_path / "aggregator") as aggregator:
        peer = kubo_blocks.ask(site, "id").json()["Addresses"][0]
        kubo_blocks.ask(aggregator, "swarm/connect", arg=peer)
        there, store = KuboStore(site.address), KuboStore(aggregator.address)
        read, put, needed, kept = (put_bytes(there, DATA[start:]) for start in range(4))
        assert read_bytes(store, read, limit=len(DATA)) == DATA
        assert put_bytes(store, read_bytes(store, put, limit=len(DATA))) == put
        assert read_bytes(store, kept, limit=len(DATA)) == DATA[3:]
        store.keep(kept)
        assert store.collect(Named(frozenset({needed}), frozenset()), 0, remove=False).missing == ()
        site.kill()
        kubo_blocks.collect_garbage(aggregator)
        for start, cid in enumerate((put, needed, kept), 1):
            assert read_bytes(store, cid, limit=len(DATA)) == DATA[start:]
        with pytest.raises(BlobUnavailable):
            KuboStore(aggregator.address, timeout=1).open(read, limit=len(DATA))


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Kubo]:
    """A node of the test's own."""
    with Kubo(tmp_path) as node:
        yield node


class At(io.BytesIO):
    """Does something when a number of bytes has been taken."""

    def __init__(self, data: bytes, taken: int, do: Callable[[], None]) -> None:
        super().__init__(data)
        self._taken, self._do = taken, do

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() == self._taken:
            self._do()
        return super().read(size)


@pytest.mark.slow
def test_a_node_killed_in_the_middle_of_a_put_has_nothing_under_the_name(mortal: Kubo) -> None:
    store = KuboStore(mortal.address, timeout=3)
    with pytest.raises(StoreUnavailable, match="no answer"):
        store.put(At(DATA, 2 * MIB, mortal.kill))
    mortal.start()
    with pytest.raises(BlobUnavailable):
        store.open(cid_of(DATA), limit=len(DATA))
    assert read_bytes(store, put_bytes(store, DATA), limit=len(DATA)) == DATA


@pytest.mark.slow
def test_a_node_killed_in_the_middle_of_a_read_serves_no_end_and_later_the_whole(mortal: Kubo) -> None:
    store = KuboStore(mortal.address, timeout=3)
    cid = put_bytes(store, LONG)
    with store.open(cid, limit=len(LONG)) as stream:
        assert stream.read(MIB) == LONG[:MIB]
        mortal.kill()
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="no answer"):
                stream.read()
    mortal.start()
    assert read_bytes(store, cid, limit=len(LONG)) == LONG


def test_a_node_that_is_started_again_in_time_is_not_missed(mortal: Kubo) -> None:
    store = KuboStore(mortal.address, timeout=60)
    cid = put_bytes(store, LONG)
    with store.open(cid, limit=len(LONG)) as stream:
        assert stream.read(MIB) == LONG[:MIB]
        mortal.kill()
        starting = threading.Thread(target=mortal.start)
        starting.start()
        assert stream.read() == LONG[MIB:]
        starting.join()


@pytest.mark.slow
def test_a_node_that_hangs_is_given_up(mortal: Kubo) -> None:
    store, impatient = KuboStore(mortal.address), KuboStore(mortal.address, timeout=1)
    cid = put_bytes(store, b"hello")
    assert mortal.process
    mortal.process.send_signal(signal.SIGSTOP)
    os.waitpid(mortal.process.pid, os.WUNTRACED)  # until all of its threads have stopped
    for act in (partial(impatient.open, cid, 5), partial(put_bytes, impatient, b"hello")):
        with pytest.raises(StoreUnavailable, match="no answer"):
            act()
    mortal.process.send_signal(signal.SIGCONT)
    assert read_bytes(store, cid, limit=5) == b"hello"


def test_a_node_whose_disk_is_full_takes_nothing_and_loses_nothing(mortal: Kubo) -> None:
    store = KuboStore(mortal.address)
    before = put_bytes(store, b"hello")
    assert mortal.process
    resource.prlimit(mortal.process.pid, resource.RLIMIT_FSIZE, (MIB // 2, MIB // 2))
    with pytest.raises(StoreError, match="does not take block"):
        put_bytes(store, DATA)
    assert read_bytes(store, before, limit=5) == b"hello"
    with pytest.raises(BlobUnavailable):
        store.open(cid_of(DATA), limit=len(DATA))


def test_a_node_that_may_not_write_its_repository_takes_nothing(mortal: Kubo) -> None:
    folder = kubo_blocks.block_file(mortal, Cid.raw(bytes(32))).parent
    away = folder.parent.rename(folder.parent.with_name("away"))
    with pytest.raises(StoreError, match="does not take block"):
        put_bytes(KuboStore(mortal.address), b"hello")
    away.rename(folder.parent)
