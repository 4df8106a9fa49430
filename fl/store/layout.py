"""How a blob becomes blocks: the balanced tree of Kubo, built from a stream and shaped by the size alone.

A blob of at most one chunk is one raw block. A larger one is cut into chunks, the raw leaves, below nodes
of up to `width` children: every leaf is at the same depth, and every node full but the last of its row.
Source: https://github.com/ipfs/boxo/tree/main/ipld/unixfs/importer/balanced
"""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from fl.store import node
from fl.store.cid import Cid
from fl.store.node import Link


@dataclass(frozen=True, slots=True)
class Block:
    """A block and its name."""

    cid: Cid
    data: bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """`chunk` bytes a leaf, `width` children a node."""

    chunk: int
    width: int

    def height(self, size: int) -> int:
        """Count the rows of nodes above the leaves of a blob of `size` bytes."""
        height, room = 0, self.chunk
        while room < size:
            height, room = height + 1, room * self.width
        return height

    def parts(self, size: int, height: int) -> list[int]:
        """List the bytes below each child of a node that has `size` bytes below it."""
        full = self.chunk * self.width ** (height - 1)
        whole, rest = divmod(size, full)
        return [full] * whole + [rest] * (rest > 0)


KUBO = Layout(chunk=1 << 20, width=174)
"""`cid-version=1, raw-leaves=true, chunker=size-1048576`, and Kubo's default link width."""


def blocks(stream: BinaryIO, layout: Layout = KUBO) -> Iterator[Block]:
    """Cut everything that `stream` still holds into blocks, children first; the last one is the root.

    Holds one chunk and one row of links a level, whatever the size.
    """
    tree = _Tree(layout.width)
    for chunk in _chunks(stream, layout.chunk):
        leaf = Block(Cid.raw(hashlib.sha256(chunk).digest()), chunk)
        yield leaf
        yield from tree.add(Link(leaf.cid, len(chunk), len(chunk)))
    yield from tree.finish()


def cid_of(data: bytes) -> Cid:
    """Name `data` without storing it, or holding its blocks."""
    return deque(blocks(io.BytesIO(data)), maxlen=1).pop().cid


def _chunks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield full chunks and a last shorter one; a single empty one for an empty stream."""
    chunk = _read_full(stream, size)
    while True:
        yield chunk
        if len(chunk) < size or not (chunk := _read_full(stream, size)):
            return


def _read_full(stream: BinaryIO, size: int) -> bytes:
    """Read `size` bytes: pipes and sockets give fewer at a time."""
    pieces, missing = [], size
    while missing and (piece := stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


class _Tree:
    """The right edge of the tree: for each row, the links that still wait for their node."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._rows: list[list[Link]] = []

    def add(self, link: Link, row: int = 0) -> Iterator[Block]:
        """Append a link to a row; a full row gets its node only when one more link comes."""
        if row == len(self._rows):
            self._rows.append([])
        if len(self._rows[row]) == self._width:
            yield from self._close(row)
        self._rows[row].append(link)

    def finish(self) -> Iterator[Block]:
        """Close row after row until one link is left, the root."""
        row = 0
        while row < len(self._rows) - 1 or len(self._rows[row]) > 1:
            yield from self._close(row)
            row += 1

    def _close(self, row: int) -> Iterator[Block]:
        links, self._rows[row] = self._rows[row], []
        data = node.encode(links)
        block = Block(Cid.dag(hashlib.sha256(data).digest()), data)
        yield block
        size, below = sum(link.size for link in links), sum(link.tsize for link in links)
        yield from self.add(Link(block.cid, size, below + len(data)), row + 1)
