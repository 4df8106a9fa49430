"""The site on a chain that takes things back: what it builds on has to be confirmed first."""

from __future__ import annotations

from collections import Counter

import pytest
from lagging import LaggingFederation

from fl.documents import Receipt
from fl.errors import BlobUnavailable, ConsentError, StoreError
from fl.ledger.types import ReceiptRevealed, UpdateSubmitted
from fl.store.port import read_bytes


@pytest.fixture
def federation(new_federation):
    """Everybody has joined, and that is confirmed; what comes next is not."""
    federation = new_federation(kind=LaggingFederation)
    federation.chain.confirm()
    return federation


@pytest.fixture
def chain(federation):
    return federation.chain


def prepare(site, announcement, shift=1.0):
    arrays = site.base(announcement)
    arrays["weight"] = arrays["weight"] + shift
    return site.prepare(announcement, arrays, 10, {"loss": 0.5})


def reopened(federation):
    """Another round of the same number, as after a reorg."""
    federation.chain.take_back()
    return federation.open(learning_rate=0.5)


def submitted(federation):
    return [event.receipt for event in federation.events(UpdateSubmitted)]


# --- before it trains


def test_an_opening_that_gets_its_confirmations_while_the_site_waits_is_trained_on(federation, chain):
    opened = federation.open()
    waits = []

    def wait(until, done):
        waits.append(until)
        assert not done()
        chain.confirm()
        assert done()

    assert federation.site("ada", wait=wait).announced(opened.id) == opened
    assert waits == [federation.owner.task(federation.task).deadline + 1]


def test_an_opening_that_is_never_confirmed_is_not_trained_on(federation):
    opened = federation.open()
    with pytest.raises(ConsentError, match="not confirmed"):
        federation.site("ada", wait=lambda _until, _done: None).announced(opened.id)


def test_an_opening_that_is_taken_back_is_waited_for_no_longer(federation, chain):
    def wait(_until, done):
        chain.take_back()
        assert done()

    opened = federation.open()
    with pytest.raises(ConsentError, match="is open"):
        federation.site("ada", wait=wait).announced(opened.id)


def test_a_confirmed_opening_is_not_waited_for(federation, chain):
    opened = federation.open()
    chain.confirm()
    assert federation.site("ada", wait=None).announced(opened.id) == opened


def test_a_round_that_nobody_opened_is_refused_at_once(federation):
    with pytest.raises(ConsentError, match="is open"):
        federation.site("ada").announced(bytes(32))  # with the site's own, real waiting


# --- before it publishes


def test_a_seal_that_is_not_confirmed_opens_no_update(federation, chain):
    """Somebody else's transaction, seen before it is mined, makes the round look sealed."""
    _, receipts = federation.round_of("ada", "bert")
    chain.confirm()
    before = chain.mark()
    federation.sites["cleo"].ledger.submit_update(federation.task, 1, bytes(32))
    assert federation.owner.task(federation.task).sealed(federation.owner.now())
    federation.sites["ada"].publish_due()
    chain.take_back(before)
    assert not federation.has(receipts["ada"].cid)
    assert federation.sites["ada"].outbox.receipts() == (receipts["ada"],)


def test_a_deadline_that_has_passed_for_the_next_block_only_opens_no_update(federation, chain):
    _, receipts = federation.round_of("ada", "bert")
    chain.confirm()
    chain.set_time(federation.owner.task(federation.task).deadline + 1)
    federation.sites["ada"].publish_due()
    assert not federation.has(receipts["ada"].cid)
    chain.confirm()
    federation.sites["ada"].publish_due()
    assert federation.has(receipts["ada"].cid)


def test_a_confirmed_seal_does(federation, chain):
    _, receipts = federation.round_of()
    chain.confirm()
    federation.sites["ada"].publish_due()
    assert federation.has(receipts["ada"].cid)


# --- what a reorg takes away


def test_a_submission_that_was_taken_back_is_sent_again(federation, chain):
    opened = federation.open()
    chain.confirm()
    site = federation.sites["ada"]
    receipt = prepare(site, opened)
    site.submit_due()
    chain.take_back()
    assert submitted(federation) == []
    for _ in range(2):
        federation.site("ada").submit_due()
    assert submitted(federation) == [receipt.id]


def test_a_submission_that_was_taken_back_after_the_deadline_is_lost_and_nothing_else(federation, chain):
    opened = federation.open()
    chain.confirm()
    site = federation.sites["ada"]
    receipt = prepare(site, opened)
    site.submit_due()
    chain.take_back()
    chain.set_time(federation.owner.task(federation.task).deadline + 1)
    chain.confirm()
    site.submit_due()
    site.publish_due()
    assert not federation.has(receipt.cid)


