"""A Flower app of somebody's own, simulated with one call, with a chain and without."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from flwr.clientapp import ClientApp

from aggregator.founding.choices import Choices
from experiments.folder import alone
from experiments.simulation import simulate
from fl.cli import main
from fl.errors import UsageError
from fl.ledger.types import RoundSettled
from fl.money import units
from fl.wiring import Deployment, open_ledger


def test_an_app_without_the_two_lines_runs_as_it_is_and_leaves_nothing(bench):
    done = bench.simulate(bench.app("tiny_plain", chain=False), run=None)
    assert (done.folder, done.rounds) == (None, ())
    assert bench.saved(None)["arrays"]["n"] == 5
    assert len(bench.saved(None)["evaluated"]) == 2
    assert [path.name for path in bench.folder.iterdir() if path.is_dir()] == ["app-tiny_plain"]


def test_on_the_chain_an_app_ends_with_the_same_bits_and_evaluations_and_can_be_verified(bench, capsys):
    bench.simulate(bench.app("tiny_plain", chain=False), run=None)
    done = bench.simulate(bench.app("tiny"))
    assert done.rounds == ("closed", "closed")
    assert bench.saved() == bench.saved(None)
    assert main(["verify", str(done.folder)]) == 0
    assert "0 mismatches, 0 not checked" in capsys.readouterr().out


@pytest.mark.slow
def test_the_same_seed_gives_the_same_chain_for_any_number_of_workers(bench):
    app = bench.app("tiny")
    bench.simulate(app, "one")
    bench.simulate(app, "two", workers=2)
    bench.simulate(app, "other", seed=2)
    assert bench.head("one") == bench.head("two")
    assert bench.head("one") != bench.head("other")
    assert bench.saved("one") == bench.saved("other")


@pytest.mark.slow
def test_a_folder_that_was_used_before_goes_on_where_it_stood(bench):
    app = bench.app("tiny")
    bench.simulate(app, run_config={"rounds": 1})
    done = bench.simulate(app, run_config={"rounds": 3})
    bench.simulate(app, "at once", run_config={"rounds": 3})
    assert done.rounds == ("closed",) * 3
    assert bench.saved()["arrays"] == bench.saved("at once")["arrays"]


@pytest.mark.slow
def test_every_round_is_paid_also_those_that_are_added_later(bench):
    app = bench.app("tiny")
    for rounds in (1, 2):
        bench.simulate(app, choices=Choices(reward="4.5"), run_config={"rounds": rounds})
    place = Deployment.read(bench.folder / "run")
    history = open_ledger(place).history(place.task)
    paid = [event.paid for event in history if isinstance(event, RoundSettled)]
    assert len(paid) == 2
    assert all(units("4.5") - 3 <= one <= units("4.5") for one in paid)  # dust of three shares stays


@pytest.mark.slow
def test_a_folder_that_was_moved_goes_on_too(bench):
    app = bench.app("tiny")
    bench.simulate(app, run_config={"rounds": 1})
    (bench.folder / "run").rename(bench.folder / "moved")
    assert bench.simulate(app, "moved").rounds == ("closed", "closed")


KILLED = """
import sys
from pathlib import Path
from aggregator.founding.app_folder import AppFolder
from experiments.simulation import simulate

