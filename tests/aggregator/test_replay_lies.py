"""An aggregator that lies, through the contract's own calls: every lie is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aggregator import scoring
from aggregator.decision import decide
from aggregator.findings import Level
from fl import weights
from fl.canonical import sha256
from fl.documents import Announcement, Reference, Verdict
from fl.errors import Refused
from fl.ledger.types import UNRATED, Result
from fl.store.layout import cid_of
from fl.store.port import put_bytes


@pytest.fixture
def lie(found):
    """Close a round with something else than was decided; gives what verification then calls wrong."""

    def lie(change, faults=None, decided_on=lambda facts: facts, **terms):
        federation = found(**{"scoring": "shapley", **terms})
        federation.begin(faults)
        federation.wait(federation.now() + 300, lambda: False)  # everything may be called unavailable
        record, rounds = federation.record(), federation.rounds()
        round_ = record.rounds[-1]
        honest = decide(decided_on(record.facts(round_)), rounds.rule, rounds.utility, record.read)
        told = change(honest)
        for blob in (told.weights, told.utilities, told.state, told.manifest.encode()):
            if blob is not None:
                put_bytes(federation.store, blob)
        digest = bytes.fromhex(told.manifest.weights.sha256)
        receipts = tuple(event.receipt for event in round_.submissions)
        result = Result(round_.opened.announcement, digest, told.manifest.id, told.entries, receipts)
        rounds.ledger.close_round(federation.task, round_.number, result)
        rounds.settle_all()
        return [finding.text for finding in federation.verify() if finding.level is Level.MISMATCH]

    return lie


def with_manifest(decision, **changes):
    return replace(decision, manifest=decision.manifest.model_copy(update=changes))


def with_line(decision, index, **changes):
    """Change one line of the manifest, and the entry with it where the contract is told the same."""
    lines = list(decision.manifest.submissions)
    lines[index] = lines[index].model_copy(update=changes)
    told = {name: value for name, value in changes.items() if name in ("share", "quality")}
    entries = list(decision.entries)
    entries[index] = replace(entries[index], **told)
    return replace(with_manifest(decision, submissions=tuple(lines)), entries=tuple(entries))


def with_weights(decision, data):
    changed = with_manifest(decision, weights=Reference.of(cid_of(data), data))
    return replace(changed, weights=data)


def with_table(decision, table):
    data = scoring.encode_table(table)
    changed = with_manifest(decision, utilities=Reference.of(cid_of(data), data))
    return replace(changed, utilities=data)


def named(texts, *words):
    return any(all(word in text for word in words) for text in texts)


def test_the_truth_has_no_mismatch(lie):
    assert lie(lambda honest: honest) == []


# --- shares and verdicts


def test_a_share_that_was_made_up_is_named(lie):
    assert named(lie(lambda honest: with_line(honest, 0, share=999_999)), "share recorded as 999999")


def test_a_share_told_to_the_contract_but_not_written_down_is_named(lie):
    def change(honest):
        entries = (replace(honest.entries[0], share=999_999), *honest.entries[1:])
        return replace(honest, entries=entries)

    assert named(lie(change), "the contract was told", "999999")


def test_a_refusal_that_was_made_up_is_named(lie):
    made_up = {"verdict": Verdict.TOO_LARGE, "share": 0, "quality": 0, "examples": None}
    texts = lie(lambda honest: with_line(honest, 1, **made_up))
    assert named(texts, "recorded too_large, found accepted")


def test_an_acceptance_that_was_made_up_is_named(lie):
    made_up = {"verdict": Verdict.ACCEPTED, "share": 5, "quality": 10_000, "examples": 7}
    texts = lie(lambda honest: with_line(honest, 1, **made_up), {1: {"details": {"examples": 0}}})
    assert named(texts, "recorded accepted, found bad_claim")


def test_another_refusal_than_the_first_that_applies_is_named(lie):
    texts = lie(
        lambda honest: with_line(honest, 1, verdict=Verdict.DUPLICATE), {1: {"details": {"examples": 0}}}
    )
    assert named(texts, "recorded duplicate, found bad_claim")


def test_a_quality_that_does_not_belong_to_the_verdict_is_named(lie):
    texts = lie(lambda honest: with_line(honest, 1, quality=0xFFFF), {1: {"details": {"examples": 0}}})
    assert named(texts, "quality recorded as 65535, found 0")


@pytest.mark.parametrize(("field", "value"), [("examples", 1), ("weights", "ab" * 32)])
def test_a_number_or_digest_in_a_line_that_was_made_up_is_named(lie, field, value):
    assert named(lie(lambda honest: with_line(honest, 0, **{field: value})), f"{field} recorded as {value}")


# --- who is listed


@pytest.mark.parametrize(
    "pick",
    [lambda lines: lines[1:], lambda lines: lines[::-1], lambda lines: (), lambda lines: (*lines, lines[0])],
    ids=["one dropped", "reversed", "none", "one twice"],
)
def test_a_manifest_that_lists_other_submissions_than_the_chain_is_named(lie, pick):
    texts = lie(lambda honest: with_manifest(honest, submissions=pick(honest.manifest.submissions)))
    assert named(texts, "lists other submissions than the chain")


def test_no_submission_can_be_dropped_from_what_the_contract_is_told(federation):
    federation.begin()
    rounds = federation.rounds()
    rounds.ledger = Dropping(rounds.ledger)
    with pytest.raises(Refused, match="Incomplete"):
        rounds.finish()


class Dropping:
    """A ledger in the hands of an aggregator that leaves one submission out."""

    def __init__(self, ledger):
        self._ledger = ledger

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def close_round(self, task, number, result):
        fewer = replace(result, entries=result.entries[1:], receipts=result.receipts[1:])
        return self._ledger.close_round(task, number, fewer)


def test_a_list_of_who_was_aggregated_that_was_made_up_is_named(lie):
    texts = lie(lambda honest: with_manifest(honest, aggregated=honest.manifest.aggregated[:1]))
    assert named(texts, "aggregated: recorded")


# --- weights, state, utilities


def test_weights_altered_by_one_bit_are_named(lie, make_case):
    def change(honest):
        arrays = weights.decode(honest.weights, make_case().terms.order)
        arrays["layer.weight"] = np.nextafter(arrays["layer.weight"], np.float32(9))
        return with_weights(honest, weights.encode(arrays))

    assert named(lie(change), "weights: recorded")


@pytest.mark.parametrize("data", [b"", b"no weights at all", b"\0" * 200], ids=["none", "text", "zeros"])
def test_weights_that_are_no_weights_are_named(lie, data):
    assert named(lie(lambda honest: with_weights(honest, data)), "weights: recorded")


def test_weights_that_are_not_in_the_store_are_named(lie):
    def change(honest):
        elsewhere = Reference(cid=str(cid_of(b"x")), sha256="ab" * 32, size=1)
        return with_manifest(honest, weights=elsewhere)

    assert lie(change)


def test_a_state_that_the_rule_does_not_give_is_named(lie):
    def change(honest):
        changed = with_manifest(honest, state=Reference.of(cid_of(b"memory"), b"memory"))
        return replace(changed, state=b"memory")

    assert named(lie(change), "state: recorded")


def test_metrics_that_were_made_up_are_named(lie):
    assert named(lie(lambda honest: with_manifest(honest, metrics={"loss": 0.0})), "metrics: recorded")


def test_one_utility_that_was_made_up_is_named_with_its_coalition(lie):
    def change(honest):
        table = scoring.decode_table(honest.utilities)
        return with_table(honest, table | {0b101: table[0b101] + 500_000})

    texts = lie(change)
    assert named(texts, "utilities: coalition 5 recorded as")
    assert named(texts, "share recorded as")


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
    assert named(lie(lambda honest: with_table(honest, spoil(scoring.decode_table(honest.utilities)))), words)


def test_no_table_where_shares_need_one_is_named(lie):
    assert named(lie(lambda honest: with_manifest(honest, utilities=None)), "utilities: recorded None")


def test_a_table_that_is_no_table_is_named(lie):
    def change(honest):
        changed = with_manifest(honest, utilities=Reference.of(cid_of(b"\xff"), b"\xff"))
        return replace(changed, utilities=b"\xff")

    assert named(lie(change), "not a table of utilities")


# --- the round itself


@pytest.mark.parametrize(
    ("field", "value"),
    [("chain_id", 1), ("task", 9), ("round", 9), ("announcement", "ab" * 32), ("base", "ab" * 32)],
)
def test_a_manifest_of_another_round_is_named(lie, field, value):
    assert named(lie(lambda honest: with_manifest(honest, **{field: value})), f"{field}: recorded {value}")


def test_a_manifest_that_is_no_manifest_is_named(federation):
    federation.begin()
    rounds, store = federation.rounds(), federation.store
    rounds.ledger = Renaming(rounds.ledger, put_bytes(store, b'{"type":"manifest"}').digest)
    rounds.finish()
    texts = [finding.text for finding in federation.verify() if finding.level is Level.MISMATCH]
    assert named(texts, "not a valid manifest")


class Renaming(Dropping):
    """A ledger in the hands of an aggregator that names another manifest."""

    def __init__(self, ledger, manifest):
        super().__init__(ledger)
        self._manifest = manifest

    def close_round(self, task, number, result):
        return self._ledger.close_round(task, number, replace(result, manifest=self._manifest))


def test_a_round_closed_although_it_must_fail_is_named_with_every_wrong_verdict(lie):
    def leniently(facts):
        limits = facts.terms.limits.model_copy(update={"examples": 10**6})
        return replace(facts, terms=facts.terms.model_copy(update={"limits": limits}))

    faults = {index: {"details": {"examples": 10_001}} for index in (0, 1)}
    texts = lie(lambda decision: decision, faults, leniently)
    assert "closed, but decided again it fails: below_quorum" in texts
    assert sum("recorded accepted, found bad_claim" in text for text in texts) == 2


def announced(federation, **changes):
    honest = {
        "chain_id": federation.ledger().chain_id,
        "contract": federation.ledger().contract,
        "task": federation.task,
        "round": 1,
        "base": federation.terms.weights,
        "settings": {},
        "invited": None,
    }
    announcement = Announcement(**(honest | changes))
    put_bytes(federation.store, announcement.encode())
    base = bytes.fromhex(federation.terms.weights.sha256)
    federation.ledger(federation.operator).open_round(federation.task, 1, base, announcement.id)
    return [finding.text for finding in federation.verify() if finding.level is Level.MISMATCH]


@pytest.mark.parametrize("changes", [{"chain_id": 1}, {"task": 2}, {"round": 2}])
def test_an_announcement_of_another_round_is_named(federation, changes):
    assert named(announced(federation, **changes), "the announcement says", "was opened with")


def test_an_announcement_of_other_weights_is_named(federation):
    other = Reference.of(cid_of(b"x"), b"x")
    assert named(announced(federation, base=other), "the announcement says base")


def test_a_reset_to_weights_that_no_round_produced_is_named(federation):
    federation.ledger(federation.owner).reset_weights(federation.task, sha256(b"x"), bytes(32))
    texts = [finding.text for finding in federation.verify() if finding.level is Level.MISMATCH]
    assert named(texts, "which no round produced")


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


# --- announcements


def test_a_round_that_invites_only_some_is_named(found):
    federation = found()
    federation.rounds().open(invited=tuple(site.address for site in federation.sites[1:]))
    assert any("invites only some" in finding.text for finding in federation.verify())


def test_settings_that_the_terms_do_not_name_are_named(found):
    federation = found()
    federation.rounds().open({"epochs": 2**50})
    assert any("the terms do not name it" in finding.text for finding in federation.verify())


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
