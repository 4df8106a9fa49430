"""What binds a site to its rows without showing them: a salted digest of a file, a folder, or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from fl.code import listing
from fl.errors import UsageError


def commitment(rows: Path | None, salt: bytes) -> bytes:
    """SHA-256 of salt (32 bytes) ‖ the rows: binds a site to them, and hides them.

    The rows are a file's bytes; or the `fl.code.listing` of a folder's files, links to other folders not
    followed; or nothing (None).
    Raises UsageError for what cannot be read, and for a salt of another size: with no fixed one, bytes could
    move between salt and data.
    """
    if len(salt) != 32:
        raise UsageError(f"The salt of a data commitment has 32 bytes, not {len(salt)}.")
    digest = hashlib.sha256(salt)
    if rows is not None:
        try:
            _digest(rows, digest)
        except OSError as error:
            raise UsageError(f"The site's rows in {rows} cannot be read: {error.strerror}.") from error
    return digest.digest()


def _digest(rows: Path, digest: hashlib._Hash) -> None:
    """Feed a file, or the listing of a folder, to a digest."""
    if rows.is_dir():
        digest.update(listing({path.relative_to(rows).as_posix(): _sha256(path) for path in _files(rows)}))
        return
    with rows.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
