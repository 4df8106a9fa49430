"""The table of utilities as a blob: a title, then a line a coalition, in an order that follows from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fl.errors import DocumentError

_TITLE = "fedledger utilities 2"
_SURROGATE = "~"


@dataclass(frozen=True)
class Table:
    """Utilities in millionths by coalition (bit i: the i-th accepted trainer in chain order).

    `surrogate` holds those of mixed outputs, which stand in for models that were not evaluated.
    """

    true: Mapping[int, int] = field(default_factory=dict)
    surrogate: Mapping[int, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything was measured."""
        return bool(self.true)


def encode_table(table: Table) -> bytes:
    """Write a title, then coalition (hexadecimal, ascending) and utility; surrogates last, marked with ~."""
    lines = [_TITLE, *_lines("", table.true), *_lines(_SURROGATE, table.surrogate)]
    return ("\n".join(lines) + "\n").encode("ascii")


def _lines(mark: str, utilities: Mapping[int, int]) -> Iterator[str]:
    return (f"{mark}{mask:x} {utilities[mask]}" for mask in sorted(utilities))


def decode_table(data: bytes) -> Table:
    """Read what `encode_table` wrote; any other bytes raise DocumentError."""
    table = Table({}, {})
    try:
        for line in data.decode("ascii").splitlines()[1:]:
            mask, utility = line.split(" ")
            kind = table.surrogate if mask.startswith(_SURROGATE) else table.true
            kind[int(mask.removeprefix(_SURROGATE), 16)] = int(utility)  # type: ignore[index]  # two dicts, see above
    except ValueError as error:
        raise DocumentError("This is not a table of utilities.") from error
    if encode_table(table) != data:
        raise DocumentError("This table of utilities is not written as it should be.")
    return table
