"""Who holds how many rows of each class, as it is kept in a run's folder for pictures and tables."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from experiments.folder import PARTITION
from fl.errors import UsageError
from fl.examples import Examples
from fl.files import write_atomically

_COLUMNS = ["trainer", "class", "rows"]


@dataclass(frozen=True)
class Holdings:
    """Rows by trainer and class: int64 [trainers, classes]."""

    trainers: tuple[str, ...]
    classes: tuple[str, ...]
    rows: np.ndarray[Any, np.dtype[np.int64]]

    @classmethod
    def of(cls, trainers: Sequence[str], classes: Sequence[str], sites: Sequence[Examples]) -> Holdings:
        """Count each site's rows."""
        rows = [np.bincount(site.y, minlength=len(classes)) for site in sites]
        return cls(tuple(trainers), tuple(classes), np.array(rows, np.int64))

    def write(self, folder: Path) -> None:
        """Write `partition.csv`: a line a trainer and class."""
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for trainer, counts in zip(self.trainers, self.rows.tolist(), strict=True):
            writer.writerows([trainer, name, count] for name, count in zip(self.classes, counts, strict=True))
        write_atomically(folder / PARTITION, text.getvalue().encode())

    @classmethod
    def read(cls, folder: Path) -> Holdings:
        """Read what `write` wrote; raises UsageError for anything else."""
        file = folder / PARTITION
        try:
            header, *lines = csv.reader(StringIO(file.read_text("utf-8")))
            found = {(trainer, name): int(count) for trainer, name, count in lines}
            trainers, classes = (tuple(dict.fromkeys(names)) for names in zip(*found, strict=True))
            rows = [[found[trainer, name] for name in classes] for trainer in trainers]
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
        except (ValueError, KeyError) as error:
            raise UsageError(f"{file} is not what a run writes.") from error
        if header != _COLUMNS:
            raise UsageError(f"{file} is not what a run writes.")
        return cls(trainers, classes, np.array(rows, np.int64))
