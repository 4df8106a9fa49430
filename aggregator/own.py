"""A strategy of one's own, by the name that a person gives on a command line."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from flwr.serverapp.strategy import Strategy

from aggregator import flower
from fl.errors import UsageError

_HINT = "Give --strategy module:attr: a strategy, its class, or a function without arguments that makes one."


def load(name: str) -> Strategy:
    """The strategy that `module:attr` names; modules are looked for in the working folder too.

    Runs the module's code: only what the caller typed may come here, never what a document says. Raises
    UsageError when there is no such thing, and for whatever the code itself raises.
    """
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise UsageError(f"{name!r} does not name a strategy.", _HINT)
    found = _attribute(_imported(module), path, name)
    if callable(found) and not isinstance(found, Strategy):
        found = _called(found, name)
    if not isinstance(found, Strategy):
        raise UsageError(f"{name} is no strategy, but {type(found).__name__}.", _HINT)
    return found


def _imported(module: str) -> object:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)  # last: nothing that is installed is hidden by what lies around
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:  # somebody else's code may raise anything
        raise UsageError(f"{module} cannot be imported: {_said(error)}", _HINT) from error


def _attribute(found: object, path: str, name: str) -> object:
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise UsageError(f"There is no {name}: {error}.", _HINT) from error
    return found


def _called(make: object, name: str) -> object:
    assert callable(make), "asked before"
    try:
        with flower.quiet():
            return make()
    except (Exception, SystemExit) as error:  # as above
        raise UsageError(f"{name} cannot be called without arguments: {_said(error)}", _HINT) from error


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)!r:.200}"
