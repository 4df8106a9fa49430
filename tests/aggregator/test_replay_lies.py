"""An aggregator, or an owner, that lies about more than one field, through the contract's own calls."""

from __future__ import annotations

from dataclasses import replace

import pytest
from audits import audit, close_with, decided, refer, with_blob, with_line

from aggregator import scoring
from aggregator.verifying.findings import Level
from fl import weights
from fl.canonical import sha256
from fl.documents import Announcement, Verdict
from fl.ledger.types import REFUSED_QUALITY, UNRATED
from fl.store.port import put_bytes


@pytest.fixture
def lie(found):
    """Close a round with something else than was decided; gives what verification then calls wrong."""

    def lie(change, faults=None, decided_on=lambda facts: facts, **terms):
        federation = found(**{"scoring": "shapley", **terms})
        federation.begin(faults)
        federation.wait(federation.now() + 300, lambda: False)  # everything may be called unavailable
        close_with(federation, change(decided(federation, decided_on)))
        return wrong(federation)

    return lie


def wrong(federation):
    return [finding.text for finding in federation.verify() if finding.level is Level.MISMATCH]


def named(texts, *words):
    return any(all(word in text for word in words) for text in texts)


def test_the_truth_has_no_mismatch(lie):
    assert lie(lambda honest: honest) == []


# --- utilities


def with_table(decision, utilities):
    return with_blob(decision, "utilities", scoring.encode_table(scoring.Table(utilities)))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda table: {mask: table[mask] for mask in range(7)}, "coalition 7 is not in the table"),
        (lambda table: {}, "coalition 0 is not in the table"),
        (lambda table: table | {8: 0}, "utilities: recorded"),
    ],
    ids=["one missing", "empty", "one too many"],
)
def test_a_table_of_other_coalitions_is_named(lie, spoil, words):
    found = lie(lambda honest: with_table(honest, spoil(scoring.decode_table(honest.utilities).true)))
    assert named(found, words)


# --- the round itself


def test_a_round_closed_although_it_must_fail_is_named_with_every_wrong_verdict(lie):
    def leniently(facts):
        limits = facts.terms.limits.model_copy(update={"examples": 10**6})
        return replace(facts, terms=facts.terms.model_copy(update={"limits": limits}))

    faults = {index: {"details": {"examples": 10_001}} for index in (0, 1)}
    texts = lie(lambda decision: decision, faults, leniently)
    assert "closed, but decided again it fails: below_quorum" in texts
    assert sum("recorded accepted, found bad_claim" in text for text in texts) == 2


def test_a_reset_to_weights_that_no_round_produced_is_named(federation):
    federation.ledger(federation.owner).reset_weights(federation.task, sha256(b"x"), bytes(32))
    assert named(wrong(federation), "which no round produced")


def test_a_round_on_weights_that_no_round_produced_is_named_although_it_trained_well(federation):
    base = weights.decode(federation.base(), federation.terms.order)
    other = weights.encode({name: array * 2 for name, array in base.items()})
    put_bytes(federation.store, other)
    federation.ledger(federation.owner).reset_weights(federation.task, sha256(other), bytes(32))
    announcement = Announcement(
        chain_id=federation.ledger().chain_id,
        contract=federation.ledger().contract,
        task=federation.task,
        round=1,
        base=refer(other),
        settings={},
        invited=None,
    )
    put_bytes(federation.store, announcement.encode())
    aggregator = federation.ledger(federation.operator)
    aggregator.open_round(federation.task, 1, sha256(other), announcement.id)
    federation.submit_all(announcement)
    assert federation.rounds().finish().closed
    found = audit(federation)
    assert found.where() == {(None, "resets"), (1, "announcement")}
    assert "no round made them" in found.texts(round_=1)[0]


# --- refusals of which nothing is left


def test_a_refusal_cannot_be_paid_whatever_became_of_the_content(lie):
    paid = {"verdict": Verdict.BAD_DOCUMENT, "share": 2**32 - 1, "quality": 10_000}
    texts = lie(
        lambda honest: with_line(honest, 2, **paid), {2: {"withhold": ["receipt", "update", "details"]}}
    )
    assert named(texts, "bad_document, but with a share")
    assert named(texts, "bad_document, but with quality 10000")


