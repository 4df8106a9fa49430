"""What people and programs read: tables and sentences on a terminal, JSON for pipes.

Results go to stdout, everything else to stderr, so that `--json` leaves nothing but JSON on stdout.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_WIDTH_OF_A_PIPE = 120


def console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr as they are now; in a pipe, lines of 120 characters."""
    width = shutil.get_terminal_size((_WIDTH_OF_A_PIPE, 24)).columns
    return Console(stderr=stderr, width=width, highlight=False, emoji=False)  # a:b:c is a name, not a picture


def safe(text: str) -> str:
    """Somebody else's text, fit for a terminal: no control characters, no markup of rich."""
    printable = (letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    shown = escape("".join(printable))
    slashes = len(shown) - len(shown.rstrip("\\"))
    return shown + "\\" * (slashes % 2)  # an odd one would hide the markup that follows


def table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    """An empty table whose first columns hold texts (left) and whose others hold numbers (right)."""
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_style="yellow",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in texts:
        made.add_column(name, overflow="fold")
    for name in numbers:
        made.add_column(name, justify="right", no_wrap=True)
    return made


def to_json(value: object) -> str:
    """JSON that people can read too; raises ValueError for a number that is not finite."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def print_json(value: object) -> None:
    """Write one JSON value to stdout, and nothing around it."""
    print(to_json(value), end="")


def print_error(message: str, hint: str = "") -> None:
    """Say on stderr what went wrong and what to do next."""
    out = console(stderr=True)
    out.print(f"[bold red]error:[/] {safe(message)}", soft_wrap=True)
    if hint:
        out.print(f"[bold cyan]hint:[/]  {safe(hint)}", soft_wrap=True)
