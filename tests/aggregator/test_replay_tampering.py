"""One flipped byte in any blob that a round names is found, by name, wherever it lies."""

from __future__ import annotations

import pytest

from aggregator.findings import Level
from fl.canonical import sha256


@pytest.fixture
def history(found, momentum):
    """Two settled rounds of a task that uses every kind of blob, and the first round's packages."""
    federation = found(rule=momentum, scoring="shapley", guard="best")
    packages = federation.begin()
    federation.rounds().finish()
    federation.rounds().settle_all()
    federation.play()
    assert mismatches(federation.verify()) == []
    return federation, packages


def mismatches(findings):
    return [finding for finding in findings if finding.level is Level.MISMATCH]


def blob(history, kind):
    """The SHA-256 of one blob of round 1 or of the task."""
    federation, packages = history
    record = federation.record()
    manifest = record.manifest(record.round(1))
    digests = {
        "terms": federation.terms.id,
        "initial weights": bytes.fromhex(federation.terms.weights.sha256),
        "validation set": bytes.fromhex(federation.terms.scoring.validation.sha256),
        "announcement": record.round(1).opened.announcement,
        "receipt": sha256(packages[1].receipt),
        "sealed update": sha256(packages[1].update),
        "sealed details": sha256(packages[1].details),
        "manifest": record.round(1).closed.manifest,
        "weights": bytes.fromhex(manifest.weights.sha256),
        "utilities": bytes.fromhex(manifest.utilities.sha256),
        "state": bytes.fromhex(manifest.state.sha256),
    }
    return digests[kind]


def flip(federation, digest, place):
    data = bytearray(federation.blocks[digest])
    data[place % len(data)] ^= 1
    federation.blocks[digest] = bytes(data)


# What is wrong, and where the first finding must say so: the task as a whole is None.
KINDS = {
    "terms": (None, "terms"),
    "initial weights": (None, "terms"),
    "validation set": (1, "round"),
    "announcement": (1, "announcement"),
    "receipt": (1, "round"),
    "sealed update": (1, "round"),
    "sealed details": (1, "round"),
    "manifest": (1, "round"),
    "weights": (1, "weights"),
    "utilities": (1, "round"),
    "state": (1, "state"),
}


@pytest.mark.parametrize("place", [0, 100, -1], ids=["first", "middle", "last"])
@pytest.mark.parametrize(("kind", "where"), KINDS.items(), ids=KINDS.keys())
def test_a_flipped_byte_is_a_mismatch_where_the_blob_belongs(history, kind, where, place):
    federation, _ = history
    flip(federation, blob(history, kind), place)
    first = mismatches(federation.verify())[0]
    assert (first.round, first.subject) == where


@pytest.mark.parametrize("kind", KINDS)
def test_a_blob_cut_short_is_a_mismatch(history, kind):
    federation, _ = history
    digest = blob(history, kind)
    federation.blocks[digest] = federation.blocks[digest][:-1]
    assert mismatches(federation.verify())


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_blob_is_a_mismatch(history, kind):
    federation, _ = history
    del federation.blocks[blob(history, kind)]
    assert mismatches(federation.verify())


@pytest.mark.parametrize("kind", KINDS)
def test_the_walk_goes_on_to_the_last_round_and_the_accounts(history, kind):
    federation, _ = history
    flip(federation, blob(history, kind), 0)
    findings = federation.verify()
    assert {2} <= {finding.round for finding in findings}
    assert findings[-1].subject == "accounts"


@pytest.mark.parametrize("part", ["receipt", "update", "details"])
def test_a_damaged_submission_is_named_with_its_trainer_and_as_damaged(history, part):
    federation, packages = history
    flip(federation, sha256(getattr(packages[1], part)), 5)
    texts = [finding.text for finding in mismatches(federation.verify())]
    assert any(packages[1].trainer in text and "do not match its name" in text for text in texts)


@pytest.mark.parametrize("part", ["receipt", "update", "details"])
def test_damaged_content_of_a_refused_update_is_a_mismatch_too(federation, part):
    """What is gone is nobody's fault; what is there but damaged was tampered with."""
    package = federation.begin({1: {"details": {"examples": 0}}})[1]
    federation.rounds().finish()
    flip(federation, sha256(getattr(package, part)), 5)
    assert any(package.trainer in finding.text for finding in mismatches(federation.verify()))


@pytest.mark.parametrize("field", ["weights", "state", "utilities"])
def test_the_last_round_s_blobs_are_checked_although_no_round_needs_them_yet(history, field):
    federation, _ = history
    record = federation.record()
    flip(federation, bytes.fromhex(getattr(record.manifest(record.round(2)), field).sha256), 7)
    assert {finding.round for finding in mismatches(federation.verify())} == {2}


def test_a_store_that_lost_everything_leaves_mismatches_and_no_crash(history):
    federation, _ = history
    federation.blocks.clear()
    findings = federation.verify()
    assert {finding.round for finding in mismatches(findings)} == {None, 1, 2}
