"""A little of `make chaos`: kill -9 at random moments, and the same end as if nothing had happened."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from nodes import tool

COUNTS = (
    "3 kills of fl run, each resumed; [12] kills of a served chain, [12] of Kubo; "
    r"(\d+) ends, \1 as if undisturbed; 0 lost\n"
)
CHAOS = Path(__file__).parents[1] / "chaos" / "chaos.py"


@pytest.mark.slow(minutes=3)
def test_runs_a_served_chain_and_kubo_can_be_killed_at_any_moment():
    tool("ipfs")
    words = ("--kills", "3", "--services", "1", "--rounds", "2", "--seed", "1", "--forked")
    done = subprocess.run([sys.executable, CHAOS, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(COUNTS, done.stdout)
