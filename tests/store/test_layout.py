"""The layout is Kubo's, byte for byte, and a blob in any other layout does not read."""

import dataclasses
import hashlib
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.errors import BlobDamaged, BlobMalformed, BlobUnavailable
from fl.store import node
from fl.store.cid import DAG_PB, RAW, Cid
from fl.store.layout import Layout, blocks
from fl.store.node import Link
from fl.store.reader import open_blob

SMALL = Layout(chunk=4, width=3)
KUBO_CIDS: dict[str, str] = json.loads((Path(__file__).parent / "kubo_cids.json").read_text())["cids"]

Blocks = dict[Cid, bytes]
contents = st.binary(max_size=130)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Counting(io.RawIOBase):
    """The bytes 0, 1, … 250, 0, 1, … up to `size`, a few at a time, as a pipe gives them."""

    def __init__(self, size: int, at_a_time: int) -> None:
        self._at, self._size, self._at_a_time = 0, size, at_a_time
        self._unit = bytes(range(251)) * (at_a_time // 251 + 2)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        count = min(size, self._at_a_time, self._size - self._at)
        start = self._at % 251
        self._at += count
        return self._unit[start : start + count]


def build(content: bytes) -> tuple[Cid, Blocks]:
    made = list(blocks(io.BytesIO(content), SMALL))
    return made[-1].cid, {block.cid: block.data for block in made}


def read(made: Blocks, cid: Cid) -> bytes:
    def fetch(cid: Cid) -> bytes:
        if cid not in made:
            raise BlobUnavailable(f"no {cid}")
        return made[cid]

    return open_blob(fetch, cid, 1000, SMALL).read()


@pytest.mark.parametrize("size", KUBO_CIDS)
def test_a_blob_has_the_cid_that_kubo_gives_it(size: str) -> None:
    *_, root = blocks(Counting(int(size), at_a_time=1 << 20))  # type: ignore[arg-type]  # it only has to read
    assert str(root.cid) == KUBO_CIDS[size]


@pytest.mark.parametrize("at_a_time", [999, 65536, 5 << 20])
def test_the_cid_does_not_depend_on_how_the_bytes_arrive(at_a_time: int) -> None:
    *_, root = blocks(Counting(3145733, at_a_time))  # type: ignore[arg-type]  # it only has to read
    assert str(root.cid) == KUBO_CIDS["3145733"]


@given(contents)
def test_what_was_built_reads_back(content: bytes) -> None:
    cid, made = build(content)
    assert read(made, cid) == content


@given(contents)
def test_blocks_come_children_first_so_that_a_root_never_comes_before_what_it_names(content: bytes) -> None:
    seen: set[Cid] = set()
    for block in blocks(io.BytesIO(content), SMALL):
        if block.cid.codec == DAG_PB:
            assert {link.cid for link in node.decode(block.data)} <= seen
        seen.add(block.cid)


@given(contents, st.data())
def test_a_change_in_any_block_is_found_before_a_wrong_byte_comes_out(
    content: bytes, data: st.DataObject
) -> None:
    cid, made = build(content)
    victim = data.draw(st.sampled_from(list(made)))
    made[victim] = data.draw(st.binary(max_size=20).filter(lambda other: other != made[victim]))
    with pytest.raises(BlobDamaged, match=str(victim)):
        read(made, cid)


@given(contents, st.data())
def test_a_missing_block_is_named(content: bytes, data: st.DataObject) -> None:
    cid, made = build(content)
    victim = data.draw(st.sampled_from(list(made)))
    del made[victim]
    with pytest.raises(BlobUnavailable, match=str(victim)):
        read(made, cid)


@st.composite
def trees(draw: st.DrawFn) -> tuple[Cid, Blocks]:
    """Trees of all shapes in which every hash and every size is right."""
    made: Blocks = {}

    def add(cid: Cid, data: bytes) -> Cid:
        made[cid] = data
        return cid

    def leaf(data: bytes) -> Link:
        return Link(add(Cid.raw(sha256(data)), data), len(data), len(data))

    def parent(links: list[Link]) -> Link:
        data = node.encode(links)
        below = sum(link.tsize for link in links)
        return Link(add(Cid.dag(sha256(data)), data), sum(link.size for link in links), len(data) + below)

    row = [
        leaf(data) for data in draw(st.lists(st.sampled_from([b"abcd", b"ab", b"abcde", b""]), min_size=1))
    ]
    while len(row) > 1 or draw(st.booleans()):
        width = draw(st.integers(2, 4))
        row = [parent(row[at : at + width]) for at in range(0, len(row), width)]
    return row[0].cid, made


@given(trees())
def test_only_the_tree_that_the_size_demands_reads(tree: tuple[Cid, Blocks]) -> None:
    cid, made = tree
    try:
        content = read(made, cid)
    except BlobMalformed:
        return
    assert build(content)[0] == cid


@given(contents.filter(lambda content: len(content) > SMALL.chunk), st.data())
def test_a_size_that_a_node_gets_wrong_is_found(content: bytes, data: st.DataObject) -> None:
    cid, made = build(content)
    links = node.decode(made[cid])
    at = data.draw(st.integers(0, len(links) - 1))
    off = data.draw(st.sampled_from([-1, 1]))
    field = data.draw(st.sampled_from(["size", "tsize"]))
    links[at] = dataclasses.replace(links[at], **{field: getattr(links[at], field) + off})
    root = Cid.dag(sha256(node.encode(links)))
    with pytest.raises(BlobMalformed):
        read(made | {root: node.encode(links)}, root)


@given(contents.filter(lambda content: len(content) > SMALL.chunk), st.data())
def test_a_child_under_the_other_codec_is_another_layout(content: bytes, data: st.DataObject) -> None:
    cid, made = build(content)
    links = node.decode(made[cid])
    at = data.draw(st.integers(0, len(links) - 1))
    child = links[at].cid
    other = Cid(RAW if child.codec == DAG_PB else DAG_PB, child.digest)
    links[at] = dataclasses.replace(links[at], cid=other)
    root = Cid.dag(sha256(node.encode(links)))
    with pytest.raises(BlobMalformed):
        read(made | {other: made[child], root: node.encode(links)}, root)
