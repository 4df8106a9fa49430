"""The site: who sees its receipts when, and what becomes of them when something fails."""

from __future__ import annotations

import pytest

from fl.documents import Receipt
from fl.errors import BlobUnavailable, LedgerUnavailable, StoreError
from fl.ledger.types import ReceiptRevealed, Stage, UpdateSubmitted
from fl.store.layout import cid_of
from fl.store.port import put_bytes, read_bytes

# --- who sees what when


def test_nothing_opens_an_update_before_the_round_is_sealed(federation):
    _, receipts = federation.round_of("ada", "bert")
    for name in ("ada", "bert"):
        federation.sites[name].publish_due()
    assert not any(federation.has(receipt.cid) for receipt in receipts.values())
    secrets = [bytes.fromhex(receipt.key) for receipt in receipts.values()]
    secrets += [secret.hex().encode() for secret in secrets]
    events = repr(federation.owner.history(federation.task)).encode()
    for place in (*federation.store._blocks.values(), events):
        assert not any(secret in place for secret in secrets)


def test_a_sealed_round_has_its_receipts_published_under_the_digest_on_the_chain(federation):
    federation.round_of()
    for site in federation.sites.values():
        site.publish_due()
    held = [event.receipt for event in federation.events(UpdateSubmitted)]
    documents = [Receipt.decode(federation.rounds.record().document(id_)) for id_ in held]
    assert [document.trainer for document in documents] == [s.account for s in federation.sites.values()]


def test_the_deadline_seals_too(federation):
    _, receipts = federation.round_of("ada", "bert")
    federation.chain.set_time(federation.owner.task(federation.task).deadline + 1)
    federation.sites["ada"].publish_due()
    assert federation.has(receipts["ada"].cid)


def test_the_aggregator_accepts_what_honest_sites_deliver(federation):
    federation.round_of()
    for site in federation.sites.values():
        site.publish_due()
    end = federation.rounds.finish()
    assert end.closed
    assert {line.verdict for line in end.lines} == {"accepted"}


def test_a_receipt_whose_round_is_over_without_it_is_dropped_unpublished(federation):
    announcement, _ = federation.round_of("ada", "bert")
    late = federation.sites["cleo"]
    receipt = late.prepare(announcement, federation.shifted(late.base(announcement), 9.0), 5, {"loss": 0.5})
    federation.chain.set_time(federation.owner.task(federation.task).deadline + 1)
    late.submit_due()
    late.publish_due()
    assert late.outbox.receipts() == (receipt,)
    for name in ("ada", "bert"):
        federation.sites[name].publish_due()
    assert federation.rounds.finish().closed
    late.publish_due()
    assert len(federation.events(UpdateSubmitted)) == 2
    assert not federation.has(receipt.cid)
    assert late.outbox.receipts() == ()


@pytest.mark.parametrize("end", ["void", "failed"])
def test_a_round_that_pays_nothing_gets_nothing_more(federation, end):
    announcement, receipts = federation.round_of("ada", "bert")
    if end == "void":
        federation.owner.void_round(federation.task, announcement.round, b"mistake".ljust(32, b"\0"))
    else:
        federation.chain.set_time(federation.owner.task(federation.task).close_by() + 1)
        federation.owner.fail_round(federation.task, announcement.round, b"too late".ljust(32, b"\0"))
    assert federation.owner.outcome(federation.task, announcement.round).stage is Stage(end)
    federation.sites["ada"].publish_due()
    assert not federation.has(receipts["ada"].cid)
    assert federation.sites["ada"].outbox.receipts() == ()


def test_a_receipt_of_a_closed_round_is_still_published(federation):
    _, receipts = federation.round_of()
    for name in ("ada", "bert"):
        federation.sites[name].publish_due()
    assert federation.rounds.finish().closed
    federation.sites["cleo"].publish_due()
    assert federation.has(receipts["cleo"].cid)


