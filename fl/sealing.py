"""Sealing: a key used once hides an update and its details until the receipt that carries it is published.

AES-256-GCM (NIST SP 800-38D). Nonces are fixed because every key is fresh: the update has nonce 0, the
details nonce 1, and a key has no other use. The additional data binds both to one trainer, round, task and
contract.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eth_utils.address import is_address, to_canonical_address

from fl.errors import SealError

KEY_BYTES = 32
OVERHEAD = 16
"""A sealed blob is this many bytes longer than what it holds: GCM's tag."""

_UPDATE = (0).to_bytes(12, "big")
_DETAILS = (1).to_bytes(12, "big")


def additional_data(chain_id: int, contract: str, task: int, round_: int, trainer: str) -> bytes:
    """What a sealed blob is bound to, in fixed widths: uint256 ‖ address ‖ uint256 ‖ uint256 ‖ address.

    Raises SealError for a number that is no uint256 or a text that is no address.
    """
    return b"".join(
        (_uint256(chain_id), _address(contract), _uint256(task), _uint256(round_), _address(trainer))
    )


def seal_update(key: bytes, data: bytes, aad: bytes) -> bytes:
    """Encrypt an update; `key` is 32 fresh random bytes. Raises SealError for another size of key."""
    return _cipher(key).encrypt(_UPDATE, data, aad)


def open_update(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Decrypt an update. Raises SealError when key, bytes or additional data are not the ones it has."""
    return _open(key, _UPDATE, sealed, aad)


def seal_details(key: bytes, data: bytes, aad: bytes) -> bytes:
    """Encrypt details with the key of their update. Raises SealError for another size of key."""
    return _cipher(key).encrypt(_DETAILS, data, aad)


def open_details(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Decrypt details. Raises SealError when key, bytes or additional data are not the ones they have."""
    return _open(key, _DETAILS, sealed, aad)


def commitment(trainer: str, key: bytes, weights_digest: bytes) -> bytes:
    """SHA-256 of trainer (20 bytes) ‖ key (32) ‖ weights digest (32): GCM alone does not commit to its key.

    Raises SealError for anything of another size.
    """
    if len(key) != KEY_BYTES or len(weights_digest) != KEY_BYTES:
        raise SealError("A commitment is made of a key and a digest of 32 bytes each.")
    return hashlib.sha256(_address(trainer) + key + weights_digest).digest()


def _cipher(key: bytes) -> AESGCM:
    if len(key) != KEY_BYTES:
        raise SealError(f"A sealing key has {KEY_BYTES} bytes; this one has {len(key)}.")
    return AESGCM(key)


def _open(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    try:
        return _cipher(key).decrypt(nonce, sealed, aad)
    except (InvalidTag, ValueError, OverflowError) as error:  # in some versions: shorter than a tag; 2 GiB
        raise SealError("This blob does not open with this key for this trainer and round.") from error


def _uint256(value: int) -> bytes:
    try:
        return value.to_bytes(32, "big")
    except OverflowError as error:
        raise SealError(f"{value} is no unsigned 256-bit integer.") from error


def _address(text: str) -> bytes:
    if not is_address(text):
        raise SealError(f"{text!r} is no address.")
    return to_canonical_address(text)
