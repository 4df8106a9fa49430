"""One row a cell: what was varied, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, fields

from experiments.results import Baselines, Metrics, Results, mean_equal_shares
from experiments.sweep.cells import Cell
from experiments.sweep.naming import shown

DONE, FAILED = "done", "failed"
_METRICS = tuple(field.name for field in fields(Metrics))
_BASELINES = tuple(f"{kind}_{metric}" for kind in ("alone", "pooled") for metric in _METRICS)
FOUND = (*_METRICS, *_BASELINES, "rounds_closed", "gas", "seconds", "earned_honest", "earned_misbehaving")
"""What a finished cell has: metrics of the last model on the test rows, the mean trainer's alone and that of
all rows in one place; gas of all calls; wall-clock seconds of the rounds; what the mean trainer of either
kind earned, in units of an equal share."""
COLUMNS = ("state", *FOUND, "folder", "reason")

Row = dict[str, object]


def row(cell: Cell, folder: str, found: Results | str) -> Row:
    """The row of a cell that has its results, or the reason why it has none. `folder` is where it lies."""
    told = {column: _plain(value) for column, value in cell.varied.items()}
    failed = isinstance(found, str)
    outcome = dict.fromkeys(FOUND) if isinstance(found, str) else _outcome(found)
    return {
        **told,
        "state": FAILED if failed else DONE,
        **outcome,
        "folder": folder,
        "reason": found if failed else None,
    }


def _plain(value: object) -> object:
    """A list, such as the widths of layers, is a text in a table."""
    return value if isinstance(value, str | int | float) else shown(value)


def _outcome(found: Results) -> Row:
    honest = [one for one in found.contributors if one.misbehaviour is None]
    others = [one for one in found.contributors if one.misbehaviour is not None]
    return {
        **asdict(found.final),
        **_compared(found.baselines),
        "rounds_closed": sum(one.manifest is not None for one in found.rounds),
        "gas": sum(one.gas.total for one in found.rounds),
        "seconds": found.timing.total,
        "earned_honest": mean_equal_shares(honest),
        "earned_misbehaving": mean_equal_shares(others),
    }


def _compared(found: Baselines | None) -> Row:
    if found is None:
        return dict.fromkeys(_BASELINES)
    values = (*asdict(found.mean_alone).values(), *asdict(found.pooled).values())
    return dict(zip(_BASELINES, values, strict=True))
