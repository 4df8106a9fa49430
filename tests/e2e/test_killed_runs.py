"""`kill -9` of a run at any moment, then `--resume`: the same end as an undisturbed run, block for block."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from experiments.results import Results
from fl.chain.node import EmbeddedNode

pytestmark = pytest.mark.slow

WORDS = ("--trainers", "4", "--rounds", "2", "--set", "training.epochs=1")
"""What makes a run that the fixture `honest` made too."""

DYING_RUNS = Path(__file__).with_name("dying_runs.py")

LEDGER = "fl.ledger.contract"
MOMENTS = (
    ("while keys are written", "experiments.federation", "write_key", "after", 3),
    ("between deployment and task", LEDGER, "Web3Ledger.create_task", "before", 1),
    ("between admissions", LEDGER, "Web3Ledger.admit", "after", 2),
    ("while sites join", LEDGER, "Web3Ledger.join_task", "before", 3),
    ("before the folder counts as set up", "fl.wiring", "Deployment.write", "before", 1),
    ("set up, before the first round", "fl.wiring", "Deployment.write", "after", 1),
    ("announced, not opened", LEDGER, "Web3Ledger.open_round", "before", 1),
    ("opened", LEDGER, "Web3Ledger.open_round", "after", 1),
    ("in training, receipts in some outboxes", "clients.outbox", "Outbox.put", "after", 2),
    ("before the first submission", LEDGER, "Web3Ledger.submit_update", "before", 1),
    ("between submissions", LEDGER, "Web3Ledger.submit_update", "after", 2),
    ("sealed, receipts unpublished", "clients.site", "Site.publish_due", "before", 1),
    ("between publications", "clients.site", "Site._publish", "before", 2),
    ("decided, nothing stored", "aggregator.rounds", "Rounds._close", "before", 1),
    ("manifest stored, not closed", LEDGER, "Web3Ledger.close_round", "before", 1),
    ("closed, not settled", LEDGER, "Web3Ledger.close_round", "after", 1),
    ("settling", LEDGER, "Web3Ledger.settle_round", "before", 1),
    ("settled", LEDGER, "Web3Ledger.settle_round", "after", 1),
    ("in the next round", LEDGER, "Web3Ledger.submit_update", "after", 3),
    ("before the last settlement", LEDGER, "Web3Ledger.settle_round", "before", 1),
    ("while summing up", "experiments.baselines", "pooled", "before", 1),
    ("before the results are written", "experiments.results", "Results.write", "before", 1),
)


def head(folder: Path) -> bytes:
    with EmbeddedNode.open(folder / "chain.sqlite") as node, node.reading() as snapshot:
        return snapshot.head().hash


def never_came(folder: Path, *moments: tuple) -> str:
    """Run into each moment in turn, dying there."""
    command = [sys.executable, DYING_RUNS, json.dumps(moments), folder, *WORDS]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300).stdout


def moment(name: str) -> tuple:
    return next(one for one in MOMENTS if one[0] == name)


def check_undisturbed(folder: Path, honest) -> None:
    assert Results.read(folder).facts() == honest.results.facts()
    assert head(folder) == honest.head
    assert list((folder / "sites").glob("*/outbox/receipts/*")) == []


def test_a_run_that_is_killed_at_every_step_in_turn_ends_as_if_nothing_had_happened(
    honest, fl, verify, tmp_path
):
    folder = tmp_path / "run"
    assert never_came(folder, *MOMENTS) == "[]\n"
    assert fl("run", "--resume", folder)[0] == 0
    check_undisturbed(folder, honest)
    assert verify(folder).code == 0


def test_an_auditor_can_look_at_a_run_that_stopped_anywhere(verify, tmp_path):
    folder = tmp_path / "run"
    never_came(folder, moment("between submissions"))
    found = verify(folder)
    assert (found.code, found.texts("note", 1)) == (0, ["still open"])
    never_came(folder, moment("closed, not settled"))
    found = verify(folder)
    assert (found.code, found.texts("ok", 1)) == (0, ["closed as its submissions demand"])


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_run_with_workers_that_is_stopped_from_outside_leaves_none_of_them_behind_and_goes_on(
    honest, fl, verify, tmp_path, sent, code
):
    folder = tmp_path / "run"
    command = [Path(sys.executable).with_name("fl"), "run", *WORDS, "--workers", "2", "--out", folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        next(line for line in process.stderr if line.startswith("round   1"))
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(sent)
        last_words = process.stderr.read()
    assert process.returncode == code
    assert (f"fl run --resume {folder}" in last_words) == (sent == signal.SIGINT)
    assert fl("run", "--resume", folder)[0] == 0
    check_undisturbed(folder, honest)
    assert verify(folder).code == 0
    assert len(workers) >= 2
    assert [worker for worker in workers if is_running(worker)] == []


def is_running(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_finished_run_is_summed_up_again(honest, fl, tmp_path):
    run = honest.copied_to(tmp_path / "run")
    assert fl("run", "--resume", run.folder)[0] == 0
    check_undisturbed(run.folder, honest)
