"""Each of Flower's rules over a real chain and store: killed and resumed, then verified by somebody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from stage import NAMES, Stage
from strategies import MAKERS, MEMORIES, make, quick_collecting

from aggregator import rules
from aggregator.verifying import replay
from aggregator.verifying.findings import Level
from fl.errors import UsageError

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
DIED, LIVED = [-9, -9], [0]


@dataclass(frozen=True)
class Played:
    """What a process that played every rule twice left behind."""

    folder: Path
    contract: str
    ends: dict[str, list[int]]

    def stage(self, name: str, kind: str) -> Stage:
        stage = Stage(self.folder / name / kind, self.contract, NAMES)
        stage.task = 2
        return stage


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Played:
    folder = tmp_path_factory.mktemp("rules")
    words = [sys.executable, HERE / "dying_rules.py", folder, *MAKERS]
    environment = os.environ | {"PYTHONPATH": str(HERE.parent / "support")}
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, timeout=500, env=environment)
    return Played(folder, **json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(autouse=True, scope="module")
def _quick_collecting():
    with quick_collecting():
        yield


def manifests(stage):
    return [stage.record().manifest(round_) for round_ in stage.record().rounds]


@pytest.mark.parametrize("name", MAKERS)
def test_a_run_killed_in_the_middle_ends_with_the_same_weights_and_the_same_memory(played, name):
    assert played.ends[name] == [0, 0, *DIED, *LIVED]
    whole, killed = (manifests(played.stage(name, kind)) for kind in ("whole", "killed"))
    assert len(whole) == len(killed) == 2
    for one, other in zip(killed, whole, strict=True):
        assert (one.weights, one.state, one.metrics) == (other.weights, other.state, other.metrics)
        assert (one.state is not None) == (name in MEMORIES)
    assert whole[0].weights != whole[1].weights


@pytest.mark.parametrize("name", MAKERS)
def test_a_run_by_any_rule_is_verified(played, name):
    stage = played.stage(name, "killed")
    tools = replay.Tools(
        lambda terms: rules.build(terms.rule), _no_utility, loose=lambda terms: rules.loose(terms.rule)
    )
    found = replay.verify(stage.record(), tools)
    assert [one.text for one in found if one.level is Level.MISMATCH] == []
    noted = [one for one in found if one.level is Level.NOTE]
    assert len(noted) == (not rules.exact(rules.describe(make(name))))


def _no_utility(*_):
    raise UsageError("These terms need no utility.")


def test_a_run_of_the_command_goes_by_the_rule_that_it_is_told(finish, verify, tmp_path):
    run = finish(tmp_path / "run", "rule.name=FedAdam", "rule.arguments.eta=0.05")
    assert run.record.terms().rule.arguments["eta"] == "float:0.05"
    assert run.results.final.accuracy > run.results.initial.accuracy
    found = verify(run.folder)
    assert (found.code, found.said["unchecked"]) == (0, {})
    assert "weights are compared within 1e-06" in found.texts("note", None)[0]