def test_a_published_receipt_is_kept_until_its_round_is_closed(federation):
    _, receipts = federation.round_of()
    for site in federation.sites.values():
        site.publish_due()
    assert federation.sites["ada"].outbox.receipts() == (receipts["ada"],)
    assert federation.rounds.finish().closed
    federation.sites["ada"].publish_due()
    assert federation.sites["ada"].outbox.receipts() == ()


def test_a_receipt_whose_submission_is_not_mined_yet_is_kept_and_published_later(federation):
    def history(ledger, task, since):
        return tuple(e for e in ledger.history(task, since) if not isinstance(e, UpdateSubmitted))

    _, receipts = federation.round_of()
    site = federation.site("ada")
    mined, site.ledger = site.ledger, federation.altered(site.ledger, history=history)
    site.publish_due()
    assert not federation.has(receipts["ada"].cid)
    assert site.outbox.receipts() == (receipts["ada"],)
    site.ledger = mined
    site.publish_due()
    assert federation.has(receipts["ada"].cid)


def test_a_digest_that_somebody_else_submitted_publishes_nothing(federation):
    announcement, _ = federation.round_of("ada")
    late, thief = federation.sites["bert"], federation.sites["cleo"]
    receipt = late.prepare(announcement, federation.shifted(late.base(announcement), 9.0), 5, {"loss": 0.5})
    thief.ledger.submit_update(federation.task, announcement.round, receipt.id)
    federation.chain.set_time(federation.owner.task(federation.task).deadline + 1)
    late.publish_due()
    assert not federation.has(receipt.cid)


# --- a store that does not serve


def forget(store, stream):
    """Take a receipt and forget it."""
    data = stream.read()
    return cid_of(data) if b'"type":"receipt"' in data else put_bytes(store, data)


def refuse(store, stream):
    raise StoreError("The disk is full.")


@pytest.mark.parametrize("put", [forget, refuse])
def test_a_receipt_that_the_store_does_not_give_back_is_revealed_and_accepted(federation, put):
    _, receipts = federation.round_of()
    site = federation.site("ada")
    site.store = federation.altered(federation.store, put=put)
    site.publish_due()
    for name in ("bert", "cleo"):
        federation.sites[name].publish_due()
    with pytest.raises(BlobUnavailable):
        read_bytes(federation.store, receipts["ada"].cid, 10**6)
    end = federation.rounds.finish()
    assert {line.verdict for line in end.lines} == {"accepted"}


def test_a_receipt_is_revealed_once_and_dropped_with_the_end_of_its_round(federation):
    _, receipts = federation.round_of()
    for _ in range(2):
        site = federation.site("ada")
        site.store = federation.altered(federation.store, put=forget)
        site.publish_due()
    (event,) = federation.events(ReceiptRevealed)
    assert (event.trainer, event.receipt) == (site.account, receipts["ada"].encode())
    assert site.outbox.receipts() == (receipts["ada"],)
    for name in ("bert", "cleo"):
        federation.sites[name].publish_due()
    federation.rounds.finish()
    site.publish_due()
    assert site.outbox.receipts() == ()


def test_nothing_is_revealed_of_a_receipt_that_the_store_serves(federation):
    federation.round_of()
    for site in federation.sites.values():
        site.publish_due()
    assert federation.events(ReceiptRevealed) == []


def test_a_receipt_that_the_store_did_not_take_is_kept_after_settlement_until_it_does(federation):
    announcement, _ = federation.round_of()
    for name in ("ada", "bert"):
        federation.sites[name].publish_due()
    assert federation.rounds.finish().closed
    federation.rounds.settle_all()
    late = federation.site("cleo")
    late.store = federation.altered(federation.store, put=refuse)
    late.publish_due()
    assert federation.owner.outcome(federation.task, announcement.round).stage is Stage.SETTLED
    (receipt,) = late.outbox.receipts()
    late.store = federation.store
    late.publish_due()
    assert late.outbox.receipts() == ()
    assert federation.has(receipt.cid)


