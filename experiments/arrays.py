"""Rows as numpy arrays: read from `.npz` files without pickle, and made a table that terms can describe."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fl.errors import UsageError

LABEL = "y"
TRAIN, TEST = "_train.npz", "_test.npz"
_HINT = "It holds x, a row of numbers or an image each, and y, the class of each: np.savez(FILE, x=x, y=y)."

Array = np.ndarray[Any, Any]


def read_npz(file: Path) -> pd.DataFrame:
    """Read the arrays x and y of a file as a table. Raises UsageError for whatever else it holds."""
    try:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise UsageError(f"{file} holds one array, and x and y are needed.", _HINT)
        with loaded as arrays:
            missing = [name for name in ("x", "y") if name not in arrays]
            if missing:
                raise UsageError(f"{file} has no array {' and no array '.join(missing)}.", _HINT)
            return table(arrays["x"], arrays["y"], str(file))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}.") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:  # pickled, cut or damaged
        raise UsageError(f"{file} is no .npz file that can be read: {error!s:.200}", _HINT) from error


def sibling(file: Path) -> Path | None:
    """The file with the test part that belongs to NAME_train.npz; None where there is none."""
    test = file.with_name(file.name.removesuffix(TRAIN) + TEST)
    return test if file.name.endswith(TRAIN) and test.is_file() else None


def train_file(folder: Path) -> Path:
    """The NAME_train.npz of a folder, whose NAME_test.npz lies beside it. Raises UsageError without one."""
    found = sorted(file for file in folder.glob(f"*{TRAIN}") if sibling(file))
    if len(found) != 1:
        holds = ", ".join(file.name for file in found) or f"no pair of NAME{TRAIN} and NAME{TEST}"
        raise UsageError(f"The folder {folder} holds {holds}.", "Name one file with rows to train on.")
    return found[0]


def table(x: object, y: object, source: str) -> pd.DataFrame:
    """A table of x (numbers [n, …]) in columns x1, x2, …, and of y (classes [n]) in the column y.

    Raises UsageError for arrays of other shapes or types; `source` is where they come from.
    """
    inputs, classes = np.asarray(x), np.asarray(y)
    if inputs.dtype.kind not in "uif" or classes.dtype.kind not in "uiUb":
        raise UsageError(
            f"{source}: x is {inputs.dtype} and y is {classes.dtype}.",
            "x holds numbers, and y whole numbers or texts.",
        )
    if inputs.ndim < 2 or classes.shape != inputs.shape[:1] or inputs.size == 0:
        raise UsageError(
            f"{source}: x has the shape {inputs.shape} and y {classes.shape}.",
            "x is [rows, …] and y is [rows], with a row at least.",
        )
    flat = inputs.reshape(len(inputs), -1)
    frame = pd.DataFrame(flat, columns=[f"x{number}" for number in range(1, flat.shape[1] + 1)])
    return frame.assign(**{LABEL: classes})
