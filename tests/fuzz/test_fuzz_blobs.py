"""Names, nodes and trees of blocks from whoever: refused, or exactly what we would have written."""

from __future__ import annotations

import io
from collections import Counter
from contextlib import suppress

import pytest
from hostile import mutations, refused_or_same
from hypothesis import given
from hypothesis import strategies as st
from profiles import effort

from fl.canonical import sha256
from fl.errors import BlobTooLarge, BlobUnavailable, StoreError
from fl.store import node
from fl.store.cid import DAG_PB, RAW, Cid
from fl.store.layout import Layout, blocks
from fl.store.node import Link
from fl.store.reader import open_blob

SMALL = Layout(chunk=4, width=3)
NAMES = [Cid.raw(sha256(b"a")), Cid.dag(sha256(b"b"))]
SPELLINGS = [str(cid).encode() for cid in NAMES]
TREE = list(blocks(io.BytesIO(bytes(range(100))), SMALL))
NODES = [block.data for block in TREE if block.cid.codec == DAG_PB]


@effort(300, 2_000)
@given(
    mutations(*[str(cid).encode() for cid in NAMES]) | st.text(max_size=80).map(lambda t: t.encode("utf-8"))
)
def test_a_name_is_refused_or_is_the_one_spelling_of_a_cid(data):
    refused_or_same(Cid.parse, str, data.decode("utf-8", "replace"))


@effort(300, 2_000)
@given(mutations(*map(bytes, NAMES)) | st.binary(max_size=50))
def test_a_binary_name_is_refused_or_is_the_one_spelling_of_a_cid(data):
    refused_or_same(Cid.from_bytes, bytes, data)


@effort(400, 2_000)
@given(mutations(*NODES) | st.binary(max_size=100))
def test_a_node_is_refused_or_is_the_one_spelling_of_its_links(data):
    try:
        links = node.decode(data)
    except (ValueError, StoreError):  # what it says it raises
        return
    assert node.encode(links) == data


# --- trees


class Forest:
    """Blocks of whatever shape, each under its right name; counts what is asked for."""

    def __init__(self) -> None:
        self.blocks: dict[Cid, bytes] = {}
        self.fetched: Counter[Cid] = Counter()

    def add(self, codec: int, data: bytes) -> Cid:
        cid = Cid(codec, sha256(data))
        self.blocks[cid] = data
        return cid

    def fetch(self, cid: Cid) -> bytes:
        self.fetched[cid] += 1
        if cid not in self.blocks:
            raise BlobUnavailable(f"no {cid}")
        return self.blocks[cid]

    def read(self, cid: Cid, limit: int) -> bytes:
        with open_blob(self.fetch, cid, limit, SMALL) as stream:
            return stream.read()


SIZES = st.sampled_from([0, 1, 3, 4, 5, 12, 2**31, 2**53, 2**63, 2**64 - 1])


@st.composite
def forests(draw: st.DrawFn) -> tuple[Forest, Cid]:
    """Nodes over nodes that share children, lie about sizes, or are no nodes; the root comes last."""
    forest = Forest()
    made = [Link(forest.add(RAW, leaf), len(leaf), len(leaf)) for leaf in (b"", b"abcd", b"ab")]
    for _ in range(draw(st.integers(1, 6))):
        if draw(st.integers(0, 5)) == 0:
            data = draw(mutations(*NODES))
        else:
            children = draw(st.lists(st.sampled_from(made), min_size=1, max_size=4))
            if draw(st.booleans()):
                children = children[:1] * draw(st.integers(1, 4))
            data = node.encode(children)
        size, below = _sizes(data)
        codec = RAW if draw(st.integers(0, 7)) == 0 else DAG_PB
        link = Link(forest.add(codec, data), size, below + len(data))
        if draw(st.integers(0, 5)) == 0:
            link = Link(link.cid, draw(SIZES), draw(SIZES))
        made.append(link)
    return forest, made[-1].cid


def _sizes(data: bytes) -> tuple[int, int]:
    try:
        links = node.decode(data)
    except (ValueError, StoreError):
        return 0, 0
    return sum(link.size for link in links), sum(link.tsize for link in links)


@effort(400, 2_000)
@given(forests(), st.integers(0, 200))
def test_a_tree_is_refused_or_is_the_blob_that_we_would_have_written(tree, limit):
    forest, root = tree
    try:
        content = forest.read(root, limit)
    except StoreError:
        return
    assert len(content) <= limit
    *_, ours = blocks(io.BytesIO(content), SMALL)
    assert ours.cid == root


@effort(400, 2_000)
@given(forests(), st.integers(0, 200))
def test_no_tree_makes_a_reader_fetch_more_blocks_than_its_limit_can_fill(tree, limit):
    forest, root = tree
    with suppress(StoreError):
        forest.read(root, limit)
    leaves = limit // SMALL.chunk + 1
    assert forest.fetched.total() <= 2 * leaves + 2


def test_a_tree_that_shares_its_blocks_costs_what_it_holds_and_no_more():
    """Twenty nodes over one leaf are a blob of gigabytes: only its root is fetched, or what is asked for."""
    forest = Forest()
    link = Link(forest.add(RAW, b"abcd"), 4, 4)
    for _ in range(20):
        data = node.encode([link] * 3)
        size, below = 3 * link.size, 3 * link.tsize + len(data)
        link = Link(forest.add(DAG_PB, data), size, below)
    with pytest.raises(BlobTooLarge):
        forest.read(link.cid, link.size - 1)
    assert forest.fetched.total() == 1
    with open_blob(forest.fetch, link.cid, link.size, SMALL) as stream:
        assert stream.read(10) == b"abcdabcdab"
    assert forest.fetched.total() < 60_000  # a buffer's worth of leaves, of which there are billions
