"""The store port: content goes in, a CID comes out; no byte comes out unless the CID vouches for it."""

from __future__ import annotations

import io
from typing import BinaryIO, Protocol

from fl.canonical import MAX_DOCUMENT_BYTES, sha256
from fl.errors import BlobUnavailable
from fl.store.cid import Cid


class Readable(Protocol):
    """Whatever blobs can be read from."""

    def open(self, cid: Cid, limit: int) -> BinaryIO:
        """As `BlobStore.open`."""
        ...


class BlobStore(Readable, Protocol):
    """Where weights and documents lie. Adapters: `memory`, `embedded`, `kubo`.

    Every adapter gives the CIDs that Kubo gives for the same bytes with
    `cid-version=1, raw-leaves=true, chunker=size-1048576`.
    """

    def put(self, stream: BinaryIO) -> Cid:
        """Store everything that `stream` still holds, durably, and return its CID.

        Reads in pieces; a crash leaves either the whole blob or nothing that `open` would find. Putting a
        blob again is harmless, and keeps it from then on where content can go: on an IPFS node it is pinned.
        Raises StoreError when the blob cannot be stored, StoreUnavailable when the store does not answer.
        """
        ...

    def keep(self, cid: Cid) -> None:
        """Keep a blob that was read from here, as `put` does, without having its bytes moved again.

        Its blocks are looked for, not read. Raises StoreError when some are not there (BlobUnavailable where
        the store can tell), StoreUnavailable when the store does not answer.
        """
        ...

    def open(self, cid: Cid, limit: int) -> BinaryIO:
        """Return a stream over the blob; the caller closes it (`with`).

        A block is checked against its hash before any byte of it is handed out, so `open` and every
        `read` can raise: BlobUnavailable (not there), BlobDamaged (there, but other bytes), BlobMalformed
        (another layout than the size demands), BlobTooLarge (more than `limit` bytes; raised by `open`,
        from the root alone); and StoreUnavailable, which says nothing about the blob.
        """
        ...


def put_bytes(store: BlobStore, data: bytes) -> Cid:
    """Store `data`."""
    return store.put(io.BytesIO(data))


def read_bytes(store: Readable, cid: Cid, limit: int) -> bytes:
    """Read a whole blob of at most `limit` bytes. Raises as `BlobStore.open` does."""
    with store.open(cid, limit) as stream:
        return stream.read()


def read_document(store: Readable, id_: bytes) -> bytes:
    """Read a document's bytes by its id; a store that gives other bytes has not served it.

    Raises as `BlobStore.open` does.
    """
    data = read_bytes(store, Cid.of_document(id_), MAX_DOCUMENT_BYTES)
    if sha256(data) != id_:
        raise BlobUnavailable(f"The store gave other bytes than document {id_.hex()}.")
    return data
