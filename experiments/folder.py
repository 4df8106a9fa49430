"""The folder of a run: where it goes, what it holds, and whether a folder is one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from fl.errors import UsageError

CONFIG = "config.toml"
RESULTS = "results.json"
MODEL = "model.safetensors"
METRICS_PLOT = "metrics.png"
REWARDS_PLOT = "rewards.png"
PARTITION = "partition.csv"
PARTITION_PLOT = "partition.png"
_PART = ".part"  # what `fl.files` calls a file that is not whole yet
_UNFINISHED = (f"*{_PART}", f"sites/*/outbox/**/*{_PART}", "store/partial/*")
WRITTEN = (CONFIG, RESULTS, MODEL, METRICS_PLOT, REWARDS_PLOT, PARTITION_PLOT)


@contextmanager
def new_folder(out: Path | None, name: str, seed: int) -> Iterator[Path]:
    """Make `out`, or a fresh folder under `runs/`; taken back if the body fails before it writes anything.

    Raises UsageError when `out` is in use or cannot be made.
    """
    with made(out or free(Path("runs"), f"{name}-{seed}")) as folder:
        yield folder


@contextmanager
def made(wanted: Path) -> Iterator[Path]:
    """As `new_folder`, for this very folder."""
    missing = _make(wanted)
    try:
        yield wanted
    finally:
        with suppress(OSError):  # not empty: the run has begun, and everything stays
            for folder in missing:
                folder.rmdir()


def existing(folder: Path) -> Path:
    """The folder of a run that was started; raises UsageError for any other."""
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", _hint())
    if not (folder / CONFIG).is_file():
        raise UsageError(f"{folder} is not the folder of a run: it holds no {CONFIG}.", _hint())
    return folder


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep every other run out of a folder; the lock goes with the process, however that ends (flock(2)).

    Raises UsageError when a run is going on in there.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(
            f"Another process is at work on the run in {folder}.", "Wait until it is done, or end it."
        ) from error


def sweep(folder: Path) -> None:
    """Remove what a killed process had not finished: files whose names are not those of whole ones.

    Only for whoever is `alone` in the folder.
    """
    for pattern in _UNFINISHED:
        for part in folder.glob(pattern):
            part.unlink()


def _hint() -> str:
    runs = sorted((file.parent for file in Path("runs").glob(f"*/{CONFIG}")), key=str)
    return f"There are: {', '.join(map(str, runs[:8]))}." if runs else "`fl run` starts a run."


def free(parent: Path, name: str) -> Path:
    """The first folder of this name, or of this name and a number, that is not there."""
    numbered = (parent / (name if number == 1 else f"{name}-{number}") for number in count(1))
    return next(folder for folder in numbered if not folder.exists())


def _make(folder: Path) -> list[Path]:
    """The folders that had to be made, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be made: {error.strerror}.") from error
    if any(
        path.suffix != _PART for path in folder.iterdir()
    ):  # a killed run may leave a part before it begins
        hint = f"Go on with it: fl run --resume {folder}." if (folder / CONFIG).is_file() else ""
        raise UsageError(f"The folder {folder} is in use.", hint or "Choose another with --out.")
    return missing
