"""Verification of an honest history finds no mismatch, and says what nobody can establish."""

from __future__ import annotations

import io

import pytest

from aggregator.verifying import replay
from aggregator.verifying.conclusion import conclude
from aggregator.verifying.findings import Level
from fl.canonical import sha256
from fl.errors import UsageError
from fl.store.layout import cid_of
from fl.store.memory import MemoryStore


@pytest.fixture
def texts():
    def texts(findings, level):
        return [finding.text for finding in findings if finding.level is level]

    return texts


def mismatches(findings):
    return [finding for finding in findings if finding.level is Level.MISMATCH]


def drop(federation, blob):
    """The store loses a blob."""
    del federation.blocks[sha256(blob)]


def not_installed(*_):
    raise UsageError("SecretSauce is not installed here.")


# --- honest histories


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"scoring": "examples"},
        {"scoring": "shapley"},
        {"scoring": "shapley", "guard": "positive"},
        {"scoring": "equal", "guard": "best"},
        {"scoring": "leave_one_out", "guard": "positive"},
        {"scoring": "gtg", "guard": "best", "budget": 8},
        {"scoring": "shapley", "minimum_gain": 10**9},
        {"settle_delay": 0},
    ],
    ids=str,
)
def test_an_honest_history_has_no_mismatch_and_nothing_unchecked(found, terms):
    federation = found(**terms)
    for _ in range(3):
        federation.play()
    findings = federation.verify()
    assert {finding.level for finding in findings} == {Level.OK}
    assert [finding.round for finding in findings] == [None, 1, 2, 3, None]


def test_a_rule_with_memory_is_replayed_with_its_memory(found, momentum):
    federation = found(rule=momentum, scoring="shapley")
    for _ in range(3):
        federation.play()
    assert {finding.level for finding in federation.verify()} == {Level.OK}


def test_refused_updates_are_refused_again(federation):
    federation.play({0: {"details": {"examples": 0}}})
    federation.play({2: {"receipt_bytes": b"{}"}})
    federation.play({1: {"withhold": ["update"], "details": {"examples": 5}}})
    assert mismatches(federation.verify()) == []


def test_a_task_that_nobody_has_opened_a_round_of_is_fine(federation):
    assert {finding.level for finding in federation.verify()} == {Level.OK}


def test_whatever_became_of_a_round_is_said_and_is_no_mismatch(federation, texts):
    owner, rounds = federation.ledger(federation.owner), federation.rounds()
    federation.play()
    federation.begin()
    rounds.finish()
    owner.void_round(federation.task, 2, bytes(32))
    rounds.open()
    rounds.finish()  # 3: nobody submitted
    federation.begin({0: {"details": {"examples": 0}}, 1: {"details": {"examples": 0}}})
    rounds.finish()  # 4: below the quorum
    owner.reset_weights(federation.task, bytes.fromhex(federation.terms.weights.sha256), bytes(32))
    federation.play()  # 5
    federation.begin()  # 6: still open
    findings = federation.verify()
    assert mismatches(findings) == []
    notes = {finding.round: finding.text for finding in findings if finding.level is Level.NOTE}
    assert notes == {
        2: "voided by governance: nobody was paid or rated",
        3: "failed without a submission: below_quorum",
        4: "failed: below_quorum; decided again: below_quorum",
        6: "still open",
    }


def test_a_round_failed_in_spite_of_a_quorum_is_said_in_the_open(federation, texts):
    federation.begin()
    federation.ledger(federation.operator).fail_round(federation.task, 1, b"no mood".ljust(32, b"\0"))
    findings = federation.verify()
    assert texts(findings, Level.NOTE) == ["failed in spite of a quorum: no mood"]
    assert mismatches(findings) == []


def test_a_withdrawn_balance_is_accounted_for(federation):
    federation.play()
    federation.ledger(federation.owner).withdraw(federation.sites[0].address)
    assert mismatches(federation.verify()) == []


def test_progress_is_told_from_nothing_to_everything(federation):
    federation.play()
    told = []
    tools = replay.Tools(not_installed, not_installed, lambda done, all_: told.append((done, all_)))
    replay.verify(federation.record(), tools)
    assert (told[0], told[-1]) == ((0, 1), (1, 1))


# --- what is not installed here


def test_an_unknown_rule_leaves_the_aggregate_unchecked_and_everything_else_checked(found, momentum, texts):
    federation = found(rule=momentum, scoring="shapley")
    federation.play()
    federation.play({1: {"details": {"examples": 0}}})
    findings = federation.verify(rule=not_installed)
    assert texts(findings, Level.UNCHECKED) == ["the aggregate: SecretSauce is not installed here."] * 2
    assert mismatches(findings) == []


