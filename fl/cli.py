"""The `fl` command: finds its subcommands, and turns errors into sentences and exit codes.

Exit codes: 0 done; 1 failed, or something was found wrong; 2 used wrongly; 130 interrupted. A subcommand is
an entry point of the group `fedledger.commands` that names a `typer.Typer` or a function; what it returns, if
a number, is the exit code. It is imported when it is used: `fl --help` is quick, and no role is known here.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated

import click
import typer
from typer.core import TyperGroup

from fl import __version__
from fl.errors import FedledgerError, UsageError
from fl.output import print_error
from fl.own import TRACEBACK_HINT, place, said

_GROUP = "fedledger.commands"
_HELP = {
    "run": "Train one model among sites that share no data, every round through a chain and a store.",
    "sweep": "Run every combination of settings and seeds, and put what came of each into one table.",
    "simulate": "Run a Flower app of your own in this process, on a chain of its own if it is for one.",
    "compare": "Compare runs: intervals over seeds, learning curves, rewards, cost, and pictures of them.",
    "verify": "Replay every round from the chain and the store, and say what is right and what is not.",
    "rounds": "Show tasks, their rounds, and the verdict on every update.",
    "rewards": "Show what each round paid and why, reputation over time, and balances; withdraw them.",
    "key": "Make a key, or show whose it is.",
    "federation": "Deploy a federation, admit its members, and show it.",
    "task": "Draft the terms of a task, create it, fund it, and read what its terms say.",
    "site": "Read a task's terms at a site, join it, leave it, and see how the site stands.",
    "chain": "Make an embedded chain, or serve it to other programs.",
    "store": "Make an embedded store; check that a store has what its tasks name, and let go of the rest.",
}
_FAILED, _MISUSED, _INTERRUPTED = 1, 2, 130
_OUR_FAULT = "This is a fault in fedledger; with --debug before the command, `fl` shows where."


class _Commands(TyperGroup):
    """Subcommands by name: listed without being imported, imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Names in the order of the help, those of other distributions last."""
        found = _entries()
        return [name for name in _HELP if name in found] + sorted(found.keys() - _HELP.keys())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # as above
        """A stand-in that knows its one line of help."""
        if cmd_name not in _entries():
            return None
        return click.Command(cmd_name, help=_HELP.get(cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called, and import it."""
        self.commands = {name: click.Command(name) for name in self.list_commands(ctx)}  # "Did you mean …?"
        name, _, rest = super().resolve_command(ctx, args)
        return name, _load(_entries()[name or ""]), rest


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=_GROUP)}


def _load(entry: EntryPoint) -> click.Command:
    target = entry.load()
    if not isinstance(target, typer.Typer):
        function, target = target, typer.Typer(add_completion=False)
        target.command()(function)
    command = typer.main.get_command(target)
    command.name = entry.name
    return command


app = typer.Typer(cls=_Commands, add_completion=False, rich_markup_mode="rich", suggest_commands=False)


@app.callback(invoke_without_command=True)
def _fl(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
    debug: Annotated[  # noqa: ARG001  # read from the words themselves: parsing may be what fails
        bool, typer.Option("--debug", help="Show the traceback of an error (or set FEDLEDGER_DEBUG=1).")
    ] = False,
) -> None:
    """Federated learning whose every round is coordinated, paid and checkable on a chain."""
    if version:
        typer.echo(f"fedledger {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `fl` with these arguments (the process's own by default); returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with typer.main.get_command(app).make_context("fl", list(words)) as context:
            code = context.command.invoke(context)
            print(end="", flush=True)  # what cannot be written is told here; without a stdout nothing is
    except click.exceptions.Exit as end:
        return end.exit_code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the one place that explains errors
        if _debugging(words):
            traceback.print_exc()
        return _explain(error)
    return code if isinstance(code, int) else 0


def _debugging(words: Sequence[str]) -> bool:
    return "--debug" in words or os.environ.get("FEDLEDGER_DEBUG", "0") not in {"", "0"}


def _explain(error: BaseException) -> int:
    """Say what went wrong; returns the exit code."""
    code = _FAILED
    match error:
        case KeyboardInterrupt():
            print_error(str(error) or "Stopped.")
            code = _INTERRUPTED
        case click.Abort():
            print_error("Nothing was done.")
        case click.ClickException():
            _print_usage_error(error)
            code = error.exit_code
        case FedledgerError():
            print_error(error.message, error.hint)
            code = _MISUSED if isinstance(error, UsageError) else _FAILED
        case BrokenPipeError():  # the reader has gone, and Python must not write again when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        case OSError(strerror=str() as reason):  # a disk that is full names no file
            print_error(f"{error.filename}: {reason}." if error.filename else f"{reason}.")
        case _:
            print_error(said(error), TRACEBACK_HINT if place(error) else _OUR_FAULT)
    return code


def _print_usage_error(error: click.ClickException) -> None:
    context = getattr(error, "ctx", None)
    if error.format_message():  # empty where the help was just printed instead
        hint = f"`{context.command_path} --help` lists what there is." if context else ""
        print_error(error.format_message(), hint)