@pytest.mark.parametrize("end", ["closed", "settled", "failed", "void"])
def test_a_receipt_is_kept_until_the_end_of_its_round_is_confirmed(federation, chain, end):
    _, receipts = federation.round_of()
    chain.confirm()
    for site in federation.sites.values():
        site.publish_due()
    if end in ("closed", "settled"):
        assert federation.rounds.finish().closed
    if end == "settled":
        chain.confirm()
        federation.rounds.settle_all()
    if end == "failed":
        federation.rounds.ledger.fail_round(federation.task, 1, bytes(32))
    if end == "void":
        federation.owner.void_round(federation.task, 1, bytes(32))
    site = federation.sites["ada"]
    if end != "settled":  # a confirmed close is enough
        site.publish_due()
        assert site.outbox.receipts() == (receipts["ada"],)
        chain.confirm()
    site.publish_due()
    assert site.outbox.receipts() == ()


def test_a_receipt_that_was_revealed_in_vain_is_revealed_again(federation, chain):
    def refuse(_store, _stream):
        raise StoreError("The disk is full.")

    federation.round_of()
    chain.confirm()
    site = federation.site("ada")
    site.store = federation.altered(federation.store, put=refuse)
    site.publish_due()
    chain.take_back()
    assert federation.events(ReceiptRevealed) == []
    site.publish_due()
    chain.confirm()
    site.publish_due()
    assert len(federation.events(ReceiptRevealed)) == 1


# --- a round that is opened twice: the reorg was deeper than the confirmations that were waited for


def test_an_update_for_the_first_announcement_is_not_submitted_for_the_second(federation, chain):
    site = federation.sites["ada"]
    first = prepare(site, federation.open())
    second = reopened(federation)
    chain.confirm()
    site.submit_due()
    assert submitted(federation) == []
    assert site.prepared(second) is None
    receipt = prepare(site, site.announced(second.id))
    site.submit_due()
    assert submitted(federation) == [receipt.id]
    assert set(site.outbox.receipts()) == {first, receipt}


def test_the_two_updates_of_a_round_are_sealed_with_different_keys(federation):
    """Keys that follow from a seed and the round's number would seal two things under one nonce."""
    site = federation.site("ada", keys=lambda round_: bytes([round_]) * 32)
    first = prepare(site, federation.open())
    second = prepare(site, reopened(federation), shift=2.0)
    assert first.key == "01" * 32
    assert second.key != first.key


def test_the_receipt_that_was_not_submitted_is_never_published_and_goes_with_the_round(federation, chain):
    site = federation.sites["ada"]
    first = prepare(site, federation.open())
    announcement = reopened(federation)
    for i, one in enumerate(federation.sites.values()):
        prepare(one, announcement, shift=3.0 + i)
        one.submit_due()
    chain.confirm()
    for one in federation.sites.values():
        one.publish_due()
    assert federation.rounds.finish().closed
    chain.confirm()
    site.publish_due()
    assert not federation.has(first.cid)
    assert site.outbox.receipts() == ()


def test_a_submission_that_a_node_kept_and_mines_into_the_second_round_is_unrated(federation, chain):
    """It is valid there: the contract knows the round's number only. The site can do nothing about it."""
    site = federation.sites["ada"]
    first = prepare(site, federation.open())
    announcement = reopened(federation)
    site.ledger.submit_update(federation.task, 1, first.id)
    for i, name in enumerate(("bert", "cleo")):
        prepare(federation.sites[name], announcement, shift=3.0 + i)
        federation.sites[name].submit_due()
    chain.confirm()
    assert site.submitted(1)  # so nothing is trained for it
    for one in federation.sites.values():
        one.publish_due()
    end = federation.rounds.finish()
    verdicts = {line.trainer: (line.verdict, line.quality) for line in end.lines}
    assert verdicts[site.account] == ("not_bound", 0xFFFF)
    assert Counter(verdict for verdict, _ in verdicts.values()) == {"accepted": 2, "not_bound": 1}


# --- a copycat


def test_nobody_can_copy_from_a_round_that_only_looked_sealed(federation, chain):
    """The rival's submission seals the round, but in the mempool only, where a copy could take its place."""
    opened = federation.open()
    chain.confirm()
    receipts = {
        name: prepare(federation.sites[name], opened, shift=1.0 + len(name)) for name in ("ada", "cleo")
    }
    for name in receipts:
        federation.sites[name].submit_due()
    chain.confirm()
    federation.sites["bert"].ledger.submit_update(federation.task, 1, bytes(32))
    for name in receipts:
        federation.sites[name].publish_due()
    for receipt in receipts.values():
        with pytest.raises(BlobUnavailable):
            Receipt.decode(read_bytes(federation.store, receipt.cid, 10**6))