def test_an_unknown_rule_leaves_a_failed_round_unchecked(federation, texts):
    federation.begin({0: {"details": {"examples": 0}}, 1: {"details": {"examples": 0}}})
    federation.rounds().finish()
    findings = federation.verify(rule=not_installed)
    assert mismatches(findings) == []
    assert "cannot be decided again" in texts(findings, Level.UNCHECKED)[0]


def test_an_unknown_model_leaves_utilities_unchecked_and_shares_checked(found, texts):
    federation = found(scoring="shapley")
    federation.play()
    findings = federation.verify(utility=not_installed)
    assert texts(findings, Level.UNCHECKED) == ["utilities: SecretSauce is not installed here."]
    assert mismatches(findings) == []


def test_an_unknown_model_matters_to_nobody_where_shares_need_no_utility(federation):
    federation.play()
    assert {finding.level for finding in federation.verify(utility=not_installed)} == {Level.OK}


@pytest.mark.parametrize(("off", "level"), [(10, Level.OK), (11, Level.MISMATCH)])
def test_utilities_may_differ_by_the_tolerance_and_no_more(found, off, level):
    """Inference differs in the last bits between machines."""
    federation = found(scoring="shapley", tolerance=10)
    federation.play()
    exact = federation.rounds().utility

    def utility(_terms, _validation):
        return lambda mask, arrays: exact(mask, arrays) + off

    levels = {finding.level for finding in federation.verify(utility=utility)}
    assert levels == {Level.OK, level}


# --- what is gone


@pytest.mark.parametrize("part", ["receipt", "update", "details"])
def test_an_accusation_of_unavailability_cannot_be_told_from_late_publication(federation, texts, part):
    package = federation.begin({1: {"withhold": [part]}})[1]
    federation.rounds().finish()
    federation.rounds().settle_all()
    package.put(federation.store)  # too late, or denied all along
    findings = federation.verify()
    assert mismatches(findings) == []
    assert texts(findings, Level.UNCHECKED) == [
        f"{package.trainer}: published late or denied: cannot be told apart"
    ]


def test_what_is_still_unavailable_is_said_to_be(federation, texts):
    federation.play({1: {"withhold": ["update"]}})
    findings = federation.verify()
    assert mismatches(findings) == []
    assert "called unavailable, and is" in texts(findings, Level.UNCHECKED)[0]


@pytest.mark.parametrize(("after", "noted"), [(0, True), (200, True), (201, False)])
def test_a_receipt_revealed_in_the_first_half_of_the_close_window_was_there(federation, texts, after, noted):
    package = federation.begin({1: {"withhold": ["receipt", "update"]}})[1]
    sealed_at = federation.now()
    federation.chain.set_time(sealed_at + after)
    anybody = federation.ledger(federation.owner)
    anybody.reveal(federation.task, 1, package.trainer, package.receipt)
    federation.rounds().finish()
    federation.rounds().settle_all()
    notes = texts(federation.verify(), Level.NOTE)
    expected = f"{package.trainer}: called unavailable, but its receipt was revealed in time"
    assert notes == ([expected] if noted else [])


def test_a_revealed_receipt_is_checked_as_if_the_store_had_served_it(federation):
    package = federation.begin({1: {"withhold": ["receipt"]}})[1]
    federation.ledger(federation.owner).reveal(federation.task, 1, package.trainer, package.receipt)
    assert federation.rounds().finish().lines[1].verdict == "accepted"
    assert {finding.level for finding in federation.verify()} == {Level.OK}


def test_a_reveal_of_other_bytes_settles_nothing(federation, texts):
    package = federation.begin({1: {"withhold": ["receipt"]}})[1]
    federation.ledger(federation.owner).reveal(federation.task, 1, package.trainer, b"something else")
    federation.rounds().finish()
    federation.rounds().settle_all()
    assert texts(federation.verify(), Level.NOTE) == []


@pytest.mark.parametrize("part", ["receipt", "update", "details"])
def test_refused_content_that_is_gone_is_not_checked(federation, texts, part):
    package = federation.begin({1: {"details": {"examples": 0}}})[1]
    federation.rounds().finish()
    federation.rounds().settle_all()
    drop(federation, getattr(package, part))
    findings = federation.verify()
    assert mismatches(findings) == []
    [text] = texts(findings, Level.UNCHECKED)
    assert text.startswith(f"{package.trainer}: refused as bad_claim, and ")


