"""`fl run`: from words to a configuration, a folder, a run, and what is said of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from experiments import folder as folders
from experiments import progress
from experiments.config import RunConfig
from experiments.loading import about_file, brings_data, load
from experiments.outcome import demand_learned
from experiments.results import Results
from fl import output
from fl.errors import FedledgerError, OwnCodeError, UsageError
from fl.own import is_own

PRESET = "hospitals"


def run_command(
    source: Annotated[str | None, typer.Argument(metavar="[PRESET|FILE.toml]")] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="A CSV or .npz file, a folder, or module:function.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="The column to be predicted.")] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", help="How many rounds.")] = None,
    trainers: Annotated[int | None, typer.Option("--trainers", help="How many sites train.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The same seed gives the same run.")] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Training processes; they change no result.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set anything: training.epochs=3.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write; runs/NAME-SEED if left out.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="DIR", help="Go on with a run that was interrupted.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON and nothing else.")] = False,
) -> None:
    """Train one model among sites that share no data, every round through a chain and a store.

    What to run is a preset (hospitals if left out), or a TOML file such as the config.toml of another run.
    """
    flags: dict[str, object] = {
        "data.source": data,
        "data.label": label,
        "rounds": rounds,
        "trainers": trainers,
        "seed": seed,
        "workers": workers,
    }
    if resume is not None:
        _refuse_more_than_a_folder(source, changes, out, flags)
        _resume(resume, json=json)
        return
    if data and brings_data(source or PRESET):
        flags |= about_file(Path(data), label)
    _run(load(source or PRESET, changes or (), flags), out, json=json)


def _refuse_more_than_a_folder(
    source: str | None, changes: list[str] | None, out: Path | None, flags: dict[str, object]
) -> None:
    if source or changes or out or any(value is not None for value in flags.values()):
        raise UsageError(
            "A run goes on with the configuration that it began with.", "Give --resume DIR and nothing else."
        )


def _run(config: RunConfig, out: Path | None, *, json: bool) -> None:
    with folders.new_folder(out, config.name, config.seed) as folder, _at_work(folder):
        with progress.choose() as shown:
            from experiments import run as runner  # noqa: PLC0415  # brings torch: after every word was checked

            results = runner.run(config, folder, shown)
        _finish(results, folder, shown, json=json)


def _resume(folder: Path, *, json: bool) -> None:
    with _at_work(folders.existing(folder)):
        with progress.choose() as shown:
            from experiments import run as runner  # noqa: PLC0415  # as above

            results = runner.resume(folder, shown)
        _finish(results, folder, shown, json=json)


@contextmanager
def _at_work(folder: Path) -> Iterator[None]:
    """Alone in a folder; whatever stops the work says how to go on with it."""
    with folders.alone(folder):
        try:
            yield
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_stopped(folder)) from None
        except OwnCodeError as error:  # mended, it is other code than the terms approve
            error.hint = f"{error.hint} Once it is mended, begin another run.".strip()
            raise
        except (UsageError, BrokenPipeError):  # going on would end in the same; the reader of a pipe has gone
            raise
        except FedledgerError as error:
            error.hint = _and_go_on(error.hint, folder)
            raise
        except OSError as error:
            sentence = f"{error.filename or folder}: {error.strerror or error}."
            raise FedledgerError(sentence, _and_go_on("", folder)) from error


def _stopped(folder: Path) -> str:
    begun = (folder / folders.CONFIG).is_file()
    return f"Stopped. {_go_on(folder)}" if begun else "Stopped before anything was written."


def _and_go_on(hint: str, folder: Path) -> str:
    """A hint, and how to go on afterwards where there is something left to do."""
    unfinished = (folder / folders.CONFIG).is_file() and not (folder / folders.RESULTS).is_file()
    return f"{hint} {_go_on(folder)}".strip() if unfinished else hint


def _go_on(folder: Path) -> str:
    return f"Go on with: fl run --resume {shlex.quote(str(folder))}"


def _finish(results: Results, folder: Path, heard: progress.Silent, *, json: bool) -> None:
    from experiments import partition_picture, plots  # noqa: PLC0415  # bring matplotlib
    from experiments.report import report  # noqa: PLC0415  # as above

    results.write(folder)
    plots.draw(results, folder)
    partition_picture.draw(results.config.name, folder)
    if json:
        output.print_json(results.to_dict())
    else:
        _show(folder, results.config, report(results))
    demand_learned(results, heard, _where_it_says_why(results, folder))


def _where_it_says_why(results: Results, folder: Path) -> str:
    """Where to look when no round closed and nothing was heard of the reason, as all had ended before."""
    name = shlex.quote(str(folder))
    if any("rule_error" in ended.outcome for ended in results.rounds):
        return (
            f"`fl verify {name}{_own_code(results.config)}` applies the rule again, and says how it failed."
        )
    return f"`fl rounds {name}` shows every round."


def _show(folder: Path, config: RunConfig, tables: RenderableType) -> None:
    out = output.console()
    out.print(tables)
    name = output.safe(shlex.quote(str(folder)))
    out.print(f"{name} holds {', '.join(folders.WRITTEN)}, the chain and the store.\n", soft_wrap=True)
    for command, does in _NEXT.items():
        more = output.safe(_own_code(config)) if command == "verify" else ""
        out.print(f"[bold]fl {command:<7} {name}{more}[/]  [dim]{does}[/]", soft_wrap=True)


def _own_code(config: RunConfig) -> str:
    """What a verifier has to name again, as it is typed."""
    named = {"--model": config.model.name, "--strategy": config.rule.name}
    return "".join(f" {option} {shlex.quote(name)}" for option, name in named.items() if is_own(name))


_NEXT = {
    "verify": "replay every round and say what is right and what is not",
    "rewards": "what each round paid and why",
    "rounds": "every round, and the verdict on every update",
}
