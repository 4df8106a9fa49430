"""Receipts from being written until their round is over, on the site's own disk and for it only.

One an announcement: a round has a second one only if a reorg took its opening back and it was opened anew.

FOLDER/receipts/TASK-ROUND-ANNOUNCEMENT-CONTRACT-TRAINER.json   the receipt; the key of an update is in there
FOLDER/salt                                                     32 random bytes, made once
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from fl.documents import Receipt
from fl.errors import UsageError
from fl.files import PRIVATE, write_once
from fl.ledger.port import Ledger

_SALT_BYTES = 32


class Outbox:
    """Files below `folder`, which is made if it is missing; nobody else can read them.

    Raises UsageError when the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._receipts = folder / "receipts"
        self._salt = folder / "salt"
        with _using(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._receipts.mkdir(mode=0o700, exist_ok=True)

    def put(self, receipt: Receipt) -> Receipt:
        """Keep a receipt durably and return the one that counts: an announcement's first is never replaced.

        Its digest may be on the chain already, and with another receipt its update could not be opened.
        """
        path = self._path(receipt)
        with _using(self._receipts):
            write_once(path, receipt.encode(), PRIVATE)
            return _decoded(path.read_bytes())

    def receipts(self) -> tuple[Receipt, ...]:
        """Everything that is in there, in a fixed order. Raises DocumentError for a damaged file."""
        with _using(self._receipts):
            files = sorted(self._receipts.glob("*.json"))
            return tuple(_decoded(file.read_bytes()) for file in files)

    def receipts_of(self, ledger: Ledger, task: int) -> tuple[Receipt, ...]:
        """Those of the ledger's own account in one of its tasks."""
        here = (ledger.chain_id, ledger.contract, task, ledger.account)
        return tuple(
            receipt
            for receipt in self.receipts()
            if (receipt.chain_id, receipt.contract, receipt.task, receipt.trainer) == here
        )

    def drop(self, receipt: Receipt) -> None:
        """Take a receipt out, also one that is gone already.

        After a power cut it may be back: then it is due once more, which is harmless.
        """
        with _using(self._receipts):
            self._path(receipt).unlink(missing_ok=True)

    def salt(self) -> bytes:
        """The site's own 32 random bytes, for commitments that nobody can guess."""
        with _using(self._salt.parent):
            write_once(self._salt, secrets.token_bytes(_SALT_BYTES), PRIVATE)
            return self._salt.read_bytes()

    def _path(self, receipt: Receipt) -> Path:
        names = receipt.task, receipt.round, receipt.announcement, receipt.contract, receipt.trainer
        return self._receipts / f"{'-'.join(map(str, names))}.json"


_decoded = lru_cache(maxsize=256)(Receipt.decode)  # each is read some times in its round


@contextmanager
def _using(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"The outbox {folder} cannot be used: {error.strerror or error}.",
            "Check that it is a folder, that it is yours, and that the disk has room.",
        ) from error
