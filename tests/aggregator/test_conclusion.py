"""From findings to what a verification comes to."""

import pytest

from aggregator.verifying.conclusion import CHECKABLE, conclude, verdict
from aggregator.verifying.findings import Finding, Kind, Level
from fl.ledger.types import AggregatorSet, Position, RoundClosed, TaskCreated, TaskParams


def concluded(*found):
    """What findings of these levels, rounds and kinds come to."""
    return conclude(Finding(level, round_, "round", "whatever", kind) for level, round_, kind in found)


@pytest.mark.parametrize(
    ("levels", "word"),
    [
        ([Level.OK, Level.NOTE], "verified"),
        ([Level.OK, Level.UNCHECKED], "verified in part"),
        ([Level.UNCHECKED, Level.MISMATCH], "not verified"),
    ],
)
def test_a_verification_comes_to_its_worst_finding(levels, word):
    assert verdict([Finding(level, 1, "round", "whatever") for level in levels]) == word


def test_without_findings_everything_was_checked():
    found = conclude(())
    assert (found.checked, found.unchecked, found.voided, found.failed) == (CHECKABLE, {}, 0, 0)


@pytest.mark.parametrize("kind", [Kind.AGGREGATES, Kind.UTILITIES, Kind.VERDICTS])
def test_an_unchecked_kind_is_counted_and_not_called_checked(kind):
    found = concluded((Level.UNCHECKED, 1, kind), (Level.UNCHECKED, 2, kind))
    assert found.unchecked == {kind.value: 2}
    assert found.checked == tuple(one for one in CHECKABLE if one != kind)


def test_a_failure_that_cannot_be_decided_again_is_counted_too():
    assert concluded((Level.UNCHECKED, 1, Kind.FAILED)).unchecked == {"failed rounds": 1}


def test_an_unproven_refusal_leaves_verdicts_unchecked():
    found = concluded((Level.UNCHECKED, 1, Kind.REFUSALS))
    assert found.unchecked == {"unproven refusals": 1}
    assert found.checked == tuple(one for one in CHECKABLE if one != "verdicts")


def test_a_round_that_cannot_be_decided_again_leaves_only_what_the_chain_shows_as_checked():
    found = concluded((Level.UNCHECKED, 1, Kind.ROUNDS))
    assert found.checked == ("submissions", "digests", "payments", "reputations")


def test_unproven_refusals_are_counted_by_the_aggregator_in_force_when_their_round_was_closed():
    at = Position(1, 0, 0, b"")
    params = TaskParams(b"", b"", "first", "sponsor", *[0] * 5)
    history = (
        TaskCreated(at, 1, params),
        closed(at, 1),
        closed(at, 2),
        AggregatorSet(at, 1, "second"),
        closed(at, 3),
    )
    unproven = [
        Finding(Level.UNCHECKED, number, "round", "whatever", Kind.REFUSALS) for number in (1, 2, 2, 3)
    ]
    assert conclude(unproven, history).unproven == {"first": 3, "second": 1}
    assert conclude((), history).unproven == {}


def closed(at, number):
    return RoundClosed(at, 1, number, b"", b"", 0, ())


def test_rounds_that_were_worked_for_nothing_are_counted_by_round():
    voided = concluded((Level.NOTE, 1, Kind.VOIDED), (Level.NOTE, 3, Kind.VOIDED))
    assert (voided.voided, voided.failed) == (2, 0)
    failed = concluded((Level.NOTE, 2, Kind.UNPAID), (Level.NOTE, 2, Kind.UNPAID))
    assert (failed.voided, failed.failed) == (0, 1)
    fair = concluded((Level.NOTE, 1, None))
    assert (fair.voided, fair.failed) == (0, 0)
