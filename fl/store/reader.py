"""How blocks become a blob again: a stream that checks each block's hash, and the layout, before a byte leaves it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from fl.errors import BlobMalformed, BlobTooLarge, BlobUnavailable, StoreError
from fl.store import node
from fl.store.cid import DAG_PB, RAW, Cid
from fl.store.layout import KUBO, Layout
from fl.store.node import Link

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_BLOCK = 2 << 20
"""No IPFS node exchanges a larger block: a source answers as if it did not have it."""

_BUFFER = 64 << 10

Fetch = Callable[[Cid], bytes]
"""Bytes that are said to be the block (they are checked here), or BlobUnavailable."""


def open_blob(fetch: Fetch, cid: Cid, limit: int, layout: Layout = KUBO) -> BinaryIO:
    """Open the blob named `cid`, whose blocks `fetch` serves. Holds a few blocks, whatever the size.

    The root is fetched here, all other blocks when their bytes are read.
    Raises as `BlobStore.open` does, here and in every read.
    """
    root = _fetch_checked(fetch, cid)
    size = len(root) if cid.codec == RAW else sum(link.size for link in _links(cid, root))
    if size > limit:
        raise BlobTooLarge(f"{cid} holds {size} bytes, and at most {limit} are read here.")
    height = layout.height(size)
    if cid.codec != _codec(height):
        raise BlobMalformed(f"{cid} is not laid out as its {size} bytes demand: {height} rows of nodes.")
    walk = _Walk(fetch, layout)
    return io.BufferedReader(_Chunks(walk.below(Link(cid, size, 0), root, height)), _BUFFER)


def _fetch_checked(fetch: Fetch, cid: Cid) -> bytes:
    block = fetch(cid)
    if hashlib.sha256(block).digest() != cid.digest:
        raise BlobUnavailable(
            f"Block {cid} came with bytes that do not match its name.", "The store holds or serves it damaged."
        )
    return block


def _links(cid: Cid, block: bytes) -> list[Link]:
    try:
        return node.decode(block)
    except ValueError as error:
        raise BlobMalformed(f"Block {cid} is not a node of a file: {error}.") from error


def _codec(height: int) -> int:
    return DAG_PB if height else RAW


class _Walk:
    """The leaves from left to right, by depth first."""

    def __init__(self, fetch: Fetch, layout: Layout) -> None:
        self._fetch = fetch
        self._layout = layout

    def below(self, link: Link, block: bytes, height: int) -> Iterator[bytes]:
        """Yield the leaves below a block that was checked, `height` rows above them."""
        if height == 0:
            yield block
            return
        links = _links(link.cid, block)
        self._check_shape(link, links, height)
        for child in links:
            fetched = _fetch_checked(self._fetch, child.cid)
            self._check_size(child, fetched, height - 1)
            yield from self.below(child, fetched, height - 1)

    def _check_shape(self, link: Link, links: list[Link], height: int) -> None:
        """The size settles how many children there are, how much is below each, and of which kind they are."""
        codecs = {child.cid.codec for child in links}
        sizes = [child.size for child in links]
        if sizes != self._layout.parts(link.size, height) or codecs != {_codec(height - 1)}:
            raise BlobMalformed(f"Block {link.cid} is not laid out as its {link.size} bytes demand.")

    def _check_size(self, link: Link, block: bytes, height: int) -> None:
        below = sum(child.tsize for child in _links(link.cid, block)) if height else 0
        size = link.size if height else len(block)
        if (size, below + len(block)) != (link.size, link.tsize):
            raise BlobMalformed(f"Block {link.cid} has another size than the node above it says.")


class _Chunks(io.RawIOBase):
    """A stream over pieces. Once it has failed, it stays failed: what follows a bad block is not the end."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")
        self._failure: StoreError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        target = memoryview(buffer).cast("B")
        while not self._rest and (piece := self._next()) is not None:
            self._rest = memoryview(piece)
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _next(self) -> bytes | None:
        if self._failure:
            raise self._failure
        try:
            return next(self._pieces, None)
        except StoreError as failure:
            self._failure = failure
            raise
