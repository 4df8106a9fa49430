"""How blocks become a blob again: a stream that checks hash and layout of a block before a byte leaves it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from fl.errors import BlobDamaged, BlobMalformed, BlobTooLarge, FedledgerError, StoreError
from fl.store import node
from fl.store.ahead import in_order
from fl.store.cid import DAG_PB, RAW, Cid
from fl.store.layout import KUBO, Layout
from fl.store.node import Link

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_BLOCK = 2 << 20
"""Bytes. No IPFS node sends or takes a larger block, and no source hands out more of one."""

_BUFFER = 64 << 10

Fetch = Callable[[Cid], bytes]
"""Gives at most MAX_BLOCK bytes, said to be the block and checked here; or raises BlobUnavailable."""


def open_blob(fetch: Fetch, cid: Cid, limit: int, layout: Layout = KUBO, ahead: int = 0) -> BinaryIO:
    """Open the blob named `cid`, whose blocks `fetch` serves. Holds a few blocks, whatever the size.

    The root is fetched here, all other blocks when their bytes are read, and `ahead` of them before.
    Raises as `BlobStore.open` does, here and in every read.
    """
    root = fetch_checked(fetch, cid)
    link = _link_to_root(cid, root)
    if link.size > limit:
        raise BlobTooLarge(f"{cid} holds {link.size} bytes, and at most {limit} are read here.")
    height = layout.height(link.size)
    if cid.codec != _codec(height):
        raise BlobMalformed(f"{cid} is not laid out as its {link.size} bytes demand.")
    leaves = _Walk(fetch, layout, ahead).leaves(link, root, height)
    return io.BufferedReader(_Pieces(leaves), _BUFFER)


def fetch_checked(fetch: Fetch, cid: Cid) -> bytes:
    """Fetch a block. Raises BlobDamaged when it is not the one of this name, and what `fetch` raises."""
    block = fetch(cid)
    if hashlib.sha256(block).digest() != cid.digest:
        raise BlobDamaged(
            f"Block {cid} came with bytes that do not match its name.",
            "The store holds or serves it damaged.",
        )
    return block


def _link_to_root(cid: Cid, root: bytes) -> Link:
    """Make the link that a node above the root would hold."""
    if cid.codec == RAW:
        return Link(cid, len(root), len(root))
    links = _links(cid, root)
    return Link(cid, sum(link.size for link in links), len(root) + sum(link.tsize for link in links))


def _links(cid: Cid, block: bytes) -> list[Link]:
    try:
        return node.decode(block)
    except (ValueError, StoreError) as error:
        raise BlobMalformed(f"Block {cid} is not a node of a file in the layout used here.") from error


def _codec(height: int) -> int:
    return DAG_PB if height else RAW


class _Walk:
    """The way over the leaves from left to right, checking that every block is what the one above it says."""

    def __init__(self, fetch: Fetch, layout: Layout, ahead: int) -> None:
        self._fetch = fetch
        self._layout = layout
        self._ahead = ahead

    def leaves(self, link: Link, block: bytes, height: int) -> Iterator[bytes]:
        """Yield the leaves below a block whose hash was checked; it stands `height` rows above them."""
        if height == 0:
            _check(len(block) == link.size == link.tsize, link)
            yield block
            return
        links = _links(link.cid, block)
        _check(self._is_shaped(links, link.size, height), link)
        _check(len(block) + sum(child.tsize for child in links) == link.tsize, link)
        for child, below in zip(links, self._fetched(links), strict=True):
            yield from self.leaves(child, below, height - 1)

    def _fetched(self, links: list[Link]) -> Iterator[bytes]:
        def fetch(link: Link) -> bytes:
            return fetch_checked(self._fetch, link.cid)

        return in_order(fetch, links, self._ahead) if self._ahead else map(fetch, links)

    def _is_shaped(self, links: list[Link], size: int, height: int) -> bool:
        """The size settles how many children there are, how much is below each, and their kind."""
        sizes = [child.size for child in links]
        codecs = {child.cid.codec for child in links}
        return sizes == self._layout.parts(size, height) and codecs == {_codec(height - 1)}


def _check(holds: bool, link: Link) -> None:
    if not holds:
        raise BlobMalformed(f"Block {link.cid} is not laid out as {link.size} bytes of a file demand.")


class _Pieces(io.RawIOBase):
    """A stream over pieces. Once it has failed, it stays failed: what follows a bad block is not the end."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")
        self._failure: FedledgerError | None = None

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

    def readall(self) -> bytes:
        """Everything that is left, not in the small pieces that a stream asks for by itself."""
        whole = io.BytesIO()  # grows where it is: joining pieces would take the memory twice
        whole.write(self._rest)
        self._rest = memoryview(b"")
        while (piece := self._next()) is not None:
            whole.write(piece)
        return whole.getvalue()

    def _next(self) -> bytes | None:
        if self._failure:
            raise self._failure
        try:
            return next(self._pieces, None)
        except FedledgerError as failure:
            self._failure = failure
            raise
