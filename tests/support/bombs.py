"""Things that are cheap to make and would be dear to read: each is read here, with little time and memory.

`python bombs.py NAME…` sets its own limits first, and prints what became of each; one that goes off kills it.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
from collections.abc import Callable

import numpy as np
from samples import DETAILS, RECEIPT, TERMS

from aggregator.scoring import decode_table
from fl import sealing, weights
from fl.canonical import MAX_DOCUMENT_BYTES, dump, load, sha256
from fl.documents import Details, Receipt, Terms
from fl.errors import BlobUnavailable, FedledgerError
from fl.examples import decode_examples, encode_examples
from fl.store import node
from fl.store.cid import Cid
from fl.store.node import Link
from fl.store.reader import MAX_BLOCK, open_blob

SECONDS, BYTES = 30, 1 << 30
MIB = 1 << 20


def filled(piece: bytes, size: int, before: bytes = b"", behind: bytes = b"") -> bytes:
    """A piece again and again, up to `size` bytes in all."""
    return before + piece * ((size - len(before) - len(behind)) // len(piece)) + behind


def said(document, **changes) -> bytes:
    return dump({**json.loads(document.encode()), **changes})


def tensors(**shape) -> bytes:
    return said(TERMS, tensors=[{"name": "a", "dtype": "F64", "low": None, "high": None, **shape}])


def file(header: bytes, size: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if size is None else size) + header


def entries(count: int, **fields) -> bytes:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0], **fields}
    return json.dumps({f"{i:x}": entry for i in range(count)}, separators=(",", ":")).encode()


def table(*lines: bytes) -> bytes:
    return b"\n".join((b"fedledger utilities 2", *lines, b""))


def read(root: bytes, blocks: dict[bytes, bytes]) -> Callable[[], object]:
    """Read the blob of at most 64 MiB below a root block from a store that has these blocks, by digest."""

    def fetch(cid: Cid) -> bytes:
        if cid.digest not in blocks:
            raise BlobUnavailable(f"no {cid}")
        return blocks[cid.digest]

    def run() -> object:
        blocks[sha256(root)] = root
        stream = open_blob(fetch, Cid.dag(sha256(root)), 64 * MIB)
        while stream.read(MIB):
            pass
        return None

    return run


LEAF = bytes(MIB)
X = Link(Cid.raw(sha256(LEAF)), MIB, MIB)
FULL = node.encode([X] * 174)
LONG = filled(b"\x80" * 9 + b"\x01", MAX_BLOCK)
BEYOND = b"\x12" + b"\xff" * 9 + b"\x01"


def chain_of_nodes(length: int) -> Callable[[], object]:
    blocks, link = {}, Link(Cid.raw(sha256(b"x")), 1, 1)
    for _ in range(length):
        data = node.encode([link])
        blocks[sha256(data)] = data
        link = Link(Cid.dag(sha256(data)), 1, link.tsize + len(data))
    return read(data, blocks)


ENDLESS = filled(b'\\"', MAX_DOCUMENT_BYTES, b'"')
JSON = {
    "a string without an end": ENDLESS,
    "a string that ends in the middle of an escape": ENDLESS + b"\\",
    "quotes": b'"' * MAX_DOCUMENT_BYTES,
    "lists in lists": b"[" * MAX_DOCUMENT_BYTES,
    "objects in objects": filled(b'{"":', MAX_DOCUMENT_BYTES),
    "closed before it is opened": b"]" * 1000 + b"[" * 100_000,
    "an integer of 262,144 digits": b"1" * MAX_DOCUMENT_BYTES,
    "a fraction of 262,144 digits": filled(b"1", MAX_DOCUMENT_BYTES, b"0."),
    "an exponent of 262,144 digits": filled(b"9", MAX_DOCUMENT_BYTES, b"1e"),
    "commas": filled(b"0,", MAX_DOCUMENT_BYTES, b"[", b"0]"),
    "keys": filled(b'"":0,', MAX_DOCUMENT_BYTES, b"{", b'"a":0}'),
}
HEADERS = {
    "a string without an end": filled(b'\\"', MIB, b'{"'),
    "quotes": b'"' * MIB,
    "pairs of quotes": filled(b'"",', MIB, b'{"a":[', b'""]}'),
    "empty lists": filled(b"[],", MIB, b'{"a":[', b"[]]}"),
    "empty objects": filled(b"{},", MIB, b'{"a":[', b"{}]}"),
    "keys": filled(b'"":0,', MIB, b"{", b'"a":0}'),
}
BOMBS: dict[str, Callable[[], object]] = {
    **{f"JSON: {how}": lambda data=data: load(data) for how, data in JSON.items()},
    **{f"receipt: {how}": lambda data=data: Receipt.decode(data) for how, data in JSON.items()},
    "JSON: 64 MiB": lambda: load(b" " * (64 * MIB)),
    "details: thousands of metrics": lambda: Details.decode(
        said(DETAILS, metrics={f"{i:x}": i for i in range(20_000)})
    ),
    "receipt: a long everything": lambda: Receipt.decode(said(RECEIPT, contract="0x" + "a" * 200_000)),
    "terms: 100,000 axes": lambda: Terms.decode(tensors(shape=[1] * 100_000)),
    "terms: more elements than numbers": lambda: Terms.decode(tensors(shape=[2**53 - 1] * 32)),
    "terms: a long bound": lambda: Terms.decode(tensors(shape=[1], low="float:" + "1" * 200_000)),
    **{
        f"header: {how}": lambda data=data: weights.decode(file(data), ("a",))
        for how, data in HEADERS.items()
    },
    "header: of 2^63 bytes": lambda: weights.decode(file(b"{}", 2**63), ("a",)),
    "header: of 100 MB": lambda: weights.decode(file(b" " * 100_000_000), ("a",)),
    "header: 100,000 empty tensors": lambda: weights.decode(
        file(entries(100_000)), [f"{i:x}" for i in range(100_000)]
    ),
    "header: 10,000 empty tensors": lambda: weights.decode(
        file(entries(10_000)), [f"{i:x}" for i in range(10_000)]
    ),
    "header: all tensors the same bytes": lambda: weights.decode(
        file(entries(1000, shape=[1000, 1000], data_offsets=[0, 4_000_000])) + bytes(4_000_000),
        [f"{i:x}" for i in range(1000)],
    ),
    "header: more elements than numbers": lambda: weights.decode(
        file(entries(1, shape=[2**40, 2**40])), ("0",)
    ),
    "header: a hundred axes": lambda: weights.decode(
        file(entries(1, shape=[1] * 100, data_offsets=[0, 4])) + bytes(4), ("0",)
    ),
    "examples: none, of exabytes": lambda: decode_examples(
        encode_examples(np.zeros((1, 1), np.float32), np.zeros(1, np.int64)).replace(b"[1,1]", b"[0,9]")
    ),
    "node: the same leaf up to the limit": read(node.encode([X] * 64), {sha256(LEAF): LEAF}),
    "node: the same leaf up to petabytes": read(
        node.encode([Link(Cid.dag(sha256(FULL)), 174 * MIB, 2**40)] * 174),
        {sha256(FULL): FULL, sha256(LEAF): LEAF},
    ),
    "node: exabytes": read(node.encode([Link(X.cid, 2**63, 2**63)]), {}),
    "node: nothing, 40,000 times": read(node.encode([Link(Cid.raw(sha256(b"")), 0, 0)] * 40_000), {}),
    "node: long numbers": lambda: open_blob(lambda _: LONG, Cid.dag(sha256(LONG)), MIB),
    "node: a thousand rows for a byte": chain_of_nodes(1000),
    "node: a field beyond the end": lambda: open_blob(lambda _: BEYOND, Cid.dag(sha256(BEYOND)), MIB),
    "table: a million lines": lambda: decode_table(table(*[b"%x 0" % i for i in range(1 << 20)])),
    "table: a long coalition": lambda: decode_table(table(b"f" * (32 * MIB) + b" 0")),
    "table: a long utility": lambda: decode_table(table(b"0 " + b"1" * (32 * MIB))),
    "sealed: 64 MiB of noise": lambda: sealing.open_update(bytes(32), bytes(64 * MIB), b""),
}
HARMLESS = {
    "JSON: commas",
    "details: thousands of metrics",
    "header: 10,000 empty tensors",
    "node: the same leaf up to the limit",
    "table: a million lines",
    "table: a long coalition",
}
"""What may be read: it is large, and no larger than it looks."""


def outcome(bomb: Callable[[], object]) -> str:
    try:
        bomb()
    except FedledgerError as error:
        return type(error).__name__
    return "read"


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    for name in sys.argv[1:] or BOMBS:
        print(f"{name}: {outcome(BOMBS[name])}", flush=True)
