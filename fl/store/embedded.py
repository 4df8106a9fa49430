"""A store in a folder: no daemon, several processes, and nothing lost or half there after a crash.

FOLDER/blocks/2c/2cf24dba…    one file a block, named by its SHA-256: `sha256sum` checks it by hand
FOLDER/partial/…              blocks that are being written; left over only by a killed process
FOLDER/lock                   shared by who puts, held alone by who removes what no task names

Reading writes nothing: a copy of `blocks` alone, on a read-only disk, can be read too.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fl.errors import BlobUnavailable, StoreError, StoreUnavailable
from fl.files import sync_folder, write_new
from fl.store.cid import Cid
from fl.store.collecting import Collected, Named, reachable
from fl.store.layout import Block, blocks
from fl.store.reader import MAX_BLOCK, open_blob

_ABANDONED = 3600.0
"""Seconds after which a partial file has no writer any more: writing a block takes far less."""

_WRITERS = 4
"""Threads that write blocks while the next ones are hashed: a disk syncs four files in the time of one."""

_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE}
"""Errors of reading that are this process's or the disk's, whichever block is asked for."""

_NAME = re.compile(r"[0-9a-f]{64}")


class EmbeddedStore:
    """Blocks as files below `folder`, which is made if it is missing.

    Raises StoreError when it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blocks = folder / "blocks"
        self._partial = folder / "partial"
        self._known: set[Path] = set()  # folders below `blocks` whose own names are on the disk: they stay
        with self._writing():
            _make_folder(self._blocks)

    def put(self, stream: BinaryIO) -> Cid:
        """See `BlobStore.put`. The root is written last, when everything below it is on the disk."""
        with self._writing():
            self._prepare()
        with self._locked(fcntl.LOCK_SH), ThreadPoolExecutor(_WRITERS) as writers:
            below, root = self._write_below(writers, blocks(stream))
            if below:
                list(writers.map(self._sync, below))
                self._sync_new(below)
            folder = self._write(root)
            self._sync(folder)  # no thread is started for a blob of one block
            self._sync_new({folder})
        return root.cid

    def keep(self, cid: Cid) -> None:
        """See `BlobStore.keep`. Its blocks count as new, as those that are put again do."""
        with self._locked(fcntl.LOCK_SH):
            for block in reachable(self._read, cid):
                self._touch(block)

    def open(self, cid: Cid, limit: int) -> BinaryIO:
        """See `BlobStore.open`."""
        return open_blob(self._read, cid, limit)

    def path(self, cid: Cid) -> Path:
        """Say where the block named `cid` lies, or would."""
        name = cid.digest.hex()
        return self._blocks / name[:2] / name

    def collect(self, named: Named, before: float, remove: bool) -> Collected:
        """See `Collectable.collect`."""
        if not remove:
            return self._survey(named, before)[0]
        with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
            collected, garbage = self._survey(named, before)
            with self._writing():
                for path in garbage:
                    path.unlink()
        return collected

    # --- reading

    def _read(self, cid: Cid) -> bytes:
        try:
            with self.path(cid).open("rb") as file:
                size = os.fstat(file.fileno()).st_size  # reading up to MAX_BLOCK would clear as much memory
                return file.read(min(size, MAX_BLOCK))
        except OSError as error:
            if error.errno in _OURS or not self._is_there():
                raise StoreUnavailable(
                    f"The store {self._folder} cannot be read: {_reason(error)}."
                ) from error
            if isinstance(error, FileNotFoundError):
                raise BlobUnavailable(
                    f"Block {cid} is not in the store {self._folder}.",
                    f"A copy of it belongs at {self.path(cid)}.",
                ) from None
            raise BlobUnavailable(
                f"Block {cid} cannot be read from the store {self._folder}: {_reason(error)}."
            ) from error

    def _is_there(self) -> bool:
        """Whether a block that cannot be read is that block's own trouble."""
        effective = os.access in os.supports_effective_ids
        return os.access(self._blocks, os.R_OK | os.X_OK, effective_ids=effective)

    # --- writing

    def _write_below(self, writers: ThreadPoolExecutor, made: Iterator[Block]) -> tuple[set[Path], Block]:
        """Write all blocks but the last, the root; return the folders to sync, and the root.

        At most a few blocks wait to be written, so that a fast source does not fill the memory.
        """
        folders: set[Path] = set()
        waiting: deque[Future[Path]] = deque()
        root = next(made)
        for block in made:
            waiting.append(writers.submit(self._write, root))
            root = block
            if len(waiting) > _WRITERS:
                folders.add(waiting.popleft().result())
        return folders.union(one.result() for one in waiting), root

    def _write(self, block: Block) -> Path:
        """Write a block that is not there yet, or is there damaged, and return the folder to sync.

        The rename is atomic and comes after the sync, so that a name stands for whole bytes on the disk, also
        when two processes write the same block. A block that is there counts as new: it is wanted again.
        """
        path = self.path(block.cid)
        with self._writing():
            path.parent.mkdir(exist_ok=True)
            if _holds(path, block.data):
                os.utime(path)
            else:
                self._replace(path, block.data)
        return path.parent

    def _touch(self, cid: Cid) -> None:
        with self._writing():
            try:
                os.utime(self.path(cid))
            except FileNotFoundError:
                raise BlobUnavailable(f"Block {cid} is not in the store {self._folder}.") from None

    def _replace(self, path: Path, data: bytes) -> None:
        partial = self._partial / secrets.token_hex(16)
        try:
            write_new(partial, data)
            partial.replace(path)
        except OSError:  # a full disk needs no leftovers
            partial.unlink(missing_ok=True)
            raise

    def _sync(self, folder: Path) -> None:
        """Put the names in a folder on the disk."""
        with self._writing():
            sync_folder(folder)

    def _sync_new(self, folders: set[Path]) -> None:
        """Put the names of those folders on the disk that may not be there yet."""
        if not folders <= self._known:
            self._sync(self._blocks)
            self._known |= folders

    def _prepare(self) -> None:
        """Make room for partial files, and remove what killed processes have left over."""
        self._partial.mkdir(exist_ok=True)
        oldest = time.time() - _ABANDONED
        for partial in self._partial.iterdir():
            with suppress(OSError):  # taken by another process, or not ours: it only costs room
                if partial.stat().st_mtime < oldest:
                    partial.unlink()

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Hold the lock; whoever puts shares it, whoever removes blocks has it alone."""
        with self._writing():
            lock = (self._folder / "lock").open("ab")
        with lock:
            try:
                fcntl.flock(lock, how)
            except BlockingIOError:
                raise StoreError(
                    f"The store {self._folder} is being written to.", "Try again when nobody puts."
                ) from None
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"The store {self._folder} cannot be written: {_reason(error)}.",
                "Check that it is a folder, that it is yours, and that the disk has room.",
            ) from error

    # --- collecting

    def _survey(self, named: Named, before: float) -> tuple[Collected, list[Path]]:
        """What there is to keep, and the files of all other blocks that are older than `before`."""
        present = {path.name: path for path in self._blocks.glob("??/*") if _NAME.fullmatch(path.name)}
        needed = {cid: self._names(cid) for cid in named.needed}
        kept = set[str]().union(*needed.values(), *map(self._names, named.spared))
        files = {path: path.stat() for name, path in present.items() if name not in kept}
        garbage = {path: file.st_size for path, file in files.items() if file.st_mtime < before}
        missing = tuple(cid for cid, names in needed.items() if not names <= present.keys())
        size = sum(garbage.values())
        return Collected(len(present) - len(garbage), len(garbage), size, missing), list(garbage)

    def _names(self, cid: Cid) -> set[str]:
        return {block.digest.hex() for block in reachable(self._read, cid)}


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        return False


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _make_folder(folder: Path) -> None:
    """Make a folder, and those above it, so that their names survive a crash."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
