"""What the results in a run's folder say of its rounds, and what the chain has of them."""

from __future__ import annotations

import json

import pytest

from aggregator.verifying import claims
from aggregator.verifying.findings import Level


@pytest.fixture
def told(federation, tmp_path):
    """What is found of results after two closed rounds, a failed one, and one that is open."""
    manifests = [federation.play().manifest.id.hex() for _ in range(2)]
    federation.rounds().open()
    federation.rounds().finish()
    federation.begin()

    def told(*, file="results.json", **changes):
        true = {1: ("settled", manifests[0]), 2: ("settled", manifests[1]), 3: ("failed: below_quorum", None)}
        listed = true | {int(name.removeprefix("round_")): said for name, said in changes.items()}
        rounds = [
            {"round": number, "outcome": outcome, "manifest": manifest}
            for number, (outcome, manifest) in listed.items()
        ]
        said = {"task": federation.task, "contract": federation.ledger().contract, "rounds": rounds}
        (tmp_path / file).write_text(json.dumps(said))
        found = claims.check(tmp_path, federation.record())
        return [(one.level, one.round, one.text.partition(":")[0]) for one in found]

    return told


def test_results_that_list_what_the_chain_has_are_not_mentioned(told):
    assert told() == []


def test_a_round_that_the_chain_lacks_is_a_mismatch_however_the_rest_verifies(told):
    assert told(round_5=("settled", "ab" * 32)) == [
        (Level.MISMATCH, 5, "says settled, and the chain has no such round")
    ]


def test_a_round_that_is_open_on_the_chain_has_not_ended_whatever_the_results_say(told):
    assert told(round_4=("settled", "ab" * 32)) == [
        (Level.MISMATCH, 4, "says settled, and the chain has no such end of it")
    ]


@pytest.mark.parametrize("number", [2, 3])
def test_a_manifest_that_the_chain_does_not_have_is_a_mismatch(told, number):
    ((level, round_, text),) = told(**{f"round_{number}": ("settled", "ab" * 32)})
    assert (level, round_) == (Level.MISMATCH, number)
    assert text.startswith(f"names the manifest {'ab' * 32}, and the chain ")


def test_a_folder_without_results_claims_nothing(told):
    assert told(file="other.json", round_5=("settled", "ab" * 32)) == []


def test_results_of_another_task_say_nothing_about_this_one(federation, told, tmp_path):
    told(round_5=("settled", "ab" * 32))
    said = json.loads((tmp_path / "results.json").read_text())
    (tmp_path / "results.json").write_text(json.dumps(said | {"task": federation.task + 1}))
    assert claims.check(tmp_path, federation.record()) == ()


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"rounds": [1], "task": 1, "contract": "0x"}'])
def test_results_that_cannot_be_read_are_noted(federation, tmp_path, content):
    (tmp_path / "results.json").write_bytes(content)
    (finding,) = claims.check(tmp_path, federation.record())
    assert (finding.level, finding.round, finding.subject) == (Level.NOTE, None, "results.json")