def test_a_receipt_that_the_store_does_not_take_is_revealed_after_the_close_too(federation):
    federation.round_of()
    for name in ("ada", "bert"):
        federation.sites[name].publish_due()
    assert federation.rounds.finish().closed
    late = federation.site("cleo")
    late.store = federation.altered(federation.store, put=refuse)
    late.publish_due()
    (revealed,) = federation.events(ReceiptRevealed)
    assert revealed.trainer == late.account


def test_a_receipt_is_not_published_while_events_lag_behind_the_end_of_a_round(federation):
    federation.round_of()
    site = federation.sites["ada"]
    federation.chain.set_time(federation.owner.task(federation.task).close_by() + 1)
    federation.owner.fail_round(federation.task, 1, bytes(32))
    site.ledger = federation.altered(
        site.ledger, history=lambda ledger, task, since=0: ledger.history(task, since)[:-1]
    )
    site.publish_due()
    (receipt,) = site.outbox.receipts()
    assert not federation.has(receipt.cid)


# --- killed in between


def test_a_site_killed_after_preparing_goes_on_with_the_same_receipt(federation):
    opened = federation.open()
    site = federation.sites["ada"]
    receipt = site.prepare(opened, federation.shifted(site.base(opened)), 12, {"loss": 0.5})
    again = federation.site("ada")
    assert again.prepared(opened) == receipt
    again.submit_due()
    assert federation.events(UpdateSubmitted)[0].receipt == receipt.id


def test_a_second_training_of_a_round_never_replaces_the_first_receipt(federation):
    opened = federation.open()
    site = federation.sites["ada"]
    first = site.prepare(opened, federation.shifted(site.base(opened), 1.0), 12, {"loss": 0.5})
    second = federation.site("ada").prepare(
        opened, federation.shifted(site.base(opened), 2.0), 12, {"loss": 0.5}
    )
    assert second == first


def test_a_site_killed_after_submitting_does_not_submit_again_but_publishes(federation):
    _, receipts = federation.round_of()
    again = federation.site("ada")
    again.submit_due()
    assert len(federation.events(UpdateSubmitted)) == 3
    again.publish_due()
    assert federation.has(receipts["ada"].cid)


def test_a_site_killed_between_publishing_and_clearing_its_outbox_goes_on(federation):
    _, receipts = federation.round_of()
    for receipt in receipts.values():
        put_bytes(federation.store, receipt.encode())
    assert federation.rounds.finish().closed
    again = federation.site("ada")
    again.publish_due()
    assert again.outbox.receipts() == ()
    assert again.submitted(1)


def test_a_submission_whose_answer_was_lost_counts_as_done(federation):
    def submit_update(ledger, *arguments):
        ledger.submit_update(*arguments)
        raise LedgerUnavailable("no answer")

    opened = federation.open()
    site = federation.sites["ada"]
    site.prepare(opened, federation.shifted(site.base(opened)), 12, {"loss": 0.5})
    site.ledger = federation.altered(site.ledger, submit_update=submit_update)
    with pytest.raises(LedgerUnavailable):
        site.submit_due()
    site.submit_due()
    assert len(federation.events(UpdateSubmitted)) == 1


def test_receipts_of_other_tasks_in_the_same_outbox_are_left_alone(federation):
    opened = federation.open()
    site = federation.sites["ada"]
    receipt = site.prepare(opened, federation.shifted(site.base(opened)), 12, {"loss": 0.5})
    other = receipt.model_copy(update={"task": 77})
    site.outbox.put(other)
    site.submit_due()
    federation.chain.set_time(federation.owner.task(federation.task).close_by() + 1)
    federation.owner.fail_round(federation.task, opened.round, b"too late".ljust(32, b"\0"))
    site.publish_due()
    assert site.outbox.receipts() == (other,)
