"""From findings to what a verification comes to."""

from aggregator.conclusion import CHECKABLE, conclude
from aggregator.findings import Findings

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def concluded(level, text, subject="round", rounds=(1,)):
    findings = Findings()
    for number in rounds:
        with findings.about(number, subject):
            getattr(findings, level)(text)
    return conclude(findings.all())


def test_without_findings_everything_was_checked():
    found = conclude(())
    assert (found.checked, found.unchecked, found.voided, found.failed) == (CHECKABLE, {}, 0, 0)


def test_an_unchecked_kind_is_counted_and_not_called_checked():
    for text, kind in (
        ("the aggregate: FedMystery is not installed.", "aggregates"),
        ("utilities: the validation set is private.", "utilities"),
        (f"{ADDRESS}: called unavailable, and is: nobody serves it", "verdicts"),
    ):
        found = concluded("unchecked", text, rounds=(1, 2))
        assert found.unchecked == {kind: 2}
        assert found.checked == tuple(one for one in CHECKABLE if one != kind)


def test_a_failure_that_cannot_be_decided_again_and_an_unknown_kind_are_counted_too():
    failed = "failed: no quorum; cannot be decided again: FedMystery is not installed."
    assert concluded("unchecked", failed).unchecked == {"failed rounds": 1}
    assert concluded("unchecked", "whatever", subject="payments").unchecked == {"payments": 1}
    assert "payments" not in concluded("unchecked", "whatever", subject="payments").checked


def test_rounds_that_were_worked_for_nothing_are_counted_by_round():
    voided = concluded("note", "voided by governance: nobody was paid or rated", rounds=(1, 3))
    assert (voided.voided, voided.failed) == (2, 0)
    failed = concluded("note", "failed in spite of a quorum: no reason", rounds=(2, 2))
    assert (failed.voided, failed.failed) == (0, 1)
    fair = concluded("note", "failed: no quorum; decided again: 1 accepted, 2 needed")
    assert (fair.voided, fair.failed) == (0, 0)
