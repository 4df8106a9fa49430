"""Files that are whole or not there."""

from __future__ import annotations

import itertools
import os
import signal

import pytest

from fl import files


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    for data in (b"first", b"second"):
        files.write_atomically(path, data)
        assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_written_once_stays_as_it_was(tmp_path):
    path = tmp_path / "file"
    for data in (b"first", b"second"):
        files.write_once(path, data)
        assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_replaces_none(tmp_path):
    (tmp_path / "file").write_bytes(b"first")
    with pytest.raises(FileExistsError):
        files.write_new(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first"


@pytest.mark.parametrize("write", [files.write_new, files.write_once, files.write_atomically])
def test_a_private_file_is_its_owners(tmp_path, write):
    write(tmp_path / "file", b"secret", files.PRIVATE)
    assert (tmp_path / "file").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("write", [files.write_once, files.write_atomically])
def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch, write):
    def fail(_handle):
        raise OSError("no room")

    path = tmp_path / "file"
    files.write_atomically(path, b"first")
    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match="no room"):
        write(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", range(1, 4))
def test_a_process_killed_at_any_step_leaves_the_earlier_bytes_or_the_new_ones(tmp_path, step):
    path = tmp_path / "file"
    path.write_bytes(b"first")
    child = os.fork()
    if not child:
        _die_at(step)
        files.write_atomically(path, b"second")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert path.read_bytes() in (b"first", b"second")


def _die_at(step):
    calls = itertools.count(1)

    def deadly(real):
        def call(*arguments):
            if next(calls) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments)

        return call

    files.os.open, files.os.fsync = deadly(os.open), deadly(os.fsync)
