"""A store in a folder: no daemon, several processes, and nothing lost or half there after a crash.

FOLDER/blocks/2c/2cf24dba…    one file a block, named by its SHA-256: `sha256sum` checks it by hand
FOLDER/partial/…              blocks that are being written; left over only by a killed process
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fl.errors import BlobUnavailable, StoreError
from fl.files import sync_folder, write_new
from fl.store.cid import Cid
from fl.store.layout import Block, blocks
from fl.store.reader import MAX_BLOCK, open_blob

_ABANDONED = 3600.0
"""Seconds after which a partial file has no writer any more: writing a block takes far less."""


class EmbeddedStore:
    """Blocks as files below `folder`, which is made if it is missing.

    Raises StoreError when the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blocks = folder / "blocks"
        self._partial = folder / "partial"
        with self._writing():
            _make_folder(self._blocks)
            _make_folder(self._partial)
            self._sweep()

    def put(self, stream: BinaryIO) -> Cid:
        """See `BlobStore.put`. The root is written last, when everything below it is on the disk."""
        below: set[Path] = set()
        last: Block | None = None
        for block in blocks(stream):
            if last:
                below.add(self._write(last))
            last = block
        assert last, "even an empty stream has a root"
        self._sync(below)
        self._sync({self._write(last)})
        return last.cid

    def open(self, cid: Cid, limit: int) -> BinaryIO:
        """See `BlobStore.open`."""
        return open_blob(self._read, cid, limit)

    def path(self, cid: Cid) -> Path:
        """Say where the block named `cid` lies, or would."""
        name = cid.digest.hex()
        return self._blocks / name[:2] / name

    def _read(self, cid: Cid) -> bytes:
        try:
            with self.path(cid).open("rb") as file:
                return file.read(MAX_BLOCK)
        except FileNotFoundError:
            raise BlobUnavailable(f"Block {cid} is not in the store {self._folder}.") from None
        except OSError as error:
            raise BlobUnavailable(
                f"Block {cid} cannot be read from the store {self._folder}: {error}"
            ) from error

    def _write(self, block: Block) -> Path:
        """Write a block that is not there yet, or is there damaged, and return the folder to sync.

        The rename is atomic and comes after the sync, so that a name stands for whole bytes on the disk, also
        when two processes write the same block.
        """
        path = self.path(block.cid)
        with self._writing():
            path.parent.mkdir(exist_ok=True)
            if not _holds(path, block.data):
                partial = self._partial / secrets.token_hex(16)
                write_new(partial, block.data)
                partial.replace(path)
        return path.parent

    def _sync(self, folders: set[Path]) -> None:
        """Put the names of written blocks on the disk, and the names of the folders that they are in."""
        with self._writing():
            for folder in (*folders, self._blocks):
                sync_folder(folder)

    def _sweep(self) -> None:
        """Remove what killed processes have left over."""
        oldest = time.time() - _ABANDONED
        for partial in self._partial.iterdir():
            with suppress(OSError):  # taken by another process, or not ours: it only costs room
                if partial.stat().st_mtime < oldest:
                    partial.unlink()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"The store {self._folder} cannot be written: {error.strerror or error}.",
                "Check that it is a folder, that it is yours, and that the disk has room.",
            ) from error


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except FileNotFoundError:
        return False


def _make_folder(folder: Path) -> None:
    """Make a folder, and those above it, so that their names survive a crash."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
