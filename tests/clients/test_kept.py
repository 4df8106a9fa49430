"""Weights that a site has fetched stay on its disk, and are used again only if they are whole."""

from __future__ import annotations

import os

import pytest

from clients.kept import Kept
from fl.canonical import sha256
from fl.errors import ConsentError, StoreError

CONTENTS = [b"first", b"second", b"third", b"fourth"]


def digest(data):
    return sha256(data).hex()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "weights"


@pytest.fixture
def kept(folder):
    return Kept(folder)


def put(kept, *contents):
    """One after another, each a second younger."""
    for second, data in enumerate(contents):
        kept.put(digest(data), data)
        os.utime(kept._folder / digest(data), (second, second))


def test_what_was_put_is_there_for_the_next_process(kept, folder):
    put(kept, b"weights")
    assert Kept(folder).get(digest(b"weights")) == b"weights"


def test_what_was_never_put_is_not_there(kept):
    assert kept.get(digest(b"weights")) is None


@pytest.mark.parametrize("damage", [b"", b"weight", b"Weights", b"weights and more"])
def test_what_is_no_longer_whole_is_not_there_and_can_be_put_again(kept, folder, damage):
    put(kept, b"weights")
    (folder / digest(b"weights")).write_bytes(damage)
    assert kept.get(digest(b"weights")) is None
    put(kept, b"weights")
    assert kept.get(digest(b"weights")) == b"weights"


def test_only_the_newest_two_stay(kept, folder):
    put(kept, *CONTENTS)
    assert {file.name for file in folder.iterdir()} == {digest(data) for data in CONTENTS[-2:]}


def test_what_a_killed_process_has_left_over_goes(kept, folder):
    folder.mkdir()
    (folder / f"{digest(b'weights')}.0.part").write_bytes(b"wei")
    os.utime(folder / f"{digest(b'weights')}.0.part", (0, 0))
    put(kept, *CONTENTS[:2])
    assert {file.name for file in folder.iterdir()} == {digest(data) for data in CONTENTS[:2]}


def test_nobody_else_can_look_into_the_folder(kept, folder):
    put(kept, b"weights")
    assert folder.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_used_costs_nothing_but_the_fetching(kept, folder):
    folder.write_text("a file is in the way")
    kept.put(digest(b"weights"), b"weights")
    assert kept.get(digest(b"weights")) is None


# --- at a site


@pytest.fixture
def fetches(federation, monkeypatch):
    """Which blobs are opened."""
    found, original = [], federation.store.open
    monkeypatch.setattr(
        federation.store, "open", lambda cid, limit: found.append(cid) or original(cid, limit)
    )
    return found


def test_weights_that_were_evaluated_are_not_fetched_to_train_on(federation, kept, fetches):
    federation.round_of()
    for site in federation.sites.values():
        site.publish_due()
    made = federation.rounds.finish().manifest.weights
    announcement = federation.open()
    federation.site("ada", kept=kept).in_force(made)
    federation.site("ada", kept=kept).base(announcement)
    assert fetches.count(made.parsed()) == 1


def test_a_damaged_file_is_fetched_again(federation, kept, folder, fetches):
    announcement = federation.open()
    base = federation.site("ada", kept=kept).base(announcement)
    (folder / announcement.base.sha256).write_bytes(b"damage")
    again = federation.site("ada", kept=kept).base(announcement)
    assert {name: array.tolist() for name, array in again.items()} == {
        name: array.tolist() for name, array in base.items()
    }
    assert fetches.count(announcement.base.parsed()) == 2


def test_what_the_store_gave_wrong_is_not_kept(federation, kept, folder):
    announcement = federation.open()
    federation.store._blocks[announcement.base.parsed().digest] = b"other bytes"
    with pytest.raises((ConsentError, StoreError)):
        federation.site("ada", kept=kept).base(announcement)
    assert not folder.exists()
