"""`fl simulate`: somebody's Flower app, in its folder, run in one process; the counterpart of `flwr run`."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments import folder as folders
from fl import output
from fl.errors import FedledgerError

if TYPE_CHECKING:
    from aggregator.founding.app_folder import AppFolder
    from aggregator.founding.choices import Choices
    from experiments.simulation import Simulation


def simulate_command(
    app: Annotated[Path, typer.Argument(metavar="APP_DIR", help="Folder of a Flower app.")],
    nodes: Annotated[int, typer.Option("--nodes", min=1, max=512, help="How many nodes there are.")] = 10,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="For chain and store; one that was used before goes on."),
    ] = None,
    run_config: Annotated[
        list[str] | None, typer.Option("--run-config", "-c", help='As `flwr run` has it: "lr=0.1 epochs=2".')
    ] = None,
    choices: Annotated[
        Path | None, typer.Option("--choices", metavar="FILE.toml", help="What the app's terms say beside.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Choose anything: quorum=3.")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Processes that run the ClientApp.")
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The keys on the chain follow from it.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> int:
    """Simulate a Flower app: on a chain of its own if its strategy is `OnChain`, as it is if not."""
    from aggregator.founding.app_folder import AppFolder  # noqa: PLC0415 - brings Flower, and help is quick
    from aggregator.founding.choices import Choices  # noqa: PLC0415 - as above

    chosen = Choices.read(choices, changes or ())
    found = AppFolder.open(app, run_config or ())
    _show_rounds()
    with _folder(out, app.resolve().name, seed) as folder, _explained(folder):
        done = _simulated(found, folder, nodes, chosen, workers, seed)
        return _report(done, folder, json=json)


@contextmanager
def _folder(out: Path | None, name: str, seed: int) -> Iterator[Path]:
    """A folder that was named goes on where it stood; else a new one is made under `runs/`."""
    if out is not None:
        yield out
    else:
        with folders.new_folder(None, name, seed) as folder:
            yield folder


def _simulated(
    app: AppFolder, folder: Path, nodes: int, choices: Choices, workers: int, seed: int
) -> Simulation:
    from experiments.simulation import simulate  # noqa: PLC0415 - as above

    return simulate(
        app.server,
        app.client,
        nodes,
        folder=folder,
        choices=choices,
        run_config=app.run_config,
        workers=workers,
        seed=seed,
    )


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Whatever the app raises is told as the app's, and an interrupt says how to go on."""
    try:
        yield
    except FedledgerError:
        raise
    except KeyboardInterrupt as error:
        again = (
            f" The same command goes on, with --out {shlex.quote(str(folder))}." if folder.exists() else ""
        )
        raise KeyboardInterrupt(f"Stopped.{again}") from error
    except Exception as error:  # somebody's app may raise anything
        message = f"The app failed: {type(error).__name__}: {error}"
        raise FedledgerError(message, "With --debug before the command, `fl` shows where.") from error


def _show_rounds() -> None:
    """How each round ended, beside what Flower logs."""
    log = logging.getLogger("fedledger")
    log.setLevel(logging.INFO)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)


def _report(done: Simulation, folder: Path, *, json: bool) -> int:
    """Say how it went; 1 if there were rounds, and none was closed."""
    closed = sum(outcome == "closed" for outcome in done.rounds)
    if json:
        output.print_json({"folder": done.folder and str(done.folder), "rounds": list(done.rounds)})
    elif done.folder is None:
        print("Done, without a chain: the app's strategy is not `OnChain`.")
    else:
        many = len(done.rounds) != 1
        print(f"{len(done.rounds)} round{'s' * many}, {closed} closed.")
        print(f"Check {'them' if many else 'it'}: fl verify {shlex.quote(str(folder))}")
    return 1 if done.rounds and not closed else 0