@pytest.mark.parametrize("part", ["receipt", "update", "details"])
def test_refused_content_that_is_gone_is_asked_for_once_however_much_there_is(found, part):
    """A network can take long to answer that it does not have a blob."""
    federation, asked = found(sites=6), []

    class Noting(MemoryStore):
        def _fetch(self, cid):
            asked.append(cid)
            return super()._fetch(cid)

    packages = federation.begin({index: {"details": {"examples": 0}} for index in range(2, 6)})
    accepted, refused = packages[:2], packages[2:]
    federation.rounds().finish()
    federation.rounds().settle_all()
    for package in refused:
        drop(federation, getattr(package, part))
    federation.store = Noting(federation.blocks)
    assert mismatches(federation.verify()) == []
    assert [asked.count(cid_of(getattr(package, part))) for package in refused] == [1] * 4
    assert [asked.count(cid_of(package.update)) for package in accepted] == [1] * 2


@pytest.mark.parametrize("part", ["receipt", "update", "details"])
def test_accepted_content_that_is_gone_is_a_mismatch(federation, part):
    package = federation.begin()[1]
    federation.rounds().finish()
    federation.rounds().settle_all()
    drop(federation, getattr(package, part))
    named = f"{package.trainer}: recorded accepted, found unavailable"
    assert any(finding.text.startswith(named) for finding in mismatches(federation.verify()))


def test_a_duplicate_of_a_refused_update_that_is_gone_is_proven_by_its_receipt(found, texts):
    federation = found(sites=4)
    first, second, third, fourth = federation.sites
    announcement = federation.rounds().open()
    refused = federation.submit(first, announcement, details={"examples": 0})
    federation.submit(second, announcement, data=refused.weights)
    federation.submit(third, announcement)
    federation.submit(fourth, announcement)
    end = federation.rounds().finish()
    assert [line.verdict for line in end.lines] == ["bad_claim", "duplicate", "accepted", "accepted"]
    federation.rounds().settle_all()
    drop(federation, refused.update)
    findings = federation.verify()
    assert mismatches(findings) == []
    assert len(texts(findings, Level.UNCHECKED)) == 1


def test_a_duplicate_that_takes_its_details_back_is_proven_by_the_receipt_of_what_it_repeats(found, texts):
    federation = found(sites=4)
    first, second, third, fourth = federation.sites
    announcement = federation.rounds().open()
    refused = federation.submit(first, announcement, details={"examples": 0})
    copy = federation.submit(second, announcement, data=refused.weights)
    federation.submit(third, announcement)
    federation.submit(fourth, announcement)
    federation.rounds().finish()
    federation.rounds().settle_all()
    drop(federation, refused.update)
    drop(federation, copy.details)
    findings = federation.verify()
    assert mismatches(findings) == []
    assert any(
        text.startswith(f"{copy.trainer}: refused as duplicate") for text in texts(findings, Level.UNCHECKED)
    )


@pytest.mark.parametrize("part", ["receipt", "update", "details"])
def test_a_duplicate_that_takes_a_part_of_itself_back_frames_nobody(found, part):
    federation = found(sites=4)
    first, second, third, fourth = federation.sites
    announcement = federation.rounds().open()
    original = federation.submit(first, announcement)
    copy = federation.submit(second, announcement, data=original.weights)
    federation.submit(third, announcement)
    federation.submit(fourth, announcement)
    assert federation.rounds().finish().lines[1].verdict == "duplicate"
    federation.rounds().settle_all()
    drop(federation, getattr(copy, part))
    assert mismatches(federation.verify()) == []


def test_the_aggregator_keeps_the_receipts_that_it_read(federation):
    package = federation.begin({1: {"details": {"examples": 0}}})[1]
    put = []
    store = federation.store

    class Noting:
        def put(self, stream):
            put.append(stream.read())
            return store.put(io.BytesIO(put[-1]))

        def keep(self, cid):
            store.keep(cid)

        def open(self, cid, limit):
            return store.open(cid, limit)

    federation.rounds(store=Noting()).finish()
    assert package.receipt in put


# --- what it comes to


def test_what_an_unknown_rule_or_model_leaves_unchecked_is_no_part_of_the_conclusion(found):
    federation = found(scoring="shapley")
    federation.play()
    unknown_rule = conclude(federation.verify(rule=not_installed))
    assert unknown_rule.unchecked == {"aggregates": 1}
    assert "aggregates" not in unknown_rule.checked
    unknown_model = conclude(federation.verify(utility=not_installed))
    assert unknown_model.unchecked == {"utilities": 1}
    assert "utilities" not in unknown_model.checked


def test_a_voided_round_and_a_denied_update_are_counted_in_the_conclusion(federation):
    federation.begin({1: {"withhold": ["update"]}})
    federation.rounds().finish()
    federation.ledger(federation.owner).void_round(federation.task, 1, bytes(32))
    concluded = conclude(federation.verify())
    assert (concluded.voided, concluded.failed) == (1, 0)
    assert concluded.unchecked == {"verdicts": 1}
