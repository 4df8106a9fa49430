"""What people and programs read: tables and sentences on a terminal, JSON for pipes.

Results go to stdout, everything else to stderr, so that `--json` leaves nothing but JSON on stdout.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.measure import Measurement
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
    made = _Fitting(title=title, title_justify="left", **_LOOK)
    made.texts = len(texts)
    for name in texts:
        made.add_column(name, overflow="fold")
    for name in numbers:
        made.add_column(name, justify="right", overflow="fold")
    return made


_LOOK: dict[str, Any] = {
    "title_style": "bold",
    "caption_style": "yellow",
    "box": box.SIMPLE_HEAD,
    "pad_edge": False,
    "padding": (0, 1, 0, 0),
}
_GAP = 2
"""What each column takes beside its width, in this look."""


class _Fitting(Table):
    """A table for terminals of any width: numbers that have no room follow below, beside the texts again.

    So numbers stay whole, and so do words but for those that are too long for the terminal.
    """

    texts = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        endless = options.update(width=10**6)
        spans = [self._span(number, console, endless) for number in range(len(self.columns))]
        parts = [self._part(part) for part in _parts(spans, self.texts, options.max_width)]
        parts[0].title, parts[0].title_justify = self.title, self.title_justify
        parts[-1].caption, parts[-1].caption_justify = self.caption, self.caption_justify
        yield from parts

    def _span(self, number: int, console: Console, endless: ConsoleOptions) -> Measurement:
        """How narrow and how wide a column may be; only texts and titles may break between words."""
        column = self.columns[number]
        titles = [column.header, *([column.footer] if self.show_footer else [])]
        found = [Measurement.get(console, endless, one) for one in (*titles, *column.cells)]
        words = found if number < self.texts else found[: len(titles)]
        whole = [*(one.minimum for one in words), *(one.maximum for one in found[len(words) :])]
        return Measurement(max(1, *whole), max(1, *(one.maximum for one in found)))

    def _part(self, widths: Mapping[int, int]) -> Table:
        """Some of the columns, so wide."""
        columns = [replace(self.columns[number], width=width) for number, width in widths.items()]
        part = Table(*columns, **_LOOK)
        part.rows, part.show_footer = self.rows, self.show_footer
        return part


def _parts(spans: Sequence[Measurement], texts: int, width: int) -> Iterator[dict[int, int]]:
    """The columns of each part with their widths: all texts, and as many numbers as fit, but one at least."""
    least = [span.minimum for span in spans]
    widest = max((one + _GAP for one in least[texts:]), default=0)
    least[:texts] = _shrunk(least[:texts], [1] * texts, width - widest - _GAP * texts)
    shown = list(range(texts))
    for number in range(texts, len(spans)):
        if shown[texts:] and sum(least[one] + _GAP for one in (*shown, number)) > width:
            yield _widths(shown, spans, least, width)
            shown = list(range(texts))
        shown.append(number)
    yield _widths(shown, spans, least, width)


def _widths(
    shown: Sequence[int], spans: Sequence[Measurement], least: Sequence[int], width: int
) -> dict[int, int]:
    most = [min(spans[number].maximum, width) for number in shown]
    fitting = _shrunk(most, [least[number] for number in shown], width - _GAP * len(shown))
    return dict(zip(shown, fitting, strict=True))


def _shrunk(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths that fit into a room together, if they can: the widest gives first, down to its least."""
    found = list(widths)
    while sum(found) > room and (able := [one for one, low in enumerate(least) if found[one] > low]):
        found[max(able, key=found.__getitem__)] -= 1
    return found


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
