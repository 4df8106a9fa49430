"""Spares Python's garbage collector what stays anyway: the modules of a framework, half a million objects.

While torch is imported, the collector looks through all that is there again and again, and finds nothing: a
tenth of a short run. Once more at the end of the process, that is another tenth (CPython 3.11).
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

atexit.register(gc.freeze)  # what is left when a process ends, its end clears away


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage meanwhile: for imports, not for work."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
