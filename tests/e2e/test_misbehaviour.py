"""Trainers that misbehave as a run's configuration says: what becomes of their updates and their pay."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from experiments.results import Results

pytestmark = pytest.mark.slow

OWN = """
    def braggart(turn, examples):
        '''Claims to have trained on so many examples.'''
        trained = turn.train()
        turn.metrics["num-examples"] = examples
        return trained
"""
DOES = {
    1: '"label_flip"',
    2: '"sign_flip"',
    3: '{ name = "noise", scale = 0.2 }',
    4: '"nan"',
    5: '"free_rider"',
    6: '"copycat"',
    7: '"absent"',
    8: '"withholding"',
    9: '{ name = "their_attack:braggart", examples = 200_000 }',
}
KINDS = {f"hospital-{number:02}": text.split('"')[1] for number, text in DOES.items()}
HONEST = [f"hospital-{number}" for number in (10, 11, 12, 13)]
ACCEPTED = ("label_flip", "sign_flip", "noise", "free_rider")
SETTINGS = (
    "trainers=13",
    "data.partition=iid",
    "scoring.budget=8192",
    "scoring.guard=positive",
    "training.epochs=8",
    "baselines=false",
    *(f"misbehaviour.{number}={text}" for number, text in DOES.items()),
)


@pytest.fixture(scope="module", autouse=True)
def their_attack(tmp_path_factory):
    """A folder with somebody's own misbehaviour, from which everything is run."""
    folder = tmp_path_factory.mktemp("attack")
    (folder / "their_attack.py").write_text(dedent(OWN))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def attacked(their_attack, finish, tmp_path_factory):
    """Two rounds of nine who misbehave and four who do not."""
    return finish(tmp_path_factory.mktemp("attacked") / "run", *SETTINGS)


def contributor(run, kind):
    return next(one for one in run.results.contributors if one.misbehaviour == kind)


def updates(run, kind):
    return run.results.updates_of(contributor(run, kind).name)


def test_results_say_who_misbehaved_and_how(attacked):
    said = {one.name: one.misbehaviour for one in attacked.results.contributors}
    assert said == {**KINDS, **dict.fromkeys(HONEST)}
    assert Results.read(attacked.results.write(attacked.folder).parent) == attacked.results


@pytest.mark.parametrize("kind", ACCEPTED)
def test_whoever_only_changes_numbers_is_accepted_like_anybody(attacked, kind):
    assert len(updates(attacked, kind)) == 2
    assert set(updates(attacked, kind)) <= {"accepted", "set aside"}


@pytest.mark.parametrize(
    ("kind", "fates"),
    [
        ("nan", ["not_finite", "not_finite"]),
        ("copycat", ["replayed"]),
        ("absent", []),
        ("withholding", ["unavailable", "unavailable"]),
        ("their_attack:braggart", ["bad_claim", "bad_claim"]),
    ],
)
def test_what_the_protocol_can_see_is_refused_by_its_name(attacked, kind, fates):
    assert updates(attacked, kind) == fates
    assert contributor(attacked, kind).earned == "0"


@pytest.mark.parametrize("kind", ["label_flip", "sign_flip"])
def test_what_does_harm_is_set_aside_by_a_guard_and_paid_next_to_nothing(attacked, kind):
    assert "set aside" in updates(attacked, kind)
    assert contributor(attacked, kind).equal_shares < 0.1


def test_honest_trainers_are_paid_more_than_an_equal_share_and_than_any_other(attacked):
    paid = attacked.results.equal_shares_by_kind()
    assert paid[None] > 1
    assert paid[None] > max(share for kind, share in paid.items() if kind)
    assert all(one.equal_shares > 1 for one in attacked.results.contributors if not one.misbehaviour)


def test_equal_shares_are_what_was_earned_over_what_paying_all_alike_would_give(attacked):
    paid = sum(round_.settled.paid for round_ in attacked.record.rounds)
    for one in attacked.results.contributors:
        assert one.equal_shares == pytest.approx(int(one.earned) / (paid / 13))


def test_each_round_names_whose_updates_are_in_the_model(attacked):
    for ended, round_ in zip(attacked.results.rounds, attacked.record.rounds, strict=True):
        manifest = attacked.record.manifest(round_)
        assert len(ended.aggregated) == len(manifest.aggregated)
        assert set(ended.aggregated) | set(ended.set_aside) == set(ended.accepted)
        assert ended.set_aside


def test_only_its_own_reputation_suffers_where_a_site_misbehaves_in_the_open(attacked):
    reputation = {one.name: one.reputation for one in attacked.results.contributors}
    for kind in ("nan", "copycat", "withholding", "their_attack:braggart"):
        assert contributor(attacked, kind).reputation < contributor(attacked, "absent").reputation
    assert {reputation[name] for name in HONEST} == {max(reputation.values())}


def test_who_is_absent_costs_a_round_its_window_and_who_withholds_half_the_close_window(attacked):
    task = attacked.record.ledger.task(1)
    for round_ in attacked.record.rounds:
        assert round_.sealed is None
        assert round_.closed.at.time > round_.opened.deadline + task.close_window // 2


def test_the_run_verifies_for_its_aggregator_was_honest(attacked, verify):
    found = verify(attacked.folder)
    assert (found.code, found.said["counts"]["mismatch"]) == (0, 0)
    assert found.said["unchecked"] == {"verdicts": 2}


def test_two_workers_and_a_kill_in_the_second_round_change_nothing(attacked, fl, tmp_path):
    folder = tmp_path / "run"
    words = [word for one in ("rounds=2", "workers=2", *SETTINGS) for word in ("--set", one)]
    moment = ["between submissions", "fl.ledger.contract", "Web3Ledger.submit_update", "after", 15]
    script = Path(__file__).with_name("dying_runs.py")
    command = [sys.executable, script, json.dumps([moment]), folder, *words]
    never = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600).stdout
    assert never == "[]\n"
    assert fl("run", "--resume", folder)[0] == 0
    assert Results.read(folder).facts() == attacked.results.facts()
    assert type(attacked)(folder, attacked.results).head == attacked.head
    assert list(folder.glob("sites/*/outbox/rows*")) == []
