"""A store for tests and for runs that leave nothing behind."""

from __future__ import annotations

from typing import BinaryIO

from fl.errors import BlobUnavailable
from fl.store.cid import Cid
from fl.store.collecting import reachable
from fl.store.layout import blocks
from fl.store.reader import MAX_BLOCK, open_blob


class MemoryStore:
    """Blocks in a dictionary, by digest: the given one, or one of its own. Threads may share it."""

    def __init__(self, blocks: dict[bytes, bytes] | None = None) -> None:
        self._blocks = {} if blocks is None else blocks

    def put(self, stream: BinaryIO) -> Cid:
        """See `BlobStore.put`."""
        for block in blocks(stream):
            self._blocks[block.cid.digest] = block.data
        return block.cid

    def keep(self, cid: Cid) -> None:
        """See `BlobStore.keep`."""
        for block in reachable(self._fetch, cid):
            if block.digest not in self._blocks:
                raise BlobUnavailable(f"Block {block} is not in this store.")

    def open(self, cid: Cid, limit: int) -> BinaryIO:
        """See `BlobStore.open`."""
        return open_blob(self._fetch, cid, limit)

    def _fetch(self, cid: Cid) -> bytes:
        try:
            return self._blocks[cid.digest][:MAX_BLOCK]
        except KeyError:
            raise BlobUnavailable(f"Block {cid} is not in this store.") from None
