"""Files that are whole and on the disk, or not there, whenever the process or the machine dies."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

READABLE, PRIVATE = 0o666, 0o600
"""Modes of a file: as the umask says, or for its owner only."""


def write_new(path: Path, data: bytes, mode: int = READABLE) -> None:
    """Make a file and put its bytes on the disk; its name is not there yet (`sync_folder`).

    Raises FileExistsError for one that is there, and OSError.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, data: bytes, mode: int = READABLE) -> None:
    """Write a file, or replace it: readers find the earlier bytes or these. Raises OSError."""
    part = _beside(path)
    try:
        write_new(part, data, mode)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_once(path: Path, data: bytes, mode: int = READABLE) -> None:
    """Write a file, or leave the one that is there: link(2) never replaces. Raises OSError."""
    part = _beside(path)
    try:
        write_new(part, data, mode)
        os.link(part, path)
    except FileExistsError:
        return
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk (fsync(2): syncing a file does not do it). Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
