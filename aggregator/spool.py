"""Where a decision puts aside what it has read: a little in memory, more than that in a temporary file.

The file has no name, so nobody else can open it, and nothing is left of it however the process ends. It lies
where TMPDIR says; where that folder is itself memory, as /tmp is on some systems, another one saves more.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self

import numpy as np

from fl.errors import StoreUnavailable
from fl.weights import Array

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

IN_MEMORY = 4 << 20
"""Bytes that are put aside before there is a file."""

_PIECE = 1 << 20


class Place(NamedTuple):
    """Where a content lies in its spool, in bytes."""

    start: int
    size: int


class Spool:
    """Contents put aside, to be read as often as wanted until it is closed.

    Whoever puts or reads gets StoreUnavailable when the temporary folder is full, or fails.
    """

    def __init__(self) -> None:
        # without a buffer, so that closing has nothing left to write
        self._file = SpooledTemporaryFile(IN_MEMORY, buffering=0)  # noqa: SIM115  # `__exit__` closes it
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def put(self, pieces: Iterable[bytes | memoryview]) -> Place:
        """Put aside what the pieces are together; nothing, when they raise."""
        end = self._end
        for piece in pieces:
            self._write(end, memoryview(piece))
            end += len(piece)
        place = Place(self._end, end - self._end)
        self._end = end
        return place

    def put_arrays(self, arrays: Mapping[str, Array]) -> Mapping[str, Array]:
        """Put arrays aside; what comes back reads one when it is asked for, and holds none."""
        return _Arrays(self, arrays)

    def read(self, place: Place) -> bytes:
        """Read a content into memory."""
        with _trouble():
            self._file.seek(place.start)
            data = self._file.read(place.size)
            _demand(len(data) == place.size)
        return data

    def read_into(self, start: int, buffer: memoryview) -> None:
        """Fill a buffer of bytes with what lies from `start` on."""
        with _trouble():
            self._file.seek(start)
            while buffer:
                count = self._file.readinto(buffer)
                _demand(count > 0)
                buffer = buffer[count:]

    def open(self, place: Place) -> BinaryIO:
        """Open a stream over a content, of which it holds one piece; it ends with the spool."""
        return io.BufferedReader(_Stream(self, place), _PIECE)

    def _write(self, start: int, left: memoryview) -> None:
        with _trouble():
            self._file.seek(start)
            while left:
                left = left[self._file.write(left[:_PIECE]) :]


class _Arrays(Mapping[str, Array]):
    """Arrays that lie in a spool: each is read when it is asked for, and is the asker's own."""

    def __init__(self, spool: Spool, arrays: Mapping[str, Array]) -> None:
        self._spool = spool
        self._places = {name: spool.put([_bytes_of(array)]) for name, array in arrays.items()}
        self._kinds = {name: (array.shape, array.dtype) for name, array in arrays.items()}

    def __getitem__(self, name: str) -> Array:
        array: Array = np.empty(*self._kinds[name])
        self._spool.read_into(self._places[name].start, _bytes_of(array))
        return array

    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)


def _bytes_of(array: Array) -> memoryview:
    """An array's elements in C order; of a contiguous array no copy."""
    return array.reshape(-1).view(np.uint8).data


class _Stream(io.RawIOBase):
    """What is left to read of a content."""

    def __init__(self, spool: Spool, place: Place) -> None:
        self._spool = spool
        self._start, self._left = place

    def readable(self) -> bool:
        """Whether `read` works: always."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read as much as there is, or as fits."""
        view = memoryview(buffer)[: self._left]
        self._spool.read_into(self._start, view)
        self._start, self._left = self._start + len(view), self._left - len(view)
        return len(view)


@contextmanager
def _trouble() -> Iterator[None]:
    """Say whose trouble it is: nothing that was read is to blame."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"The temporary folder fails: {error.strerror or error}.",
            "A decision puts aside what it reads: TMPDIR can name a folder with more room.",
        ) from error


def _demand(complete: bool) -> None:
    if not complete:
        raise OSError("it gives back less than was put there")
