"""What the store in a folder promises beyond the port: crashes, processes, files to check by hand."""

import hashlib
import io
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import fl
from fl.errors import BlobDamaged, BlobUnavailable, StoreError, StoreUnavailable
from fl.store.cid import Cid
from fl.store.collecting import Collected, Named
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
    put_bytes(EmbeddedStore(tmp_path), b"once")
    old, new = tmp_path / "partial" / "old", tmp_path / "partial" / "new"
    old.touch()
    new.touch()
    os.utime(old, (0, time.time() - 86400))
    put_bytes(EmbeddedStore(tmp_path), b"again")
    assert (old.exists(), new.exists()) == (False, True)


def test_a_folder_that_is_a_file_is_refused_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="file cannot be written") as caught:
        EmbeddedStore(tmp_path / "file")
    assert caught.value.hint


# What goes wrong around it


def test_a_disk_that_is_full_takes_nothing_loses_nothing_and_is_left_clean(tmp_path: Path) -> None:
    with putter(tmp_path) as process:
        first = Cid.parse(line(process))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (MIB // 2, MIB // 2))
        assert process.stdin
        with suppress(BrokenPipeError):  # it may end before it has taken everything
            send(process, DATA)
            process.stdin.close()
        assert process.wait(60) == 1
    store = EmbeddedStore(tmp_path)
    assert read_bytes(store, first, limit=5) == b"first"
    with pytest.raises(BlobUnavailable):
        store.open(ROOT.cid, limit=len(DATA))
    assert not list((tmp_path / "partial").iterdir())


def test_no_room_on_the_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EmbeddedStore(tmp_path)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        put_bytes(store, b"hello")


def test_a_copy_of_the_blocks_alone_is_read_and_not_written_to(tmp_path: Path) -> None:
    cid = put_bytes(EmbeddedStore(tmp_path / "store"), DATA)
    (tmp_path / "store" / "blocks").rename(tmp_path / "blocks")
    assert read_bytes(EmbeddedStore(tmp_path), cid, limit=len(DATA)) == DATA
    assert {path.name for path in tmp_path.iterdir()} == {"blocks", "store"}


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others than root reach, too."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def another_user() -> Iterator[None]:
    """Root may write everywhere: be somebody else."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@contextmanager
def only(mode: int, *paths: Path) -> Iterator[None]:
    """For a while, nobody but root may do more with these."""
    before = {path: path.stat().st_mode for path in paths}
    for path in paths:
        path.chmod(mode)
    try:
        with another_user():
            yield
    finally:
        for path in paths:
            path.chmod(before[path])


def test_a_store_that_may_only_be_read_is_read_and_takes_nothing(open_folder: Path) -> None:
    cid = put_bytes(EmbeddedStore(open_folder), b"hello")
    with only(0o555, open_folder, open_folder / "partial"):
        store = EmbeddedStore(open_folder)
        assert read_bytes(store, cid, limit=5) == b"hello"
        with pytest.raises(StoreError, match="cannot be written: Permission denied"):
            put_bytes(store, b"more")


def test_a_block_that_may_not_be_read_is_unavailable(open_folder: Path) -> None:
    store = EmbeddedStore(open_folder)
    cid = put_bytes(store, b"hello")
    with only(0, store.path(cid)), pytest.raises(BlobUnavailable, match="Permission denied"):
        store.open(cid, limit=5)


def test_a_store_that_may_not_be_read_says_nothing_about_a_block(open_folder: Path) -> None:
    store = EmbeddedStore(open_folder)
    cid = put_bytes(store, b"hello")
    with only(0, open_folder / "blocks"), pytest.raises(StoreUnavailable, match="Permission denied"):
        store.open(cid, limit=5)


def test_a_store_that_has_vanished_says_nothing_about_a_block_and_is_not_made_anew(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store")
    cid = put_bytes(store, b"hello")
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable, match="No such file"):
        store.open(cid, limit=5)
    with pytest.raises(StoreError, match="No such file"):
        put_bytes(store, b"hello")
    assert not (tmp_path / "store").exists()


def test_a_store_that_vanishes_in_the_middle_of_a_read_never_looks_like_the_end(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store")
    with store.open(put_bytes(store, DATA), limit=len(DATA)) as stream:
        assert stream.read(MIB) == DATA[:MIB]
        (tmp_path / "store").rename(tmp_path / "elsewhere")
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                stream.read(1)


def test_a_process_that_can_open_no_more_files_blames_no_block(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    cid = put_bytes(store, b"hello")
    with no_more_files(), pytest.raises(StoreUnavailable, match="Too many open files"):
        store.open(cid, limit=5)


@contextmanager
def no_more_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (Path(os.devnull)).open("rb") as last:
        resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno(), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Letting go of what no task names


FUTURE = 2.0**40


def collect(
    store: EmbeddedStore, *needed: Cid, spared: Iterable[Cid] = (), before: float = FUTURE
) -> Collected:
    return store.collect(Named(frozenset(needed), frozenset(spared)), before, remove=True)


def test_what_is_named_stays_and_everything_else_goes(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    needed, spared = put_bytes(store, DATA), put_bytes(store, b"spared")
    garbage = put_bytes(store, DATA[:MIB] + b"garbage")  # shares its first block with what is needed
    found = collect(store, needed, spared=[spared])
    assert (found.kept, found.unnamed, found.missing) == (6, 2, ())
    assert found.size == sum(len(block.data) for block in blocks(io.BytesIO(DATA[:MIB] + b"garbage"))) - MIB
    assert read_bytes(store, needed, limit=len(DATA)) == DATA
    assert read_bytes(store, spared, limit=6) == b"spared"
    with pytest.raises(BlobUnavailable):
        store.open(garbage, limit=len(DATA))


def test_nothing_goes_unless_asked_and_the_count_is_the_same(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    cid = put_bytes(store, DATA)
    announced = store.collect(Named(frozenset(), frozenset()), FUTURE, remove=False)
    assert read_bytes(store, cid, limit=len(DATA)) == DATA
    assert collect(store) == announced


def test_what_is_young_stays_though_nobody_names_it_yet(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    old, again, young = (put_bytes(store, data) for data in (b"old", b"again", b"young"))
    for cid in (old, again):
        os.utime(store.path(cid), (0, time.time() - 7200))
    put_bytes(store, b"again")
    assert collect(store, before=time.time() - 3600).unnamed == 1
    assert [read_bytes(store, cid, limit=5) for cid in (again, young)] == [b"again", b"young"]
    with pytest.raises(BlobUnavailable):
        store.open(old, limit=5)


def test_what_is_kept_counts_as_young_with_all_its_blocks(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    kept, other = put_bytes(store, DATA), put_bytes(store, b"other")
    for block in (tmp_path / "blocks").glob("??/*"):
        os.utime(block, (0, 0))
    store.keep(kept)
    collect(store, before=time.time() - 3600)
    assert read_bytes(store, kept, limit=len(DATA)) == DATA
    with pytest.raises(BlobUnavailable):
        store.open(other, limit=5)


def test_a_needed_blob_of_which_a_block_is_gone_is_missing_and_what_is_left_of_it_stays(
    tmp_path: Path,
) -> None:
    store = EmbeddedStore(tmp_path)
    cid, absent = put_bytes(store, DATA), Cid.raw(bytes(32))
    store.path(Cid.raw(hashlib.sha256(DATA[:MIB]).digest())).unlink()
    found = collect(store, cid, absent, spared=[Cid.raw(bytes(31) + b"1")])
    assert (found.kept, found.unnamed, set(found.missing)) == (4, 0, {cid, absent})


def test_nothing_goes_while_a_damaged_root_hides_what_belongs_to_it(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    cid, garbage = put_bytes(store, DATA), put_bytes(store, b"garbage")
    store.path(cid).write_bytes(b"damaged")
    for needed, spared in ([cid], []), ([], [cid]):
        with pytest.raises(BlobDamaged, match=str(cid)):
            collect(store, *needed, spared=spared)
    assert read_bytes(store, garbage, limit=7) == b"garbage"


def test_files_that_are_no_blocks_stay(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    mine = store.path(put_bytes(store, b"garbage")).with_name("notes.txt")
    mine.write_text("mine")
    assert collect(store).unnamed == 1
    assert mine.exists()


def test_nothing_goes_while_somebody_puts(tmp_path: Path) -> None:
    with putter(tmp_path) as process:
        first = Cid.parse(line(process))
        send(process, DATA[: 3 * MIB])
        assert line(process) == "three chunks"
        store = EmbeddedStore(tmp_path)
        with pytest.raises(StoreError, match="is being written to"):
            collect(store)
        assert read_bytes(store, first, limit=5) == b"first"
