"""A strategy of one's own, by the name that a person gives on a command line."""

from __future__ import annotations

from flwr.serverapp.strategy import Strategy

from aggregator import flower
from fl import own
from fl.errors import UsageError

_HINT = "Name it as module:attribute: a strategy, its class, or a function without arguments that makes one."


def load(name: str) -> Strategy:
    """The strategy that `module:attr` names: see `fl.own.find`. Raises UsageError for anything else."""
    found = own.find(name, "a strategy", _HINT)
    if callable(found) and not isinstance(found, Strategy):
        found = _called(found, name)
    if not isinstance(found, Strategy):
        raise UsageError(f"{name} is no strategy, but {type(found).__name__}.", _HINT)
    return found


def _called(make: object, name: str) -> object:
    assert callable(make), "asked before"
    try:
        with flower.quiet():
            return make()
    except (Exception, SystemExit) as error:  # somebody else's code may raise anything
        raise UsageError(f"{name} cannot be called without arguments: {own.said(error)}.", _HINT) from error
