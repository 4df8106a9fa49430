"""Code of a person's own, by the name that this person typed: `module:attribute`; and what it raises.

Only what the caller typed may come here, never what a document says.
"""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Self

from fl.errors import FedledgerError, OwnCodeError, UsageError

TRACEBACK_HINT = "With --debug before the command, `fl` shows the traceback."

_PARTS = ("fl", "aggregator", "clients", "experiments")
_NOT_THEIRS = (*(Path(__file__).parents[1] / part for part in _PARTS), Path(os.__file__).parent)
_INSTALLED = {"site-packages", "dist-packages"}


def is_own(name: str) -> bool:
    """Whether a name means somebody's own code rather than what is installed with us."""
    return ":" in name


def find(name: str, what: str, hint: str) -> object:
    """The object that `module:attribute` names; modules are looked for in the working folder too.

    Runs the module's code. `what` says what is looked for, as in "a strategy". Raises UsageError, with
    `hint`, when there is no such thing, and for whatever the code itself raises.
    """
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise UsageError(f"{name!r} does not name {what}.", hint)
    found = _imported(module, hint)
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise UsageError(f"There is no {name}: {error}.", hint) from error
    return found


def _imported(module: str, hint: str) -> object:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)  # last: nothing that is installed is hidden by what lies around
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:  # somebody else's code may raise anything
        raise UsageError(f"{module} cannot be imported: {said(error)}.", hint) from error


# --- what it raises


@dataclass(frozen=True)
class Fault:
    """What somebody's own code raised: in a line, and with its traceback."""

    said: str
    trace: str

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Keep what is said of an error, and nothing of what it holds on to."""
        return cls(said(error), "".join(traceback.format_exception(error)))


def failed(what: str, error: BaseException) -> OwnCodeError:
    """The sentence about code of a person's own that raised; `what` it is, as in "The model mine:net"."""
    return OwnCodeError(f"{what} failed: {said(error)}.", TRACEBACK_HINT)


def said(error: BaseException) -> str:
    """What an exception of somebody else's code says, on one line without a full stop: kind, text, place."""
    if isinstance(error, FedledgerError):
        return error.message.rstrip(".")
    text = " ".join(_text(error).split())[:200].rstrip(".")
    found = place(error)
    return type(error).__name__ + (f": {text}" if text else "") + (f" ({found})" if found else "")


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception of somebody's own may fail even at this
        return ""


def place(error: BaseException) -> str:
    """File and line of a person's own code that raised, or called what did; empty where none took part."""
    if isinstance(error, SyntaxError):
        return ""  # its text says where
    frames = traceback.walk_tb(error.__traceback__)
    theirs = [
        (frame.f_code.co_filename, line) for frame, line in frames if _is_theirs(frame.f_code.co_filename)
    ]
    return f"{_short(theirs[-1][0])}:{theirs[-1][1]}" if theirs else ""


def _is_theirs(file: str) -> bool:
    """Whether a file is neither ours, nor Python's own, nor installed."""
    path = Path(file)
    return not (
        file.startswith("<")
        or _INSTALLED.intersection(path.parts)
        or any(path.is_relative_to(folder) for folder in _NOT_THEIRS)
    )


def _short(file: str) -> str:
    """The path from the working folder, for what lies in there."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file
