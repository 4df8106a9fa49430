"""What a file is that should be a table of text and is not: said before anything tries to read it."""

from __future__ import annotations

from pathlib import Path

from fl.errors import UsageError

_SAVE_AS_CSV = "Save it as CSV, in UTF-8."
_FORMATS = (
    (b"PK\x03\x04", "is an Excel workbook or a zip archive", _SAVE_AS_CSV),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook", _SAVE_AS_CSV),
    (b"SQLite format 3\0", "is an SQLite database", "Export the table as CSV, in UTF-8."),
    (b"PAR1", "is a Parquet file", _SAVE_AS_CSV),
    (b"\x1f\x8b", "is compressed", "Unpack it first, with gunzip."),
    (b"\xff\xfe", "is text in UTF-16", _SAVE_AS_CSV),
    (b"\xfe\xff", "is text in UTF-16", _SAVE_AS_CSV),
    (b"%PDF", "is a PDF document", _SAVE_AS_CSV),
)
"""First bytes, what begins with them, and what to do."""

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_LOOK = 64 << 10


def refuse_other_formats(path: Path) -> None:
    """Raise UsageError for a file that is no text, or whose first line has another separator than commas.

    Raises OSError for one that cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_LOOK)
    for mark, what, hint in _FORMATS:
        if start.startswith(mark):
            raise UsageError(f"{path} {what}, and no text with commas.", hint)
    if b"\0" in start:
        raise UsageError(f"{path} is not a text file.", _SAVE_AS_CSV)
    _refuse_separators(path, start.partition(b"\n")[0].decode(errors="replace"))


def _refuse_separators(path: Path, line: str) -> None:
    mark = max(_SEPARATORS, key=line.count)
    if line.count(mark) > line.count(","):
        raise UsageError(
            f"The cells of {path} are separated by {_SEPARATORS[mark]}.",
            "Put commas between them, and write decimals with a point.",
        )
