"""What users really have: a full disk, a lost block, a damaged chain file, an address of something else."""

import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from experiments.results import Results
from fl.chain.node import EmbeddedNode
from fl.cli import main
from fl.store.cid import Cid
from fl.wiring import Deployment

FL = Path(sys.executable).with_name("fl")
WORDS = ("--trainers", "4", "--rounds", "2", "--set", "training.epochs=1")
"""What makes a run that the fixture `honest` made too."""


def said(capsys) -> str:
    """What stands on stderr, when it is an error and nothing stands on stdout."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err
    assert "fault in fedledger" not in captured.err
    return captured.err


# --- the disk


@pytest.mark.slow
def test_a_run_whose_disk_is_full_says_so_and_goes_on_when_there_is_room(honest, fl, tmp_path):
    folder, room = tmp_path / "run", 600_000  # the chain's file outgrows it in the first round
    done = subprocess.run(
        [FL, "run", *WORDS, "--out", folder],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "chain.sqlite cannot be used" in done.stderr
    assert f"Go on with: fl run --resume {folder}" in done.stderr
    assert fl("run", "--resume", folder)[0] == 0
    assert Results.read(folder).facts() == honest.results.facts()


# --- the store


def test_a_lost_block_is_named_and_a_copy_of_it_heals_the_run(honest, fl, capsys, tmp_path):
    run = honest.copied_to(tmp_path / "run")
    cid = Cid.parse(run.record.terms().weights.cid)
    block = next((run.folder / "store/blocks").glob(f"*/{cid.digest.hex()}"))
    copy = block.rename(tmp_path / "copy")
    assert main(["run", "--resume", str(run.folder)]) == 1
    assert f"Block {cid} is not in the store" in (error := capsys.readouterr().err)
    assert str(block) in error
    assert fl("verify", run.folder)[0] == 1
    shutil.copy(copy, block)
    assert fl("run", "--resume", run.folder)[0] == 0
    assert Results.read(run.folder).facts() == honest.results.facts()


# --- the chain


def checkpointed(folder: Path) -> bytes:
    """A chain file's bytes, with everything in it."""
    with sqlite3.connect(folder / "chain.sqlite") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (folder / "chain.sqlite").read_bytes()


DAMAGES = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "header only": lambda data: data[:100],
    "a letter": lambda data: b"Dear auditor",
    "of a later release": lambda data: data[:60] + (9).to_bytes(4) + data[64:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_file_that_is_no_whole_chain_of_this_release_is_a_wrong_argument(honest, capsys, tmp_path, damage):
    run = honest.copied_to(tmp_path / "run")
    place = Deployment.read(run.folder)
    file = tmp_path / "other.sqlite"
    file.write_bytes(damage(checkpointed(run.folder)))
    before = file.read_bytes()
    where = ("--contract", place.contract, "--task", "1", "--store", place.store)
    assert main(["verify", "--rpc", str(file), *where]) == 2
    assert "other.sqlite" in said(capsys)
    assert file.read_bytes() == before


# --- addresses of something else


class WebSite(BaseHTTPRequestHandler):
    """Greets whoever asks."""

    def do_POST(self):
        body = b"<html>Welcome!</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def web_site():
    with ThreadingHTTPServer(("127.0.0.1", 0), WebSite) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("command", ["verify", "rounds", "rewards"])
def test_a_web_site_is_no_node(honest, capsys, web_site, command):
    assert main([command, str(honest.folder), "--rpc", web_site]) == 1
    assert "gave no sensible answer" in said(capsys)


def test_a_store_that_gives_no_answer_is_no_mismatch(honest, capsys):
    assert main(["verify", str(honest.folder), "--store", "http://127.0.0.1:1"]) == 1
    assert "gives no answer" in said(capsys)


def test_a_host_without_a_scheme_is_told_what_an_address_looks_like(honest, capsys):
    assert main(["verify", str(honest.folder), "--rpc", "localhost:8545"]) == 2
    assert "a node's address begins with http://" in said(capsys)


def test_an_address_that_was_not_copied_well_is_refused(honest, capsys):
    good = Deployment.read(honest.folder).contract
    wrong = next(
        good[:at] + good[at].swapcase() + good[at + 1 :] for at in range(2, 42) if good[at].isalpha()
    )
    assert main(["rounds", str(honest.folder), "--contract", wrong]) == 2
    assert "capitals do not fit" in said(capsys)
    assert main(["rounds", str(honest.folder), "--contract", good.lower()]) == 0


# --- the account, the clock


def test_who_has_no_coin_for_gas_is_told_so_and_nothing_is_paid(honest, fl, capsys, tmp_path):
    run, key = honest.copied_to(tmp_path / "run"), tmp_path / "poor.key"
    key.write_text("0x" + 64 * "7")
    key.chmod(0o600)
    before = run.head
    assert main(["rewards", "withdraw", str(run.folder), "--key", str(key)]) == 1
    assert "own coin" in said(capsys)
    assert run.head == before


def test_a_chain_that_is_ahead_of_the_clock_is_read_and_paid_from_as_any_other(honest, fl, tmp_path):
    run = honest.copied_to(tmp_path / "run")
    with EmbeddedNode.open(run.folder / "chain.sqlite") as node:
        node.set_time(int(time.time()) + 10**9)
    for command in (["rewards", "withdraw"], ["verify"], ["run", "--resume"]):
        assert fl(*command, run.folder)[0] == 0