app, run, marker = map(Path, sys.argv[1:])
found = AppFolder.open(app, ["rounds=3"])
config = dict(found.run_config) | {"save": f"{run}.json"}
dying = {"dies-at": 2, "dies-once": str(marker)}
simulate(found.server, found.client, 3, folder=run, run_config=config, node_config=dying)
"""


@pytest.mark.slow
def test_a_simulation_that_is_killed_in_a_round_ends_as_if_it_had_not_been(bench):
    app = bench.app("tiny")
    words = [sys.executable, "-c", KILLED, app.folder, bench.folder / "killed", bench.folder / "marker"]
    first = subprocess.run(words, capture_output=True, check=False)
    second = subprocess.run(words, capture_output=True, check=False)
    assert (first.returncode, second.returncode) == (-9, 0)
    bench.simulate(app, "whole", run_config={"rounds": 3})
    assert bench.saved("killed")["arrays"] == bench.saved("whole")["arrays"]
    assert main(["verify", str(bench.folder / "killed")]) == 0


@pytest.mark.slow
def test_a_task_whose_setting_up_was_interrupted_is_founded_anew(bench, monkeypatch):
    app = bench.app("tiny")
    monkeypatch.setattr("experiments.founding.Founding._join", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bench.simulate(app)
    monkeypatch.undo()
    sys.path.insert(0, str(app.folder))
    assert bench.simulate(app).rounds == ("closed", "closed")


# --- what goes wrong at a site


def test_a_site_whose_app_raises_is_left_out_of_the_round(bench):
    done = bench.simulate(bench.app("tiny"), node_config={"broken": "1"})
    assert done.rounds == ("closed", "closed")
    assert bench.saved()["arrays"]["n"] == 5


@pytest.mark.slow
def test_rounds_without_a_quorum_fail_and_the_simulation_ends(bench):
    done = bench.simulate(bench.app("tiny"), node_config={"broken": "1 2"})
    assert done.rounds == ("below_quorum", "below_quorum")
    assert bench.saved()["arrays"]["n"] == 3


# --- what is refused


def test_a_folder_with_another_task_is_refused_and_the_difference_named(bench):
    app = bench.app("tiny")
    bench.simulate(app, run_config={"rounds": 1})
    for changes, named in [
        ({"run_config": {"step": 0.25}}, "training"),
        ({"choices": Choices(quorum=3)}, "quorum"),
        ({"nodes": 4}, "nodes = 3"),
        ({"seed": 5}, "seed = 1"),
    ]:
        with pytest.raises(UsageError, match=named):
            bench.simulate(app, **changes)
    (app.folder / "tiny" / "extra.py").write_text("LATER = True")
    with pytest.raises(UsageError, match="other terms: code"):
        bench.simulate(app)


def test_a_folder_in_which_another_simulation_is_at_work_is_refused(bench):
    folder = bench.folder / "run"
    folder.mkdir()
    with alone(folder), pytest.raises(UsageError, match="Another process"):
        bench.simulate(bench.app("tiny"))


def test_a_strategy_on_the_chain_needs_a_folder(bench):
    with pytest.raises(UsageError, match="needs a folder"):
        bench.simulate(bench.app("tiny"), run=None)


def test_a_quorum_that_the_nodes_can_never_be_is_refused(bench):
    with pytest.raises(UsageError, match="never be met by 3 nodes"):
        bench.simulate(bench.app("tiny"), choices=Choices(quorum=4))


def test_an_app_that_other_processes_cannot_import_is_refused_several_workers(bench):
    app = bench.app("tiny_plain", chain=False)
    with pytest.raises(UsageError, match="in a module"):
        simulate(app.server, ClientApp(), 2, workers=2)


def test_without_a_module_the_code_that_trains_has_to_be_named(bench):
    app = bench.app("tiny")
    with pytest.raises(UsageError, match="in no module"):
        simulate(app.server, ClientApp(), 2, folder=bench.folder / "run", run_config=app.run_config)


@pytest.mark.slow
def test_an_app_may_be_given_as_an_object_of_a_module(bench):
    app = bench.app("tiny")
    bench.simulate(app, "named")
    from tiny.client_app import app as client  # noqa: PLC0415 - the module is the fixture's
    from tiny.server_app import app as server  # noqa: PLC0415 - as above

    simulate(server, client, 3, folder=bench.folder / "given", run_config=app.run_config)
    assert bench.head("given") == bench.head("named")


def test_without_a_chain_neither_chain_nor_torch_is_imported(bench):
    app = bench.app("tiny_plain", chain=False)
    check = (
        "import sys; from experiments.simulation import simulate;"
        f"simulate('{app.server}', '{app.client}', 2, run_config={dict(app.run_config)!r});"
        "print({'torch', 'web3', 'eth', 'pydantic', 'pandas'} & set(sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(app.folder), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_settings_of_a_round_are_those_of_the_app(bench):
    """The tiny app adds `step` of its messages and of its run configuration to every weight."""
    app = bench.app("tiny_plain", chain=False)
    bench.simulate(app, run=None)
    slow = bench.saved(None)["arrays"]
    bench.simulate(app, run=None, run_config={"step": 5.0})
    assert bench.saved(None)["arrays"] != slow
