"""What every store does."""

import hashlib
import io
import itertools
import random
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import kubo_blocks
import pytest
from nodes import Kubo

from fl.errors import BlobDamaged, BlobMalformed, BlobTooLarge, BlobUnavailable, StoreError
from fl.store import node
from fl.store.cid import DAG_PB, RAW, Cid
from fl.store.embedded import EmbeddedStore
from fl.store.kubo import KuboStore
from fl.store.layout import KUBO, Block, blocks
from fl.store.memory import MemoryStore
from fl.store.node import Link
from fl.store.port import BlobStore, put_bytes, read_bytes

MIB = KUBO.chunk
SIZES = [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5]


@dataclass(frozen=True)
class Subject:
    """A store, and a way to put bytes under a name behind its back."""

    store: BlobStore
    plant: Callable[[Cid, bytes], None]


def in_memory(folder: Path) -> Subject:
    held: dict[bytes, bytes] = {}
    return Subject(MemoryStore(held), lambda cid, data: held.update({cid.digest: data}))


def embedded(folder: Path) -> Subject:
    store = EmbeddedStore(folder / "store")

    def plant(cid: Cid, data: bytes) -> None:
        store.path(cid).parent.mkdir(exist_ok=True)
        store.path(cid).write_bytes(data)

    return Subject(store, plant)


@pytest.fixture(scope="module")
def ipfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    with Kubo(tmp_path_factory.mktemp("kubo")) as ipfs:
        yield ipfs


@pytest.fixture
def kubo(ipfs: Kubo) -> Iterator[Subject]:
    """The one node of these tests, emptied after each."""
    yield Subject(KuboStore(ipfs.address), partial(kubo_blocks.plant, ipfs))
    kubo_blocks.empty(ipfs)


