"""What cells are called, which is what their folders are called: `defence=krum,alpha=0.5,seed=1`."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence

_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
_LONGEST = 200
"""Bytes of a name; file systems allow 255."""


def labels(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A name for each row of values, distinct and fit for a folder; what is None is left out."""
    keys = [_safe(key) for key in _short(columns)]
    names = [",".join(_parts(keys, row)) or "cell" for row in rows]
    taken = Counter(name.lower() for name in names)  # some file systems do not tell A from a
    return [
        name if taken[name.lower()] == 1 and len(name) <= _LONGEST else _marked(name, row)
        for name, row in zip(names, rows, strict=True)
    ]


def _parts(keys: Sequence[str], row: Sequence[object]) -> Iterator[str]:
    for key, value in zip(keys, row, strict=True):
        if value is not None:
            yield f"{key}={_safe(shown(value))}"


def shown(value: object) -> str:
    """A setting's value in a few letters: texts as they are, the rest as in JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _short(columns: Sequence[str]) -> list[str]:
    """Dotted keys by their last part, where that is one of a kind."""
    last = [column.rpartition(".")[2] for column in columns]
    return [end if last.count(end) == 1 else column for column, end in zip(columns, last, strict=True)]


def _safe(text: str) -> str:
    return " ".join(_UNSAFE.sub(" ", text).split()).replace(" ", "-")


def _marked(name: str, row: Sequence[object]) -> str:
    mark = hashlib.sha256(repr(tuple(row)).encode()).hexdigest()[:8]
    return f"{name[: _LONGEST - 9]}-{mark}"
