"""`kill -9` of a run at any moment, then `--resume`: the same end as an undisturbed run, block for block."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.results import Results
from fl.chain.node import EmbeddedNode

pytestmark = pytest.mark.slow

WORDS = ("--trainers", "4", "--rounds", "2", "--set", "training.epochs=1")
"""What makes a run that the fixture `honest` made too."""

DEATHS = """
import os, signal, sys
from importlib import import_module
from experiments import plots, report, run
from fl.cli import main

def lethal(module, path, when, call):
    *owners, name = path.split(".")
    owner = import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    real, calls = getattr(owner, name), 0

    def called(*args, **kwargs):
        nonlocal calls
        calls += 1
        if (calls, when) == (call, "before"):
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **kwargs)
        if (calls, when) == (call, "after"):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, called)

def lives(moment, folder):
    begun = os.path.exists(os.path.join(folder, "config.toml"))
    child = os.fork()  # nothing but imports has happened in this process
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        lethal(*moment)
        os._exit(main(["run", "--resume", folder] if begun else ["run", *words, "--out", folder]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGKILL

moments, folder, *words = eval(sys.argv[1]), *sys.argv[2:]
print([name for name, *moment in moments if lives(moment, folder)])
"""
"""Begins `fl run`, then resumes it, in one process after the other: each dies before or after the n-th call
of one function. Prints those that did not."""

LEDGER = "fl.ledger.contract"
MOMENTS = (
    ("while keys are written", "experiments.setup", "write_key", "after", 3),
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
    ("between publications", "clients.outbox", "Outbox.drop", "before", 2),
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


def test_a_run_that_is_killed_at_every_step_in_turn_ends_as_if_nothing_had_happened(
    honest, fl, verify, tmp_path
):
    folder = tmp_path / "run"
    command = [sys.executable, "-c", DEATHS, repr(MOMENTS), folder, *WORDS]
    survivors = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300).stdout
    assert survivors == "[]\n"
    assert fl("run", "--resume", folder)[0] == 0
    assert Results.read(folder).facts() == honest.results.facts()
    assert head(folder) == honest.head
    assert (verify(folder).code, list((folder / "sites").glob("*/outbox/receipts/*"))) == (0, [])


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_a_run_with_workers_that_is_killed_from_outside_leaves_none_of_them_behind_and_goes_on(
    honest, fl, verify, tmp_path, pause
):
    folder = tmp_path / "run"
    command = [Path(sys.executable).with_name("fl"), "run", *WORDS, "--workers", "2", "--out", folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        next(line for line in process.stderr if line.startswith("round   1"))
        time.sleep(pause)
        workers = children(process.pid)
        process.kill()
    assert process.returncode in (-signal.SIGKILL, 0)  # a quick machine may be done
    assert fl("run", "--resume", folder)[0] == 0
    assert Results.read(folder).facts() == honest.results.facts()
    assert head(folder) == honest.head
    assert verify(folder).code == 0
    assert [worker for worker in workers if is_running(worker)] == []


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text()


def test_a_finished_run_is_summed_up_again(honest, fl, tmp_path):
    run = honest.copied_to(tmp_path / "run")
    assert fl("run", "--resume", run.folder)[0] == 0
    assert Results.read(run.folder).facts() == honest.results.facts()
    assert head(run.folder) == honest.head
