"""Weights that a site has fetched, on its own disk: its node runs the next message in another process."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from fl.canonical import sha256

_KEPT = 2
"""How many stay: of a site's tasks, two can take turns in one folder."""


class Kept:
    """The newest contents, as files named by their SHA-256 below `folder`, which is made when it is needed.

    Saves fetching and nothing else: what is not here, or no longer whole, or cannot be written, is fetched.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, digest: str) -> bytes | None:
        """The content with this digest (64 hexadecimal digits), if it is here and whole."""
        try:
            data = (self._folder / digest).read_bytes()
        except OSError:
            return None
        return data if sha256(data).hex() == digest else None

    def put(self, digest: str, data: bytes) -> None:
        """Keep the content that has this digest, and drop what is older than the newest few."""
        part = self._folder / f"{digest}.{secrets.token_hex(8)}.part"
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            part.write_bytes(data)  # not synced: what a crash leaves is checked when it is read
            part.replace(self._folder / digest)
            self._trim()
        with suppress(OSError):
            part.unlink(missing_ok=True)

    def _trim(self) -> None:
        """Drop all but the newest files, parts that a killed process has left over among them."""
        newest_first = sorted(self._folder.iterdir(), key=lambda file: file.stat().st_mtime_ns, reverse=True)
        for file in newest_first[_KEPT:]:
            file.unlink()
