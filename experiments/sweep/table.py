"""The table of a sweep, in three formats: CSV for spreadsheets, Parquet for pandas, JSON for the rest."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.sweep.naming import shown
from experiments.sweep.rows import Row
from fl.files import write_atomically
from fl.output import to_json

CSV, PARQUET, JSON = "table.csv", "table.parquet", "table.json"
WRITTEN = (CSV, PARQUET, JSON)


def write(rows: Sequence[Row], folder: Path) -> None:
    """Write the table in all three formats. Raises OSError."""
    table = frame(rows)
    write_atomically(folder / CSV, table.to_csv(index=False).encode())
    parquet = BytesIO()
    table.to_parquet(parquet, engine="pyarrow", index=False)
    write_atomically(folder / PARQUET, parquet.getvalue())
    write_atomically(folder / JSON, to_json(plain(rows)).encode())


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """The table, every column of one type; columns in which no row has anything are left out."""
    return pd.DataFrame({name: _column([row[name] for row in rows]) for name in _used(rows)})


def plain(rows: Sequence[Row]) -> list[Row]:
    """The table as JSON values; a number that is not finite is a text, as in results.json."""
    used = _used(rows)
    return [{name: _finite(row[name]) for name in used} for row in rows]


def _used(rows: Sequence[Row]) -> list[str]:
    return [name for name in (rows[0] if rows else ()) if any(row[name] is not None for row in rows)]


def _column(values: list[Any]) -> pd.Series[Any]:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean")
    if kinds == {int}:
        return pd.Series(values, dtype="Int64")
    if kinds <= {int, float}:
        return pd.Series(values, dtype="float64")
    return pd.Series([value if value is None else shown(value) for value in values], dtype="string")


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)  # NaN, Infinity, -Infinity
    return value
