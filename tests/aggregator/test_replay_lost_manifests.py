"""A manifest says what was accepted before. Hidden or lost, it makes no honest round wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from audits import audit, close_with, decided, with_line

from fl.documents import Verdict


@pytest.fixture
def bereft(federation):
    """A settled round, and an open one in which site 1 submits site 0's update of the first once more."""
    packages = federation.begin()
    first = federation.rounds().finish().manifest
    federation.rounds().settle_all()
    federation.begin({1: {"data": packages[0].weights}})
    return federation, first


def reset(federation):
    initial = bytes.fromhex(federation.terms.weights.sha256)
    federation.ledger(federation.owner).reset_weights(federation.task, initial, bytes(32))


def test_whoever_hides_a_manifest_while_another_decides_and_shows_it_afterwards_makes_nothing_wrong(bereft):
    federation, first = bereft
    hidden = federation.blocks.pop(first.id)
    assert federation.rounds().finish().reason == "undecidable"
    federation.blocks[first.id] = hidden
    found = audit(federation)
    assert (found.code, found.where()) == (0, set())
    assert found.texts("note", 2) == ["failed in spite of a quorum: undecidable"]


def test_while_it_is_hidden_the_failure_cannot_be_judged(bereft):
    federation, first = bereft
    del federation.blocks[first.id]
    federation.rounds().finish()
    found = audit(federation)
    assert found.where() == {(1, "manifest")}
    (text,) = found.texts("not checked", 2)
    assert text.startswith(
        "failed: undecidable; cannot be decided again: The manifest of round 1 cannot be had"
    )


@pytest.mark.parametrize("shown", [True, False])
def test_after_a_reset_nothing_depends_on_it(bereft, shown):
    federation, first = bereft
    hidden = federation.blocks.pop(first.id)
    federation.rounds().finish()
    reset(federation)
    federation.play()
    if shown:
        federation.blocks[first.id] = hidden
    found = audit(federation)
    assert found.where() == (set() if shown else {(1, "manifest")})
    assert found.texts("ok", 3) == ["closed as its submissions demand"]


def test_an_update_that_was_accepted_before_a_reset_counts_as_new_after_it(federation):
    """Only what no later loss can change is counted; whoever resets knows that old work can be sold again."""
    old = federation.begin()[0].weights
    federation.rounds().finish()
    reset(federation)
    federation.begin({0: {"data": old}})
    assert [line.verdict for line in federation.rounds().finish().lines] == ["accepted"] * 3
    assert audit(federation).code == 0


def test_a_round_closed_without_it_says_what_nobody_can_check(bereft):
    federation, first = bereft
    close_with(federation, decided(federation, lambda facts: replace(facts, earlier=frozenset())))
    federation.play()
    del federation.blocks[first.id]
    found = audit(federation)
    assert (found.code, found.where()) == (1, {(1, "manifest")})
    for round_ in (2, 3):
        assert found.texts("not checked", round_) == [
            "whether an update repeats one that round 1 accepted: that manifest cannot be had"
        ]
        assert found.texts("ok", round_) == ["closed as its submissions demand, as far as it can be checked"]


def test_once_it_is_found_a_replay_that_was_let_in_is_named(bereft):
    federation, _ = bereft
    close_with(federation, decided(federation, lambda facts: replace(facts, earlier=frozenset())))
    (text, *_) = audit(federation).texts(round_=2)
    assert text.endswith("recorded accepted, found replayed")


def test_that_an_update_was_replayed_is_the_aggregator_s_word_while_it_is_lost(bereft):
    federation, first = bereft
    assert federation.rounds().finish().lines[1].verdict == "replayed"
    federation.rounds().settle_all()
    del federation.blocks[first.id]
    found = audit(federation)
    assert found.where() == {(1, "manifest")}
    assert "repeats one that round 1 accepted" in found.texts("not checked", 2)[0]


def test_but_not_while_it_is_there(federation):
    federation.play()
    federation.begin()
    told = with_line(decided(federation), 0, verdict=Verdict.REPLAYED, share=0, quality=0, examples=None)
    close_with(federation, told)
    assert any("recorded replayed, found accepted" in text for text in audit(federation).texts(round_=2))
