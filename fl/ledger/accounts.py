"""Accounts: derived from a seed for runs that must repeat, and kept in key files."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from fl.errors import UsageError
from fl.files import PRIVATE, sync_folder, write_new

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1


def account_from_seed(seed: bytes, label: str) -> LocalAccount:
    """The account whose key is HMAC-SHA256(seed, label). For demonstrations and repeatable runs only."""
    return _account(hmac.new(seed, label.encode(), hashlib.sha256).digest())


def new_account() -> LocalAccount:
    """An account whose key nobody else has: 32 random bytes of the operating system's."""
    account: LocalAccount = Account.create()
    return account


def write_key(path: Path, account: LocalAccount) -> None:
    """Write an account's private key, in hex, to a new file that only its owner can read.

    Raises UsageError if there is already something at `path`, because a key is never overwritten, and when
    the file cannot be written.
    """
    try:
        write_new(path, f"0x{bytes(account.key).hex()}\n".encode(), PRIVATE)
        sync_folder(path.parent)
    except FileExistsError as error:
        raise UsageError(
            f"{path} exists already.", "Keys are never overwritten; name another file."
        ) from error
    except OSError as error:
        raise UsageError(f"The key file {path} cannot be written: {error.strerror}.") from error


def read_key(path: Path) -> LocalAccount:
    """Read what `write_key` wrote. Raises UsageError for no such file, other readers, or no key in it."""
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"The key file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The key file {path} is no text.") from error
    if mode & 0o077:
        raise UsageError(f"Others can read the key file {path}.", f"Run: chmod 600 {path}")
    try:
        return _account(bytes.fromhex(text.removeprefix("0x")))
    except ValueError as error:
        raise UsageError(f"{path} holds no private key.", "It should be 32 bytes in hex.") from error


@lru_cache(maxsize=1024)  # a site reads its key for every message
def _account(key: bytes) -> LocalAccount:
    if len(key) != 32 or not 0 < int.from_bytes(key, "big") < _ORDER:
        raise ValueError("not a private key of secp256k1")
    account: LocalAccount = Account.from_key(key)
    return account