def test_nobody_goes_unrated_without_a_receipt_that_says_why(lie):
    favour = {"verdict": Verdict.NOT_BOUND, "quality": UNRATED}
    texts = lie(lambda honest: with_line(honest, 2, **favour), {2: {"withhold": ["receipt"]}})
    assert named(texts, "recorded not_bound, found unavailable")


@pytest.mark.parametrize("verdict", [Verdict.BAD_DOCUMENT, Verdict.BAD_CONTENT])
def test_a_refusal_made_up_before_anybody_could_publish_is_proven_wrong_by_publishing(federation, verdict):
    """Right after the seal, when the contract would not have taken an `unavailable` yet."""
    package = federation.begin({1: {"withhold": ["receipt", "update", "details"]}})[1]
    close_with(federation, with_line(decided(federation), 1, verdict=verdict, quality=REFUSED_QUALITY))
    found = audit(federation)
    assert (found.code, found.where()) == (0, set())
    (text,) = found.texts("not checked", 1)
    assert text.startswith(f"{package.trainer}: refused as {verdict}, and not even its receipt is left")
    package.put(federation.store)
    assert f"{package.trainer}: recorded {verdict}, found accepted" in audit(federation).texts(round_=1)


@pytest.mark.parametrize(
    ("gone", "verdict"),
    [
        ("update", Verdict.BAD_REFERENCE),
        ("update", Verdict.BAD_CLAIM),
        ("details", Verdict.BAD_TENSORS),
        ("details", Verdict.NO_CHANGE),
        ("update", Verdict.NOT_INVITED),
    ],
)
def test_what_is_still_there_proves_a_refusal_wrong(lie, gone, verdict):
    made_up = {"verdict": verdict, "share": 0, "quality": 0, "examples": None, "weights": None}
    texts = lie(lambda honest: with_line(honest, 1, **made_up), {1: {"withhold": [gone]}})
    assert named(texts, f"recorded {verdict}, found unavailable")


def test_a_receipt_s_digest_that_another_site_copied_proves_nothing_against_its_owner(found):
    federation = found(sites=3)
    thief, owner, third = federation.sites
    announcement = federation.rounds().open()
    package = owner.make(federation.terms, federation.base(), announcement)
    federation.ledger(thief.account).submit_update(federation.task, 1, sha256(package.receipt))
    federation.submit(owner, announcement)
    federation.submit(third, announcement)
    end = federation.rounds().finish()
    assert [line.verdict for line in end.lines] == ["not_bound", "accepted", "accepted"]
    federation.rounds().settle_all()
    assert {finding.level for finding in federation.verify()} == {Level.OK}


@pytest.mark.parametrize("verdict", [Verdict.OVER_BUDGET, Verdict.OUT_OF_RANGE])
def test_a_refusal_for_which_the_terms_give_no_reason_is_named(lie, make_terms, verdict):
    made_up = {"verdict": verdict, "share": 0, "quality": 0, "examples": None, "weights": "ab" * 32}
    unbounded = tuple(t.model_copy(update={"low": None, "high": None}) for t in make_terms().tensors)
    faults = {1: {"withhold": ["update", "details"]}}
    texts = lie(lambda honest: with_line(honest, 1, **made_up), faults, privacy=None, tensors=unbounded)
    assert named(texts, f"recorded {verdict}, found unavailable")


@pytest.mark.parametrize(
    ("verdict", "digest"),
    [(Verdict.BAD_CONTENT, "ab" * 32), (Verdict.DUPLICATE, None), (Verdict.REPLAYED, None)],
)
def test_a_digest_stands_where_the_update_was_opened_and_nowhere_else(lie, verdict, digest):
    made_up = {"verdict": verdict, "share": 0, "quality": 0, "examples": None, "weights": digest}
    texts = lie(lambda honest: with_line(honest, 1, **made_up), {1: {"withhold": ["update"]}})
    assert named(texts, f"{verdict}, but with weights {digest}")
