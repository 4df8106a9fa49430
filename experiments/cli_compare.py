"""`fl compare`: from folders of runs to tables, pictures and files, and again from its own folder."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from experiments import folder as folders
from experiments.compare import comparison as comparisons
from experiments.compare import exact, finding
from experiments.compare import tensorboard as events
from experiments.compare.comparison import Comparison
from experiments.compare.facts import METRICS, Metric, Run, facts
from experiments.results import Results
from fl import output
from fl.errors import UsageError

Fill = Callable[..., Iterator[tuple[Run, Results]]]
"""`exact.fill`, told what to work out."""


def compare_command(
    runs: Annotated[list[Path] | None, typer.Argument(metavar="RUN…", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write; a new folder if left out.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="GROUP", help="Compare with this group, by a part of its label."),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help=f"Show only this: {', '.join(METRICS)}.")
    ] = None,
    shapley: Annotated[
        bool | None,
        typer.Option(
            "--shapley/--no-shapley", help="Work out exact Shapley values; where that is quick if left out."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="MODULE:FUNCTION", help="The model, where it is your own, for --shapley."
        ),
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option("--tensorboard", metavar="DIR", help="Write events for TensorBoard too.")
    ] = None,
    again: Annotated[
        Path | None,
        typer.Option(
            "--again", metavar="DIR", help="Draw an earlier comparison again from its compare.json."
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the comparison as JSON and nothing else.")
    ] = False,
) -> None:
    """Compare runs: means and 95 % intervals over seeds, differences, learning curves, rewards and cost.

    RUN is the folder of a run, of a sweep, or a folder that holds such. Runs that differ in nothing but the
    seed are one group; groups are compared with the first, seed by seed where they have the same.
    """
    if again is not None and (runs or out or against or metric or model or shapley is not None):
        raise UsageError("An earlier comparison is drawn again as it is.", "Give --again DIR and no runs.")
    if tensorboard is not None:
        events.demand_ready(tensorboard)
    if again is not None:
        _finish(Comparison.read(again), again, tensorboard, json=json)
        return
    with folders.made(out or folders.free(Path(), "compare")) as folder:
        fill = partial(exact.fill, wanted=shapley, model=model)
        made = _compared(runs or [], against, _metrics(metric), fill, quiet=json)
        _finish(made, folder, tensorboard, json=json)


def _metrics(wanted: list[str] | None) -> list[Metric]:
    for name in wanted or ():
        if name not in METRICS:
            raise UsageError(f"There is no metric {name!r}.", f"There are: {', '.join(METRICS)}.")
    return [metric for metric in METRICS if not wanted or metric in wanted]


def _compared(
    places: list[Path], against: str | None, metrics: list[Metric], fill: Fill, *, quiet: bool
) -> Comparison:
    if not places:
        raise UsageError(
            "Which runs?", "Name their folders, or one that holds them: fl compare runs/a runs/b."
        )
    found = finding.find(places)
    known, repeated = comparisons.distinct(
        [(facts(folder, results, found.varied.get(folder)), results) for folder, results in found.runs]
    )
    comparisons.compare(comparisons.grouped(known), against)  # before anything that takes long
    groups = comparisons.grouped(list(_with_exact(known, fill, quiet=quiet)))
    return comparisons.compare(groups, against, metrics, found.unfinished, repeated)


def _with_exact(
    known: list[tuple[Run, Results]], fill: Fill, *, quiet: bool
) -> Iterator[tuple[Run, Results]]:
    screen = output.console(stderr=True)
    total = sum(exact.evaluations(results) for _, results in known)
    with Progress(console=screen, transient=True, disable=quiet or not screen.is_terminal) as progress:
        bar = progress.add_task("Exact Shapley values", total=total, visible=bool(total))
        yield from fill(known, advance=lambda steps: progress.update(bar, advance=steps))


def _finish(made: Comparison, folder: Path, tensorboard: Path | None, *, json: bool) -> None:
    from experiments.compare import pictures, tables  # noqa: PLC0415  # brings matplotlib
    from experiments.compare.report import report  # noqa: PLC0415  # as above

    made.write(folder)
    written = [folder / comparisons.FILE, *tables.write(made, folder), *pictures.draw(made, folder)]
    if tensorboard:
        events.export(made, tensorboard)
    if json:
        output.print_json(made.to_dict())
        return
    out = output.console()
    out.print(report(made))
    name = output.safe(shlex.quote(str(folder)))
    out.print(f"{name} holds {', '.join(file.name for file in written)}.", soft_wrap=True)
    out.print(
        f"[bold]fl compare --again {name}[/]  [dim]draw them again from {comparisons.FILE}[/]", soft_wrap=True
    )
