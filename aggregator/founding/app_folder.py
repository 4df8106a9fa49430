"""A Flower app in its folder: what `flwr run` reads there, and how its apps are imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import click
from flwr.app import UserConfig

from aggregator import flower
from fl.errors import UsageError

OURS = ("fl", "aggregator", "clients", "experiments")
"""Names of fedledger's own packages, which an app cannot have too."""

App = TypeVar("App")


@dataclass(frozen=True)
class AppFolder:
    """An app's ServerApp and ClientApp as `module:attribute`, and its run configuration."""

    folder: Path
    server: str
    client: str
    run_config: UserConfig

    @classmethod
    def open(cls, folder: Path, changes: Sequence[str] = ()) -> AppFolder:
        """Read the app's pyproject.toml and make its modules importable; `changes` as `flwr run -c` has them.

        Raises UsageError when the folder holds no Flower app, for changes of what is not there, and for
        packages with names of ours.
        """
        try:
            components = flower.components_of(folder)
            run_config = flower.run_config_of(folder, changes)
        except (OSError, ValueError) as error:
            hint = "Name the folder of a Flower app: the one with its pyproject.toml."
            raise UsageError(f"{folder} cannot be used: {error}", hint) from error
        except click.ClickException as error:
            raise UsageError(error.format_message(), 'Write -c "lr=0.1 epochs=2".') from error
        if not {"serverapp", "clientapp"} <= components.keys():
            raise UsageError(f"The app in {folder} has no ServerApp, or no ClientApp.")
        demand_names_of_its_own(folder)
        if (place := str(folder.absolute())) not in sys.path:
            sys.path.insert(0, place)  # as Flower does
        return cls(folder, components["serverapp"], components["clientapp"], run_config)


def demand_names_of_its_own(folder: Path) -> None:
    """Demand that no module of an app hides one of ours: there, Python would not find fedledger any more.

    Raises UsageError.
    """
    for name in OURS:
        found, ours = PathFinder.find_spec(name, [str(folder.absolute()), *sys.path]), find_spec(name)
        if found and (ours is None or found.origin != ours.origin):
            raise UsageError(
                f"The app's own {name!r} in {folder} hides fedledger's package of that name.",
                f"Rename it, or put it into the app's package; fedledger has {', '.join(OURS)}.",
            )


def load(reference: str, kind: type[App]) -> App:
    """Import an app named as `module:attribute`. Raises UsageError when there is no such app of this kind."""
    module, _, attribute = reference.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"There is no app {reference!r}: {error}.", "Name it as module:attribute."
        ) from error
    if not isinstance(found, kind):
        raise UsageError(f"{reference!r} is no {kind.__name__}.")
    return found


def package(reference: str) -> str:
    """The top-level package, or module, of an app named as `module:attribute`."""
    return reference.partition(":")[0].partition(".")[0]
