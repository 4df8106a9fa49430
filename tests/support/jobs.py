"""What a pool's workers are given to do in tests: they have to find it by its module."""

import os
import signal
from collections.abc import Callable

from fl.errors import UsageError

Tell = Callable[[object], None]


def double(number: int, tell: Tell) -> tuple[int, int]:
    """Twice the number, and the process that found it."""
    tell(f"doubling {number}")
    return 2 * number, os.getpid()


def refuse(number: int, tell: Tell) -> None:
    raise UsageError(f"{number} is not possible.", "Take another.")


def divide_by_zero(number: int, tell: Tell) -> float:
    return number / 0


def die(number: int, tell: Tell) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
