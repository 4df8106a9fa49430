"""The blocks above the leaves: dag-pb nodes that carry UnixFS file data and no bytes of the file.

Sources: https://ipld.io/specs/codecs/dag-pb/spec/ and https://specs.ipfs.tech/unixfs/. Both are protobuf, of
which only varints (wire type 0) and byte strings (wire type 2) occur.

    PBNode { Links = 2: PBLink { Hash = 1, Name = 2, Tsize = 3 } …, Data = 1 }    links first, then data
    Data   { Type = 1, filesize = 3, blocksizes = 4 … }
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fl.store.cid import Cid

_FILE = 2
_VARINT, _BYTES = 0, 2


@dataclass(frozen=True, slots=True)
class Link:
    """A child: `size` bytes of the file are below it, and blocks of `tsize` bytes, its own included."""

    cid: Cid
    size: int
    tsize: int


def encode(links: Sequence[Link]) -> bytes:
    """Write the one node that has these children."""
    unixfs = _number(1, _FILE) + _number(3, sum(link.size for link in links))
    unixfs += b"".join(_number(4, link.size) for link in links)
    return b"".join(_string(2, _encode_link(link)) for link in links) + _string(1, unixfs)


def decode(block: bytes) -> list[Link]:
    """Read the children of a node.

    Raises ValueError or StoreError for every block that `encode` would not have written: other fields, or in
    another order; directories; links to anything that is no block of a file.
    """
    (unixfs,) = _strings(block, 1)
    children = [
        _decode_link(link, size) for link, size in zip(_strings(block, 2), _numbers(unixfs, 4), strict=True)
    ]
    if encode(children) != block:
        raise ValueError("not the bytes of a node of a file")
    return children


def _encode_link(link: Link) -> bytes:
    return _string(1, bytes(link.cid)) + _string(2, b"") + _number(3, link.tsize)


def _decode_link(link: bytes, size: int) -> Link:
    (cid,), (tsize,) = _strings(link, 1), _numbers(link, 3)
    return Link(Cid.from_bytes(cid), size, tsize)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _string(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _strings(data: bytes, field: int) -> list[bytes]:
    return [value for number, value in _fields(data) if number == field and isinstance(value, bytes)]


def _numbers(data: bytes, field: int) -> list[int]:
    return [value for number, value in _fields(data) if number == field and isinstance(value, int)]


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        value, at = _read_varint(data, at)
        if key & 7 == _VARINT:
            yield key >> 3, value
        elif key & 7 == _BYTES and at + value <= len(data):
            yield key >> 3, data[at : at + value]
            at += value
        else:
            raise ValueError("not the protobuf of a node")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            raise ValueError("cut off in the middle of a number")
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    raise ValueError("a number of more than 64 bits")
