"""A group that can be called without a subcommand's name: `fl rewards DIR` means `fl rewards show DIR`."""

from __future__ import annotations

import click
from typer.core import TyperGroup


class DefaultGroup(TyperGroup):
    """Its first subcommand is meant when the first word names none: `typer.Typer(cls=DefaultGroup)`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the first subcommand's name in front where none stands."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)
