"""A comparison as events for TensorBoard, DIR/GROUP/seed-N: scalars by round, settings as hyperparameters."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.compare.comparison import Comparison
from experiments.compare.facts import METRICS, Run
from fl.errors import UsageError
from fl.money import TOKEN_DECIMALS

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

_INSTALL = 'Install it: pip install "fedledger[tensorboard]".'


def demand_ready(folder: Path) -> None:
    """Raises UsageError without TensorBoard, or when `folder` is in use: runs there would become one."""
    if find_spec("tensorboard") is None:
        raise UsageError("Events for TensorBoard are written by its own package, which is missing.", _INSTALL)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"The folder {folder} is in use.", "Choose another with --tensorboard.")


def export(comparison: Comparison, folder: Path) -> list[Path]:
    """Write one folder of events a run; `demand_ready` first."""
    from tensorboard.summary.writer.event_file_writer import EventFileWriter  # noqa: PLC0415  # optional

    made = []
    for name, group in zip(_names(comparison), comparison.groups, strict=True):
        for run in group.runs:
            made.append(folder / name / f"seed-{run.seed}")
            writer = EventFileWriter(str(made[-1]))
            for event in (_settings(group.settings, run), *_scalars(run)):
                writer.add_event(event)
            writer.close()
    return made


def _names(comparison: Comparison) -> list[str]:
    """Groups as folders: TensorBoard shows runs by their paths."""
    plain = [re.sub(r"[^A-Za-z0-9._=+-]+", "_", group.label).strip("_.")[:120] for group in comparison.groups]
    return [
        name if plain.count(name) == 1 and name else f"{name}-{number}"
        for number, name in enumerate(plain, start=1)
    ]


def _scalars(run: Run) -> Iterator[Event]:
    """Metrics from before the first round on; gas, seconds and tokens of each round."""
    now = time.time() - sum(run.seconds)
    for number, metrics in enumerate(run.curve):
        values = {f"model/{name}": float(getattr(metrics, name)) for name in METRICS}
        if number:
            now += run.seconds[number - 1]
            values |= {"cost/gas": float(run.gas[number - 1]), "cost/seconds": run.seconds[number - 1]}
            values |= _earned(run, number)
        yield _event(values, number, now)


def _earned(run: Run, number: int) -> dict[str, float]:
    """Tokens that a round paid, by trainer."""
    return {f"earned/{one.name}": int(one.earned[number - 1]) / 10**TOKEN_DECIMALS for one in run.trainers}


def _event(values: dict[str, float], step: int, now: float) -> Event:
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415  # optional
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415  # as above

    scalars = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
    return Event(step=step, wall_time=now, summary=Summary(value=scalars))


def _settings(settings: dict[str, Any], run: Run) -> Event:
    """What the dashboard of hyperparameters shows."""
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415  # optional
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb  # noqa: PLC0415  # as above

    plain = {
        key: value if isinstance(value, bool | int | float | str) else str(value)
        for key, value in (settings | {"seed": run.seed}).items()
    }
    return Event(step=0, wall_time=time.time(), summary=hparams_pb(plain, trial_id=run.folder))
