"""CIDs: the names of content, in the one spelling that the system writes and reads.

A name is always the same 36 bytes: version 1, a codec, sha2-256, 32, and the digest
(https://github.com/multiformats/cid), written in multibase "b", which is RFC 4648 base32 in lower case
without padding.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Self

from fl.errors import StoreError

RAW = 0x55
DAG_PB = 0x70

_VERSION = 1
_SHA2_256 = 0x12
_DIGEST_SIZE = 32
_HINT = "Only CIDv1 in lower-case base32 (b…), raw or dag-pb, with sha2-256 is used here."


@dataclass(frozen=True, slots=True)
class Cid:
    """The name of a block, and of the content whose root that block is.

    `codec` is RAW or DAG_PB, `digest` the SHA-256 of the block (32 bytes).
    Raises StoreError for any other codec or length.
    """

    codec: int
    digest: bytes

    def __post_init__(self) -> None:
        if self.codec not in (RAW, DAG_PB) or len(self.digest) != _DIGEST_SIZE:
            raise StoreError(
                f"A CID with codec {self.codec:#x} over {len(self.digest)} bytes is not used.", _HINT
            )

    @classmethod
    def raw(cls, digest: bytes) -> Self:
        """Name a block that is content and nothing else."""
        return cls(RAW, digest)

    @classmethod
    def dag(cls, digest: bytes) -> Self:
        """Name a dag-pb block, which lists the blocks below it."""
        return cls(DAG_PB, digest)

    @classmethod
    def of_document(cls, id: bytes) -> Self:
        """Name the document with this id (32 bytes); `digest` gives the id back.

        A document fits into one block, so that the SHA-256 of its bytes is the digest of its CID too.
        """
        return cls.raw(id)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the binary form. Raises StoreError."""
        codec, digest = data[1:2], data[4:]
        if len(digest) != _DIGEST_SIZE or data[:1] + data[2:4] != bytes([_VERSION, _SHA2_256, _DIGEST_SIZE]):
            raise StoreError(f"These bytes are not a CID in use here: {data[:40].hex()}", _HINT)
        return cls(codec[0], digest)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the one spelling. Raises StoreError for every other, even of the same CID."""
        try:
            cid = cls.from_bytes(_unbase32(text))
        except (StoreError, ValueError) as error:
            raise StoreError(f"No CID in use here: {text[:100]!r}", _HINT) from error
        if str(cid) != text:
            raise StoreError(f"No spelling of a CID in use here: {text[:100]!r}", _HINT)
        return cid

    def __bytes__(self) -> bytes:
        return bytes([_VERSION, self.codec, _SHA2_256, _DIGEST_SIZE]) + self.digest

    def __str__(self) -> str:
        return "b" + base64.b32encode(bytes(self)).decode().rstrip("=").lower()


def _unbase32(text: str) -> bytes:
    digits = text.removeprefix("b").upper()
    return base64.b32decode(digits + "=" * (-len(digits) % 8))
