"""What a sweep says at its end: means over the seeds, with their standard deviations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from statistics import fmean, stdev
from typing import Any

from rich.table import Table

from experiments.sweep.cells import SEED
from experiments.sweep.naming import shown
from experiments.sweep.rows import DONE, Row
from fl.output import safe
from fl.output import table as empty_table

_NUMBERS = {
    "log_loss": "log loss",
    "accuracy": "accuracy",
    "auc": "AUC",
    "earned_misbehaving": "misbehaving earn\n(equal shares)",
}
FEW = 40
"""Lines that somebody reads on a terminal."""


def means(rows: Sequence[Row], varied: Sequence[str]) -> Table:
    """One line for each combination of what is varied beside the seed; `varied` are its columns."""
    axes = [column for column in varied if column != SEED]
    numbers = {key: name for key, name in _NUMBERS.items() if any(row[key] is not None for row in rows)}
    made = empty_table(
        "Means over seeds, ± standard deviation", axes or ["cells"], ["seeds", *numbers.values()]
    )
    groups = [list(group) for _, group in groupby(rows, key=lambda row: [row[axis] for axis in axes])]
    for group in groups[:FEW]:
        labels = [safe(shown(group[0][axis])) for axis in axes] or ["all"]
        done = [row for row in group if row["state"] == DONE]
        made.add_row(*labels, str(len(done)), *(_mean([row[key] for row in done]) for key in numbers))
    if groups[FEW:]:
        made.caption = f"and {len(groups) - FEW} lines more"
    return made


def _mean(values: Sequence[Any]) -> str:
    found = [value for value in values if value is not None]
    if not found:
        return ""
    spread = f" ± {stdev(found):.4f}" if len(found) > 1 else ""
    return f"{fmean(found):.4f}{spread}"
