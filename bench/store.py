"""The embedded store against the hash that it cannot do without: SHA-256 of the same bytes."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TypeVar

from figures import Figure

from fl.store.embedded import EmbeddedStore
from fl.store.port import read_bytes

T = TypeVar("T")

SIZE = 100_000_000
REPEATS = 7


def figures() -> Iterator[Figure]:
    """Medians of ratios: each put and each read is compared with a hash taken right before it."""
    data = os.urandom(SIZE)
    _once(data)  # warm: imports, memory, and the folder's own pages
    hashes, puts, reads = zip(*(_once(data) for _ in range(REPEATS)), strict=True)
    yield Figure("SHA-256 of 100 MB", median(hashes), "s")
    yield Figure("embedded store: put of 100 MB", median(puts), "SHA-256 of the same bytes", bound=4)
    yield Figure(
        "embedded store: verified read of 100 MB", median(reads), "SHA-256 of the same bytes", bound=2.5
    )


def _once(data: bytes) -> tuple[float, float, float]:
    """Seconds of a hash, and how many such hashes a put and a read take."""
    with TemporaryDirectory(prefix="fedledger-bench-") as folder:
        store = EmbeddedStore(Path(folder))
        hashing, _ = _timed(lambda: hashlib.sha256(data).digest())
        putting, cid = _timed(lambda: store.put(io.BytesIO(data)))
        again, _ = _timed(lambda: hashlib.sha256(data).digest())
        reading, found = _timed(lambda: read_bytes(store, cid, SIZE))
        assert found == data
    return hashing, putting / hashing, reading / again


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    begin = perf_counter()
    result = work()
    return perf_counter() - begin, result