@pytest.fixture(params=["in memory", "embedded", "kubo"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    if request.param == "kubo":
        made: Subject = request.getfixturevalue("kubo")
        return made
    return in_memory(tmp_path) if request.param == "in memory" else embedded(tmp_path)


@pytest.fixture
def store(subject: Subject) -> BlobStore:
    return subject.store


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


class Zeros(io.RawIOBase):
    """A long stream that costs no memory."""

    def __init__(self, size: int) -> None:
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # all that BufferedReader hands over
        count = min(len(buffer), self._left)
        buffer[:count] = bytes(count)
        self._left -= count
        return count


def zeros(size: int) -> io.BufferedReader:
    return io.BufferedReader(Zeros(size))


# What goes in comes out


@pytest.mark.parametrize("size", SIZES)
def test_a_blob_comes_back_as_it_was(store: BlobStore, size: int) -> None:
    cid = put_bytes(store, content(size))
    assert read_bytes(store, cid, limit=size) == content(size)


def test_the_cid_is_what_kubo_gives(store: BlobStore) -> None:
    known = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
    assert str(put_bytes(store, b"hello world")) == known


def test_the_cid_of_a_document_holds_its_id(store: BlobStore) -> None:
    assert put_bytes(store, b"{}") == Cid.of_document(hashlib.sha256(b"{}").digest())


def test_putting_the_same_bytes_again_gives_the_same_name(store: BlobStore) -> None:
    assert put_bytes(store, content(MIB + 1)) == put_bytes(store, content(MIB + 1))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_kept_stays_as_it_was(store: BlobStore, size: int) -> None:
    cid = put_bytes(store, content(size))
    store.keep(cid)
    assert read_bytes(store, cid, limit=size) == content(size)


def test_put_takes_what_the_stream_still_holds(store: BlobStore) -> None:
    stream = io.BytesIO(b"header, body")
    stream.read(8)
    assert read_bytes(store, store.put(stream), limit=4) == b"body"


@pytest.mark.parametrize("piece", [1, 7, 65536, 2 * MIB])
def test_a_blob_can_be_read_in_pieces(store: BlobStore, piece: int) -> None:
    data = content(MIB + 5000)
    with store.open(put_bytes(store, data), limit=len(data)) as stream:
        pieces = list(iter(lambda: stream.read(piece), b""))
    assert b"".join(pieces) == data
    assert {len(each) for each in pieces[:-1]} <= {piece}


def test_several_streams_over_one_blob_do_not_disturb_each_other(store: BlobStore) -> None:
    data = content(2 * MIB)
    cid = put_bytes(store, data)
    with store.open(cid, limit=len(data)) as first, store.open(cid, limit=len(data)) as second:
        assert first.read(MIB + 1) == second.read(MIB + 1)
        assert first.read() == second.read() == data[MIB + 1 :]


def test_a_closed_stream_does_not_read(store: BlobStore) -> None:
    stream = store.open(put_bytes(store, b"hello"), limit=5)
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        stream.read()


def test_threads_may_put_and_read_at_once(store: BlobStore) -> None:
    data, wrong = content(2 * MIB + 1), []

    def work() -> None:
        if read_bytes(store, put_bytes(store, data), limit=len(data)) != data:
            wrong.append("other bytes")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_large_blob_is_never_whole_in_memory(store: BlobStore) -> None:
    size = 50 * MIB
    tracemalloc.start()
    try:
        cid = store.put(zeros(size))
        with store.open(cid, limit=size) as stream:
            total = sum(map(len, iter(lambda: stream.read(MIB), b"")))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == size
    assert peak < 10 * MIB


# What is not there, or too large


def test_a_blob_that_nobody_put_is_unavailable(store: BlobStore) -> None:
    absent = Cid.raw(bytes(32))
    with pytest.raises(BlobUnavailable, match=str(absent)):
        store.open(absent, limit=1)


def test_what_is_not_there_as_a_whole_is_not_kept(subject: Subject) -> None:
    data = content(2 * MIB + 9)  # of a size that no other test puts
    *leaves, root = blocks(io.BytesIO(data))
    for block in (root, *leaves[:-1]):
        with pytest.raises(StoreError):
            subject.store.keep(root.cid)
        subject.plant(block.cid, block.data)
    with pytest.raises(StoreError):
        subject.store.keep(root.cid)
    subject.plant(leaves[-1].cid, leaves[-1].data)
    subject.store.keep(root.cid)


def test_a_stream_that_breaks_leaves_nothing_under_the_name_of_the_whole(store: BlobStore) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= 2 * MIB:
                raise OSError("the cable is out")
            return super().read(size)

    data = content(3 * MIB + 1)  # of a size that no other test puts
    *_, root = blocks(io.BytesIO(data))
    with pytest.raises(OSError, match="cable"):
        store.put(Broken(data))
    with pytest.raises(BlobUnavailable):
        store.open(root.cid, limit=len(data))


@pytest.mark.parametrize("size", [1, MIB, MIB + 1, 3 * MIB])
def test_a_blob_above_the_limit_is_refused_before_it_is_read(store: BlobStore, size: int) -> None:
    cid = put_bytes(store, content(size))
    with pytest.raises(BlobTooLarge, match=f"{size} bytes"):
        store.open(cid, limit=size - 1)


def test_a_size_beyond_all_measure_is_refused_from_the_root_alone(subject: Subject) -> None:
    absent = Cid.dag(bytes(32))
    with pytest.raises(BlobTooLarge):
        subject.store.open(plant_node(subject, [Link(absent, 2**63, 2**63)]), limit=2**40)


# What is damaged


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("at", [0, 1, 2, -1], ids=["first leaf", "second leaf", "last leaf", "root"])
def test_one_flipped_byte_in_any_block_is_a_named_block_that_is_not_served(subject: Subject, at: int) -> None:
    made = list(blocks(io.BytesIO(content(3 * MIB))))
    cid = put_bytes(subject.store, content(3 * MIB))
    subject.plant(made[at].cid, flip(made[at].data, len(made[at].data) // 2))
    with pytest.raises(BlobDamaged, match=str(made[at].cid)):
        read_bytes(subject.store, cid, limit=3 * MIB)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b""])
def test_a_block_that_is_cut_or_grown_is_damaged(subject: Subject, damage: Callable[[bytes], bytes]) -> None:
    cid = put_bytes(subject.store, b"hello world")
    subject.plant(cid, damage(b"hello world"))
    with pytest.raises(BlobDamaged, match=str(cid)):
        subject.store.open(cid, limit=100)


@pytest.mark.slow
def test_a_flipped_byte_in_an_inner_node_is_found_when_the_reader_gets_there(subject: Subject) -> None:
    size = KUBO.chunk * KUBO.width + 1
    cid = subject.store.put(zeros(size))
    inner: Block = [block for block in blocks(zeros(size)) if block.cid.codec == DAG_PB][1]
    subject.plant(inner.cid, flip(inner.data, 40))
    with subject.store.open(cid, limit=size) as stream:
        assert len(stream.read(size - 1)) == size - 1
        with pytest.raises(BlobDamaged, match=str(inner.cid)):
            stream.read(1)


def test_what_lies_before_the_damage_can_be_read_and_the_damage_never_looks_like_the_end(
    subject: Subject,
) -> None:
    data = content(3 * MIB)
    cid = put_bytes(subject.store, data)
    subject.plant(Cid.raw(hashlib.sha256(data[MIB : 2 * MIB]).digest()), content(MIB))
    with subject.store.open(cid, limit=len(data)) as stream:
        assert stream.read(MIB) == data[:MIB]
        for _ in range(2):
            with pytest.raises(BlobDamaged):
                stream.read(1)


@pytest.mark.parametrize("subject", ["in memory", "embedded"], indirect=True)  # a node keeps what it has
def test_putting_a_damaged_blob_again_heals_it(subject: Subject) -> None:
    data = content(2 * MIB)
    cid = put_bytes(subject.store, data)
    subject.plant(Cid.raw(hashlib.sha256(data[:MIB]).digest()), b"")
    put_bytes(subject.store, data)
    assert read_bytes(subject.store, cid, limit=len(data)) == data


# What hashes well, and is laid out in another way than Kubo would

ABC = [bytes([letter]) * MIB for letter in b"ABC"]


def plant(subject: Subject, codec: int, data: bytes) -> Cid:
    cid = Cid(codec, hashlib.sha256(data).digest())
    subject.plant(cid, data)
    return cid


def plant_leaf(subject: Subject, data: bytes) -> Link:
    return Link(plant(subject, RAW, data), len(data), len(data))


def plant_node(subject: Subject, links: list[Link]) -> Cid:
    return plant(subject, DAG_PB, node.encode(links))


def link_to_node(subject: Subject, links: list[Link]) -> Link:
    below = sum(link.tsize for link in links)
    size = sum(link.size for link in links)
    return Link(plant_node(subject, links), size, below + len(node.encode(links)))


def node_that_would_read_as_its_own_bytes(subject: Subject) -> Cid:
    absent = Cid.raw(bytes(32))
    size = len(node.encode([Link(absent, 1, 0)]))
    return plant_node(subject, [Link(absent, size, 0)])


def row_too_many(subject: Subject) -> Cid:
    return plant_node(subject, [link_to_node(subject, [plant_leaf(subject, data) for data in ABC])])


def smaller_chunks(subject: Subject) -> Cid:
    return plant_node(subject, [plant_leaf(subject, bytes(1 << 18)) for _ in range(5)])


def larger_chunks(subject: Subject) -> Cid:
    return plant_node(subject, [plant_leaf(subject, b"x" * (MIB + 1)), plant_leaf(subject, b"y" * MIB)])


def short_leaf_that_the_root_says_is_full(subject: Subject) -> Cid:
    leaf = plant(subject, RAW, b"x" * (MIB - 1))
    return plant_node(subject, [Link(leaf, MIB, MIB), plant_leaf(subject, b"y")])


def long_leaf_that_the_root_says_is_short(subject: Subject) -> Cid:
    leaf = plant(subject, RAW, b"long")
    return plant_node(subject, [plant_leaf(subject, ABC[0]), Link(leaf, 1, 1)])


def total_that_is_no_sum_of_the_blocks(subject: Subject) -> Cid:
    first, second = plant_leaf(subject, ABC[0]), plant_leaf(subject, b"y")
    return plant_node(subject, [first, Link(second.cid, second.size, second.tsize + 1)])


def leaves_that_are_nodes(subject: Subject) -> Cid:
    wrapped = link_to_node(subject, [plant_leaf(subject, ABC[0])])
    return plant_node(subject, [wrapped, plant_leaf(subject, b"y")])


def leaf_that_is_named_as_a_node(subject: Subject) -> Cid:
    return plant_node(subject, [Link(plant(subject, DAG_PB, ABC[0]), MIB, MIB), plant_leaf(subject, b"y")])


def respelled(*change: tuple[bytes, bytes]) -> Callable[[Subject], Cid]:
    """A well laid out root, but for some bytes."""

    def build(subject: Subject) -> Cid:
        data = node.encode([plant_leaf(subject, ABC[0]), plant_leaf(subject, b"y")])
        for old, new in change:
            assert old in data
            data = data.replace(old, new)
        return plant(subject, DAG_PB, data)

    return build


UNIXFS = b"\x0a\x0c\x08\x02\x18\x81\x80\x40\x20\x80\x80\x40\x20\x01"  # of a file of MIB + 1 bytes
LINK = b"\x0a\x24" + bytes(Cid.raw(hashlib.sha256(b"y").digest())) + b"\x12\x00\x18\x01"  # to the last leaf

MALFORMED = {
    "a node above a blob of one chunk": lambda subject: plant_node(subject, [plant_leaf(subject, b"small")]),
    "a node above nothing": lambda subject: plant_node(subject, []),
    "a node that would read as its own bytes": node_that_would_read_as_its_own_bytes,
    "one row of nodes too many": row_too_many,
    "chunks of 256 KiB": smaller_chunks,
    "chunks above 1 MiB": larger_chunks,
    "a raw block above 1 MiB": lambda subject: plant(subject, RAW, bytes(MIB + 1)),
    "a short leaf that the root says is full": short_leaf_that_the_root_says_is_full,
    "a long leaf that the root says is short": long_leaf_that_the_root_says_is_short,
    "a total that is no sum of the blocks": total_that_is_no_sum_of_the_blocks,
    "leaves that are nodes": leaves_that_are_nodes,
    "a leaf that is named as a node": leaf_that_is_named_as_a_node,
    "not protobuf": lambda subject: plant(subject, DAG_PB, b"hello world"),
    "no bytes": lambda subject: plant(subject, DAG_PB, b""),
    "UnixFS directory": respelled((UNIXFS[:4], b"\x0a\x0c\x08\x01")),
    "UnixFS symbolic link": respelled((UNIXFS[:4], b"\x0a\x0c\x08\x04")),
    "bytes of the file in the node": respelled((UNIXFS[:4], b"\x0a\x0f\x08\x02\x12\x01z")),
    "a file with a mode": respelled((UNIXFS, b"\x0a\x0f" + UNIXFS[2:] + b"\x38\xa4\x03")),
    "a file size that is not the sum": respelled((b"\x18\x81\x80\x40", b"\x18\x82\x80\x40")),
    "a block size too few": respelled((UNIXFS, b"\x0a\x0a" + UNIXFS[2:-2])),
    "a field that nobody knows": respelled((UNIXFS, UNIXFS + b"\x28\x01")),
    "a length beyond the end": respelled((UNIXFS[:2], b"\x0a\x7f")),
    "a number that never ends": respelled((UNIXFS, UNIXFS + b"\x28" + b"\xff" * 11)),
    "a longer spelling of a number": respelled((UNIXFS[:4], b"\x0a\x0d\x08\x82\x00")),
    "a link with a name": respelled((b"\x12\x2a" + LINK, b"\x12\x2b" + LINK[:-3] + b"\x01n" + LINK[-2:])),
    "a link to an identity hash": respelled((b"\x01\x55\x12\x20", b"\x01\x55\x00\x20")),
    "a link to a sha3 block": respelled((b"\x01\x55\x12\x20", b"\x01\x55\x16\x20")),
    "no UnixFS data": respelled((UNIXFS, b"")),
}


@pytest.mark.parametrize("build", MALFORMED.values(), ids=MALFORMED.keys())
def test_another_layout_is_malformed_though_every_hash_is_right(
    subject: Subject, build: Callable[[Subject], Cid]
) -> None:
    with pytest.raises(BlobMalformed):
        read_bytes(subject.store, build(subject), limit=10 * MIB)


def test_the_same_blocks_in_the_right_layout_read(subject: Subject) -> None:
    assert read_bytes(subject.store, respelled()(subject), limit=2 * MIB) == ABC[0] + b"y"


def test_links_in_another_order_are_another_blob(subject: Subject) -> None:
    leaves = [plant_leaf(subject, data) for data in ABC]
    for links in itertools.permutations(leaves):
        data = read_bytes(subject.store, plant_node(subject, list(links)), limit=3 * MIB)
        assert put_bytes(subject.store, data) == plant_node(subject, list(links))


def test_a_block_that_no_node_of_the_network_would_exchange_is_not_served(subject: Subject) -> None:
    with pytest.raises(BlobUnavailable):
        subject.store.open(plant(subject, RAW, bytes(2 * MIB + 1)), limit=10 * MIB)
