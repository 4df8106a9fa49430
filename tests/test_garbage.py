"""Imports are spared the garbage collector, and nothing else is."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from fl.garbage import uncollected


def test_nothing_is_collected_meanwhile_and_everything_afterwards():
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_is_collected_again_after_an_import_that_failed():
    with pytest.raises(ImportError), uncollected():
        raise ImportError
    assert gc.isenabled()


def test_who_collects_nothing_at_all_goes_on_so():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_asks_for_the_end_of_a_process_still_hears_of_it():
    program = (
        "import fl.garbage, atexit, weakref\nclass A: pass\na = A(); weakref.finalize(a, print, 'closed')"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "closed\n"
