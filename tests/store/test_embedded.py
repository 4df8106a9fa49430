"""What the store in a folder promises beyond the port: crashes, processes, files to check by hand."""

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import fl
from fl.errors import BlobUnavailable, StoreError
from fl.store.cid import Cid
from fl.store.embedded import EmbeddedStore
from fl.store.layout import blocks
from fl.store.port import put_bytes, read_bytes

MIB = 1 << 20
DATA = random.Random(3).randbytes(3 * MIB + 5)
*_, ROOT = blocks(io.BytesIO(DATA))

# Puts the blob "first" and says so; then puts what it is sent, saying so after three chunks and at the end.
PUTTER = """
import io, sys
from pathlib import Path
from fl.store.embedded import EmbeddedStore
from fl.store.port import put_bytes

class Slow(io.RawIOBase):
    taken = 0
    def read(self, size=-1):
        data = sys.stdin.buffer.read(size)
        self.taken += len(data)
        if self.taken == 3 << 20:
            print("three chunks", flush=True)
        return data

store = EmbeddedStore(Path(sys.argv[1]))
print(put_bytes(store, b"first"), flush=True)
print(store.put(Slow()), flush=True)
"""


@contextmanager
def putter(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    repository = Path(fl.__file__).parents[1]
    command = [sys.executable, "-c", PUTTER, str(folder)]
    with subprocess.Popen(command, cwd=repository, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout
    return process.stdout.readline().decode().strip()


def send(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin
    process.stdin.write(data)
    process.stdin.flush()


def test_a_process_killed_while_putting_leaves_what_it_acknowledged_and_nothing_of_the_rest(
    tmp_path: Path,
) -> None:
    with putter(tmp_path) as process:
        first = Cid.parse(line(process))
        send(process, DATA[: 3 * MIB])
        assert line(process) == "three chunks"
        process.send_signal(signal.SIGKILL)
        process.wait()
    store = EmbeddedStore(tmp_path)
    assert read_bytes(store, first, limit=5) == b"first"
    with pytest.raises(BlobUnavailable):
        store.open(ROOT.cid, limit=len(DATA))
    assert read_bytes(store, put_bytes(store, DATA), limit=len(DATA)) == DATA


def test_processes_may_put_the_same_blob_at_once(tmp_path: Path) -> None:
    with putter(tmp_path) as one, putter(tmp_path) as two:
        assert line(one) == line(two)
        for start in range(0, len(DATA), 65536):
            for process in (one, two):
                send(process, DATA[start : start + 65536])
        for process in (one, two):
            assert process.stdin
            process.stdin.close()
            assert [line(process), line(process)] == ["three chunks", str(ROOT.cid)]
    assert read_bytes(EmbeddedStore(tmp_path), ROOT.cid, limit=len(DATA)) == DATA


class PowerCutError(BaseException):
    """The process ends here; nothing handles it."""


@pytest.mark.parametrize("verb", ["fsync", "replace"])
def test_a_crash_at_any_step_leaves_the_whole_blob_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    real = getattr(os, verb)
    for steps in range(100):
        store = EmbeddedStore(tmp_path / str(steps))
        monkeypatch.setattr(os, verb, cut_after(steps, real))
        try:
            put_bytes(store, DATA)
            break
        except PowerCutError:
            assert whole_or_absent(store)
        finally:
            monkeypatch.setattr(os, verb, real)
    assert steps >= 5, "four leaves and a root: there was something to interrupt"
    assert read_bytes(store, ROOT.cid, limit=len(DATA)) == DATA


def cut_after(steps: int, real: Callable[..., None]) -> Callable[..., None]:
    left = iter(range(steps))

    def call(*arguments: object) -> None:
        if next(left, None) is None:
            raise PowerCutError
        real(*arguments)

    return call


def whole_or_absent(store: EmbeddedStore) -> bool:
    try:
        stream = store.open(ROOT.cid, limit=len(DATA))
    except BlobUnavailable:
        return True
    return stream.read() == DATA


def test_the_root_gets_its_name_after_everything_below_it_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, synced = EmbeddedStore(tmp_path), set[int]()
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle: int) -> None:
        synced.add(os.fstat(handle).st_ino)
        real_fsync(handle)

    def replace(source: Path, target: Path) -> None:
        if target == store.path(ROOT.cid):
            leaves = [store.path(block.cid) for block in blocks(io.BytesIO(DATA)) if block.cid != ROOT.cid]
            assert {path.stat().st_ino for leaf in leaves for path in (leaf, leaf.parent)} <= synced
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    put_bytes(store, DATA)
    assert {store.path(ROOT.cid).stat().st_ino, store.path(ROOT.cid).parent.stat().st_ino} <= synced


def test_what_one_store_put_another_over_the_same_folder_reads(tmp_path: Path) -> None:
    cid = put_bytes(EmbeddedStore(tmp_path / "new" / "store"), b"hello")
    assert read_bytes(EmbeddedStore(tmp_path / "new" / "store"), cid, limit=5) == b"hello"


def test_the_name_of_a_file_is_the_sha256_of_its_bytes(tmp_path: Path) -> None:
    put_bytes(EmbeddedStore(tmp_path), DATA)
    files = [path for path in (tmp_path / "blocks").rglob("*") if path.is_file()]
    assert len(files) == 5
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in files)


def test_what_killed_writers_have_left_over_goes_and_what_is_being_written_stays(tmp_path: Path) -> None:
    EmbeddedStore(tmp_path)
    old, new = tmp_path / "partial" / "old", tmp_path / "partial" / "new"
    old.touch()
    new.touch()
    os.utime(old, (0, time.time() - 86400))
    EmbeddedStore(tmp_path)
    assert (old.exists(), new.exists()) == (False, True)


def test_a_folder_that_is_a_file_is_refused_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="file cannot be written") as caught:
        EmbeddedStore(tmp_path / "file")
    assert caught.value.hint


def test_a_full_disk_is_an_error_of_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EmbeddedStore(tmp_path)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        put_bytes(store, b"hello")
