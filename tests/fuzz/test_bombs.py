"""What is cheap to make and dear to read is refused before it costs much: little time, little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import bombs
import pytest


@pytest.mark.slow
def test_no_bomb_goes_off():
    """All of them together, in one process: the limits kill it if one takes more than all of them should."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(Path(bombs.__file__))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    became = dict(line.rsplit(": ", 1) for line in done.stdout.splitlines())
    assert list(became) == list(bombs.BOMBS), f"one went off:\n{done.stdout}{done.stderr}"
    assert {name for name, how in became.items() if how == "read"} == bombs.HARMLESS
    assert done.returncode == 0
