"""Whose fault it is when a model fails in the middle of the work: somebody's own is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from fl import own
from fl.errors import FedledgerError

_NAME = "_fedledger_own"


def mark(module: nn.Module, name: str) -> None:
    """This module, and every copy of it, is somebody's own, and is called so."""
    vars(module)[_NAME] = name


@contextmanager
def named(module: nn.Module) -> Iterator[None]:
    """Raise OwnCodeError for whatever goes wrong in here with a module that is somebody's own."""
    try:
        yield
    except FedledgerError:
        raise
    except (Exception, SystemExit) as error:  # somebody else's code may raise anything
        name = vars(module).get(_NAME)
        if name is None:
            raise
        raise own.failed(f"The model {name}", error) from error
