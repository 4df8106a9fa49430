"""Code of a person's own, by the name that this person typed: `module:attribute`.

Only what the caller typed may come here, never what a document says.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from fl.errors import UsageError


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
        raise UsageError(f"{module} cannot be imported: {said(error)}", hint) from error


def said(error: BaseException) -> str:
    """What an exception of somebody else's code says, short enough for a line."""
    return f"{type(error).__name__}: {str(error)!r:.200}"
