"""Reads what a round's submissions name so that no site's slowness is another's loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import BinaryIO, NamedTuple

from aggregator.record import Record
from aggregator.spool import Place, Spool
from fl.errors import BlobUnavailable, StoreError
from fl.store.cid import Cid

PIECE = 1 << 20
"""Bytes between two looks at the clock: a block."""


class Source(NamedTuple):
    """A content that was read: its name, and what opens it, as often as wanted."""

    cid: Cid
    open: Callable[[], BinaryIO]


_Blob = tuple[Cid, int]  # and how many bytes of it are read at most


class PatientReader:
    """Reads in turns, and keeps what it has in a spool: to decide again then takes no reading.

    The first pass asks for everything once. What is not served, or comes too slowly for its turn, is
    `missing`, and tried again until `patience`. All turns together fit into the time up to `close_by` at
    first, up to `patience` afterwards (both in the chain's seconds), but for one block each.
    """

    def __init__(
        self,
        record: Callable[[], Record],
        now: Callable[[], int],
        patience: int,
        close_by: int,
        submissions: int,
        spool: Spool,
    ) -> None:
        self.missing: dict[_Blob, None] = {}  # in the order in which they were asked for
        self.patience = patience
        self._make_record = record
        self._record = record()
        self._now = now
        self._first_pass = True
        self._until = close_by
        self._turns = max(1, 3 * submissions)  # receipt, update, details
        self._spool = spool
        self._kept: dict[_Blob, Place | StoreError] = {}

    def read(self, cid: Cid, limit: int) -> bytes:
        """Read a blob, as `decide` demands it."""
        blob = cid, limit
        if blob not in self._kept:
            self._keep(blob)
        content = self._kept[blob]
        if isinstance(content, StoreError):
            raise content.with_traceback(None)
        return self._spool.read(content)

    def kept(self, cid: Cid, limit: int) -> Source | None:
        """What was read of a blob, without reading it now; None if it was not."""
        content = self._kept.get((cid, limit))
        return Source(cid, partial(self._spool.open, content)) if isinstance(content, Place) else None

    def renew(self) -> None:
        """Read the task's whole history again: receipts may have been revealed on the chain."""
        self._record = self._make_record()

    def retry(self) -> bool:
        """Try what is missing once more; whether all of it is there by now, whatever it is."""
        self._first_pass, self._until = False, self.patience
        self._turns = max(1, len(self.missing))
        for blob in tuple(self.missing):
            with suppress(StoreError):
                self.read(*blob)
        return not self.missing

    def _keep(self, blob: _Blob) -> None:
        """Keep the content, or the error that is a verdict: only what is not served can still change."""
        try:
            self._kept[blob] = self._spool.put(self._fetch(blob))
        except BlobUnavailable:
            self.missing[blob] = None
            raise
        except StoreError as error:
            self._kept[blob] = error
        self.missing.pop(blob, None)

    def _fetch(self, blob: _Blob) -> Iterator[bytes]:
        now = self._now()
        if not self._first_pass and now >= self.patience:
            raise BlobUnavailable(f"{blob[0]} was not served in time.")
        turn = max(1, (self._until - now) // self._turns)
        with self._record.open(*blob) as stream:
            while len(piece := stream.read(PIECE)) == PIECE:
                yield piece
                if self._now() >= now + turn:
                    raise BlobUnavailable(f"{blob[0]} comes too slowly: others wait for their turn.")
            yield piece
