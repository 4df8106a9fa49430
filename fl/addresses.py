"""Addresses with their checksum (EIP-55), which takes a hash: the same few are met again and again."""

from __future__ import annotations

from functools import lru_cache

from eth_typing import ChecksumAddress
from eth_utils import address


@lru_cache(maxsize=4096)
def checksummed(value: str | bytes) -> ChecksumAddress:
    """An address, in hexadecimal or as its 20 bytes, in its one spelling. Raises ValueError for none."""
    return address.to_checksum_address(value)


@lru_cache(maxsize=4096)
def is_checksummed(text: str) -> bool:
    """Whether a text is an address in its one spelling."""
    return address.is_checksum_address(text)
