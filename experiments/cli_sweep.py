"""`fl sweep`: one file, many runs beside each other, one table."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.sweep.plan import Plan
from fl import output
from fl.errors import FedledgerError

if TYPE_CHECKING:
    from experiments.sweep.rows import Row
    from experiments.sweep.runner import Sweep


def sweep_command(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help="What to vary, and what not.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to write, or to go on; sweeps/FILE if left out."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=64, help="Cells at a time; a core each if left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the cells and run none.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the table as JSON and nothing else.")] = False,
) -> None:
    """Run every combination of settings and seeds, and put what came of each into one table.

    Each cell is a run that `fl verify` can check. The same command goes on where a sweep was stopped; what is
    finished is not run again.
    """
    plan = Plan.read(file)
    if dry_run:
        _list(plan, json=json)
        return
    from experiments.sweep.runner import Sweep  # noqa: PLC0415 - brings pandas: after every word was checked

    folder = out or Path("sweeps") / file.stem
    sweep = Sweep(plan, folder)
    rows = _run(sweep, file, folder, min(workers or _cores(), len(plan.cells)))
    _report(plan, rows, folder, json=json)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _run(sweep: Sweep, file: Path, folder: Path, workers: int) -> list[Row]:
    from experiments.sweep.display import Display  # noqa: PLC0415 - as above

    try:
        with Display() as display:
            return sweep.run(file, workers, display)
    except KeyboardInterrupt:
        again = f"fl sweep {shlex.quote(str(file))} --out {shlex.quote(str(folder))}"
        raise KeyboardInterrupt(f"Stopped, with {sweep.done} cells finished. Go on with: {again}") from None


def _list(plan: Plan, *, json: bool) -> None:
    """Every cell, and what is varied in it."""
    from experiments.sweep.work import check  # noqa: PLC0415 - as above

    if wrong := check(plan.cells):
        raise wrong
    if json:
        output.print_json([{"cell": cell.name, **cell.varied} for cell in plan.cells])
        return
    for cell in plan.cells:
        print(cell.name)
    output.console(stderr=True).print(f"{len(plan.cells)} cells; none was run.")


def _report(plan: Plan, rows: list[Row], folder: Path, *, json: bool) -> None:
    """Say what came of it. Raises FedledgerError if a cell failed."""
    from experiments.sweep import report, table  # noqa: PLC0415 - as above
    from experiments.sweep.rows import DONE, FAILED  # noqa: PLC0415 - brings numpy: `fl --help` needs none

    if json:
        output.print_json(table.plain(rows))
    else:
        out, name = output.console(), output.safe(shlex.quote(str(folder)))
        out.print(report.means(rows, plan.columns))
        out.print(f"{name} holds {', '.join(table.WRITTEN)}, and in cells/ a run each.\n", soft_wrap=True)
        if any(row["state"] == DONE for row in rows):
            more = "intervals over seeds, and pictures"
            out.print(f"[bold]fl compare {name}[/]  [dim]{more}[/]", soft_wrap=True)
    if failed := sum(row["state"] == FAILED for row in rows):
        raise FedledgerError(
            f"{failed} of {len(rows)} cells failed.",
            "The table says why; the same command goes on with them.",
        )
