"""The outbox: receipts on the site's own disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from clients.outbox import Outbox
from fl.canonical import sha256
from fl.documents import Receipt, Reference
from fl.errors import DocumentError, UsageError
from fl.store.layout import cid_of

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def receipt(round_=1, task=1, key=b"key", announcement=b"a"):
    blob = Reference.of(cid_of(b"sealed"), b"sealed")
    return Receipt(
        chain_id=1,
        contract=ADDRESS,
        task=task,
        round=round_,
        trainer=ADDRESS,
        announcement=sha256(announcement).hex(),
        base=sha256(b"b").hex(),
        update=blob,
        details=blob,
        commitment=sha256(b"c").hex(),
        key=sha256(key).hex(),
    )


def test_what_was_put_is_there_for_the_next_process(tmp_path):
    Outbox(tmp_path / "site").put(receipt())
    assert Outbox(tmp_path / "site").receipts() == (receipt(),)


def test_an_announcements_first_receipt_is_never_replaced(tmp_path):
    outbox = Outbox(tmp_path)
    outbox.put(receipt(key=b"first"))
    assert outbox.put(receipt(key=b"second")) == receipt(key=b"first")
    assert outbox.receipts() == (receipt(key=b"first"),)


def test_rounds_tasks_and_announcements_have_their_own_receipts(tmp_path):
    outbox = Outbox(tmp_path)
    several = [receipt(1), receipt(2), receipt(1, task=2), receipt(1, announcement=b"after a reorg")]
    for one in several:
        outbox.put(one)
    outbox.drop(several[1])
    outbox.drop(several[1])
    assert set(outbox.receipts()) == {several[0], *several[2:]}


def test_nobody_else_can_read_a_receipt(tmp_path):
    Outbox(tmp_path / "site").put(receipt())
    Outbox(tmp_path / "site").salt()
    for folder in (tmp_path / "site", tmp_path / "site" / "receipts"):
        assert folder.stat().st_mode & 0o077 == 0
    for file in (tmp_path / "site").rglob("*"):
        assert file.stat().st_mode & 0o077 == 0


def test_a_half_written_file_of_a_killed_process_is_no_receipt(tmp_path):
    outbox = Outbox(tmp_path)
    (tmp_path / "receipts" / "1-1.json.00ff.part").write_bytes(receipt().encode()[:50])
    assert outbox.receipts() == ()


def test_a_damaged_receipt_is_said_to_be_one(tmp_path):
    outbox = Outbox(tmp_path)
    outbox.put(receipt())
    (file,) = (tmp_path / "receipts").iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DocumentError):
        outbox.receipts()


def test_the_salt_is_made_once_and_is_the_sites_own(tmp_path):
    salt = Outbox(tmp_path / "one").salt()
    assert len(salt) == 32
    assert Outbox(tmp_path / "one").salt() == salt
    assert Outbox(tmp_path / "other").salt() != salt


def test_a_folder_that_cannot_be_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="outbox"):
        Outbox(tmp_path / "file")


WRITER = """
import os, signal, sys
from pathlib import Path
from clients import outbox
from fl import files
from fl.documents import Receipt
folder, step, data = Path(sys.argv[1]), int(sys.argv[2]), sys.stdin.buffer.read()
box, calls = outbox.Outbox(folder), 0
for name in ("open", "fdopen", "fsync", "link"):
    def step_of(*arguments, real=getattr(os, name), **options):
        global calls
        calls += 1
        if calls == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    setattr(files.os, name, step_of)
box.put(Receipt.decode(data))
print("done")
"""


@pytest.mark.parametrize("step", range(1, 8))
def test_a_process_killed_at_any_step_leaves_a_whole_receipt_or_none(tmp_path, step):
    one = receipt()
    ran = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path), str(step)],
        input=one.encode(),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL or (step > 6 and ran.stdout == b"done\n"), ran.stderr
    outbox = Outbox(tmp_path)
    assert outbox.receipts() in ((), (one,))
    assert outbox.put(receipt(key=b"again")) in (one, receipt(key=b"again"))
