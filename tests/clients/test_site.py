"""The site: what it consents to, what it trains on, and what leaves it when."""

from __future__ import annotations

import numpy as np
import pytest

from clients.outbox import Outbox
from clients.site import Site, fresh_key, policy_digest
from fl import sealing, weights
from fl.canonical import sha256
from fl.documents import Announcement, Details, Receipt, Reference
from fl.errors import ConsentError, LedgerUnavailable, StoreError, UsageError
from fl.ledger.types import Joined, Stage, UpdateSubmitted
from fl.store.layout import cid_of
from fl.store.memory import MemoryStore
from fl.store.port import put_bytes, read_bytes

POLICY = policy_digest(b"policy", bytes(32))


def submissions(federation):
    return [e for e in federation.owner.history(federation.task) if isinstance(e, UpdateSubmitted)]


def shifted(arrays, by=1.0):
    return {**arrays, "weight": arrays["weight"] + np.float32(by)}


def aad(receipt):
    where = receipt.chain_id, receipt.contract, receipt.task, receipt.round
    return sealing.additional_data(*where, receipt.trainer)


# --- consent


def test_joining_puts_the_terms_and_the_salted_policy_on_the_chain(new_federation):
    federation = new_federation(joined=False)
    federation.sites["ada"].join(federation.terms, POLICY)
    joined = federation.owner.history(federation.task)[-1]
    assert isinstance(joined, Joined)
    assert (joined.terms, joined.policy) == (federation.terms.id, POLICY)


@pytest.mark.parametrize("number", ["reward", "quorum", "window", "close_window", "settle_delay"])
def test_a_task_whose_number_differs_from_its_terms_is_not_joined(new_federation, number):
    federation = new_federation(joined=False)
    other = {number: getattr(federation._params(), number) + 1}
    federation = new_federation(joined=False, params=other)
    with pytest.raises(ConsentError, match=number.replace("_", " ")):
        federation.sites["ada"].join(federation.terms, POLICY)
    assert not federation.owner.seat(federation.task, federation.sites["ada"].account).joined


def test_other_terms_than_the_tasks_are_not_joined(new_federation, terms_with):
    federation = new_federation(joined=False)
    with pytest.raises(ConsentError, match="digest"):
        federation.sites["ada"].join(terms_with(purpose="Something else."), POLICY)


def test_a_new_task_that_holds_other_weights_than_its_terms_is_not_joined(new_federation):
    federation = new_federation(joined=False, params={"weights": sha256(b"others")})
    with pytest.raises(ConsentError, match="weights"):
        federation.sites["ada"].join(federation.terms, POLICY)


def test_a_task_that_approves_other_code_is_not_joined(new_federation):
    federation = new_federation(joined=False)
    with pytest.raises(ConsentError, match="code"):
        federation.site("ada", code=sha256(b"tampered")).join(federation.terms, POLICY)


def test_a_policy_needs_a_salt_of_32_bytes_and_is_hidden_by_it():
    assert policy_digest(b"p", bytes(32)) != policy_digest(b"p", b"\1" * 32)
    with pytest.raises(UsageError, match="32"):
        policy_digest(b"p", b"short")


def test_a_site_needs_an_account(federation, tmp_path):
    with pytest.raises(UsageError, match="account"):
        Site(federation.chain.as_account(), federation.store, 1, Outbox(tmp_path), code=b"", data=b"")


# --- what it trains on


def test_the_announced_round_gives_the_contracts_weights_in_the_terms_order(federation):
    opened = federation.open()
    site = federation.sites["ada"]
    announcement = site.announced(opened.id)
    base = site.base(announcement)
    assert announcement == opened
    assert list(base) == ["weight", "steps"]
    assert weights.encode(base) == weights.encode(federation.base)


def test_without_an_open_round_nothing_is_trained(federation):
    with pytest.raises(ConsentError, match="open"):
        federation.sites["ada"].announced(sha256(b"anything"))


def test_an_announcement_that_is_not_on_the_chain_is_refused(federation):
    opened = federation.open()
    other = opened.model_copy(update={"settings": {"epochs": 100}})
    put_bytes(federation.store, other.encode())
    with pytest.raises(ConsentError, match="not opened with"):
        federation.sites["ada"].announced(other.id)


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1},
        {"contract": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"},
        {"task": 9},
        {"round": 9},
        {"base": Reference.of(cid_of(b"poison"), b"poison")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_round_opened_with_the_announcement_of_something_else_is_refused(federation, change):
    rounds, base = federation.rounds, federation.terms.weights
    where = {"chain_id": rounds.ledger.chain_id, "contract": rounds.ledger.contract, "task": federation.task}
    right = {**where, "round": 1, "base": base, "settings": {}, "invited": None}
    announcement = Announcement(**(right | change))
    put_bytes(federation.store, announcement.encode())
    rounds.ledger.open_round(federation.task, 1, bytes.fromhex(base.sha256), announcement.id)
    with pytest.raises(ConsentError, match="another round or base"):
        federation.sites["ada"].announced(announcement.id)


def test_a_round_that_does_not_invite_the_site_is_refused(federation):
    invited = (federation.sites["bert"].account,)
    announcement = federation.rounds.open({}, invited)
    federation.sites["bert"].announced(announcement.id)
    with pytest.raises(ConsentError, match="does not ask"):
        federation.sites["ada"].announced(announcement.id)


def test_a_site_that_left_trains_no_more(federation):
    opened = federation.open()
    federation.sites["ada"].ledger.leave_task(federation.task)
    with pytest.raises(ConsentError, match="seat"):
        federation.sites["ada"].announced(opened.id)


def test_a_site_that_joined_during_a_round_waits_for_the_next(new_federation):
    federation = new_federation(joined=False)
    for name in ("ada", "bert"):
        federation.sites[name].join(federation.terms, POLICY)
    opened = federation.open()
    federation.sites["cleo"].join(federation.terms, POLICY)
    with pytest.raises(ConsentError, match="seat"):
        federation.sites["cleo"].announced(opened.id)


def test_a_site_whose_code_was_changed_since_it_joined_trains_no_more(federation):
    opened = federation.open()
    with pytest.raises(ConsentError, match="code"):
        federation.site("ada", code=sha256(b"update")).base(opened)


def test_a_base_of_another_size_than_the_terms_tensors_is_not_even_fetched(federation):
    opened = federation.open()
    large = opened.model_copy(update={"base": opened.base.model_copy(update={"size": 10**9})})
    small = opened.model_copy(update={"base": opened.base.model_copy(update={"size": 16})})
    site = federation.site("ada")
    site.terms  # noqa: B018 - read before the store is taken away
    site.store = MemoryStore()
    for announcement in (large, small):
        with pytest.raises(ConsentError, match="bytes"):
            site.base(announcement)


def test_a_base_that_the_store_does_not_have_is_a_store_error(federation):
    opened = federation.open()
    del federation.store._blocks[opened.base.parsed().digest]
    with pytest.raises(StoreError):
        federation.sites["ada"].base(opened)


@pytest.mark.parametrize(
    ("base", "says"),
    [
        ({"weight": np.zeros((1, 2), np.float32), "other": np.array(0)}, "tensors"),
        ({"weight": np.zeros((2, 1), np.float32), "steps": np.array(0)}, "weight"),
        ({"weight": np.zeros((1, 2), np.int32), "steps": np.array(0)}, "weight"),
        ({"weight": np.full((1, 2), np.nan, np.float32), "steps": np.array(0)}, "finite"),
    ],
    ids=["name", "shape", "dtype", "nan"],
)
def test_a_base_that_is_not_the_terms_model_is_refused(new_federation, terms_with, base, says):
    federation = new_federation(terms=terms_with(base), base=base)
    opened = federation.open()
    with pytest.raises(ConsentError, match=says):
        federation.sites["ada"].base(opened)


def test_a_round_may_add_settings_to_the_terms(federation):
    opened = federation.open(**{"server-round": 1})
    assert federation.sites["ada"].settings(opened) == {"learning_rate": 0.5, "server-round": 1}


def test_a_round_may_not_change_settings_of_the_terms(federation):
    opened = federation.open(learning_rate=5.0)
    with pytest.raises(ConsentError, match="learning_rate"):
        federation.sites["ada"].settings(opened)


# --- preparing


def test_a_prepared_update_lies_sealed_in_the_store_and_opens_with_the_receipts_key(federation):
    opened = federation.open()
    site = federation.sites["ada"]
    arrays = shifted(site.base(opened))
    receipt = site.prepare(opened, arrays, 12, {"loss": 0.5, "private": 3.0})
    key = bytes.fromhex(receipt.key)
    sealed = read_bytes(federation.store, receipt.update.parsed(), receipt.update.size)
    assert sealing.open_update(key, sealed, aad(receipt)) == weights.encode(arrays)
    sealed = read_bytes(federation.store, receipt.details.parsed(), receipt.details.size)
    details = Details.decode(sealing.open_details(key, sealed, aad(receipt)))
    assert (details.examples, details.code, details.data) == (12, site.code.hex(), site.data.hex())
    assert receipt.announcement == opened.id.hex()


def test_metrics_that_the_terms_do_not_list_stay_at_the_site(federation):
    opened = federation.open()
    site = federation.sites["ada"]
    receipt = site.prepare(opened, shifted(site.base(opened)), 12, {"loss": 0.5, "private": 3.0})
    sealed = read_bytes(federation.store, receipt.details.parsed(), receipt.details.size)
    details = Details.decode(sealing.open_details(bytes.fromhex(receipt.key), sealed, aad(receipt)))
    assert details.metrics == {"loss": 0.5}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arrays": {"weight": np.zeros((1, 2), np.float32)}}, "tensors"),
        ({"arrays": {"weight": np.zeros((1, 2)), "steps": np.array(1)}}, "weight"),
        ({"arrays": {"weight": np.full((1, 2), np.inf, np.float32), "steps": np.array(1)}}, "finite"),
        ({"examples": 0}, "examples"),
        ({"examples": 1001}, "examples"),
        ({"metrics": {}}, "loss"),
        ({"metrics": {"loss": float("nan")}}, "loss"),
    ],
    ids=["tensors", "dtype", "infinite", "no-examples", "too-many", "no-metric", "nan-metric"],
)
def test_an_update_that_would_be_refused_does_not_leave_the_site(federation, changes, says):
    opened = federation.open()
    site = federation.sites["ada"]
    before = dict(federation.store._blocks)
    honest = {"arrays": shifted(site.base(opened)), "examples": 12, "metrics": {"loss": 0.5}}
    with pytest.raises(ConsentError, match=says):
        site.prepare(opened, **(honest | changes))
    assert federation.store._blocks == before
    assert site.prepared(opened.round) is None


def test_a_privacy_budget_demands_that_spending_is_declared(new_federation, terms_with):
    terms = terms_with(privacy={"epsilon": "float:1.0", "delta": "float:1e-05"})
    federation = new_federation(terms=terms)
    opened = federation.open()
    site = federation.sites["ada"]
    with pytest.raises(ConsentError, match="privacy"):
        site.prepare(opened, shifted(site.base(opened)), 12, {"loss": 0.5})
    assert site.prepare(opened, shifted(site.base(opened)), 12, {"loss": 0.5}, terms.privacy)


def test_every_key_is_fresh():
    assert len({fresh_key(1) for _ in range(10)}) == 10


def test_keys_from_a_given_source_are_used(federation):
    opened = federation.open()
    site = federation.site("ada", keys=lambda round_: sha256(f"round {round_}".encode()))
    receipt = site.prepare(opened, shifted(site.base(opened)), 12, {"loss": 0.5})
    assert receipt.key == sha256(b"round 1").hex()


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
    held = [event.receipt for event in submissions(federation)]
    documents = [Receipt.decode(federation.rounds.record().document(id_)) for id_ in held]
    assert [document.trainer for document in documents] == [s.account for s in federation.sites.values()]
    assert all(site.outbox.receipts() == () for site in federation.sites.values())


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
    receipt = late.prepare(announcement, shifted(late.base(announcement), 9.0), 5, {"loss": 0.5})
    federation.chain.set_time(federation.owner.task(federation.task).deadline + 1)
    late.submit_due()
    late.publish_due()
    assert len(submissions(federation)) == 2
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


# --- killed in between


def test_a_site_killed_after_preparing_goes_on_with_the_same_receipt(federation):
    opened = federation.open()
    site = federation.sites["ada"]
    receipt = site.prepare(opened, shifted(site.base(opened)), 12, {"loss": 0.5})
    again = federation.site("ada")
    assert again.prepared(opened.round) == receipt
    again.submit_due()
    assert submissions(federation)[0].receipt == receipt.id


def test_a_second_training_of_a_round_never_replaces_the_first_receipt(federation):
    opened = federation.open()
    site = federation.sites["ada"]
    first = site.prepare(opened, shifted(site.base(opened), 1.0), 12, {"loss": 0.5})
    second = federation.site("ada").prepare(opened, shifted(site.base(opened), 2.0), 12, {"loss": 0.5})
    assert second == first


def test_a_site_killed_after_submitting_does_not_submit_again_but_publishes(federation):
    _, receipts = federation.round_of()
    again = federation.site("ada")
    again.submit_due()
    assert len(submissions(federation)) == 3
    again.publish_due()
    assert federation.has(receipts["ada"].cid)


def test_a_site_killed_between_publishing_and_clearing_its_outbox_goes_on(federation):
    _, receipts = federation.round_of()
    put_bytes(federation.store, receipts["ada"].encode())
    again = federation.site("ada")
    again.publish_due()
    assert again.outbox.receipts() == ()
    assert again.submitted(1)


def test_a_submission_whose_answer_was_lost_counts_as_done(federation):
    class Lossy:
        """A ledger whose answer to a submission gets lost after it went through."""

        def __init__(self, ledger):
            self._ledger = ledger

        def __getattr__(self, name):
            return getattr(self._ledger, name)

        def submit_update(self, *arguments):
            self._ledger.submit_update(*arguments)
            raise LedgerUnavailable("no answer")

    opened = federation.open()
    site = federation.sites["ada"]
    site.prepare(opened, shifted(site.base(opened)), 12, {"loss": 0.5})
    site.ledger = Lossy(site.ledger)
    with pytest.raises(LedgerUnavailable):
        site.submit_due()
    site.submit_due()
    assert len(submissions(federation)) == 1


def test_receipts_of_other_tasks_in_the_same_outbox_are_left_alone(federation):
    opened = federation.open()
    site = federation.sites["ada"]
    receipt = site.prepare(opened, shifted(site.base(opened)), 12, {"loss": 0.5})
    other = receipt.model_copy(update={"task": 77})
    site.outbox.put(other)
    site.submit_due()
    federation.chain.set_time(federation.owner.task(federation.task).deadline + 1)
    site.publish_due()
    assert site.outbox.receipts() == (other,)


# --- misbehaviour goes through the same path


def test_a_site_that_sends_what_it_should_not_is_refused_by_the_aggregator(federation):
    class Poisoner(Site):
        def _content(self, arrays):
            return weights.encode({**arrays, "weight": np.full((1, 2), np.nan, np.float32)})

    class Liar(Site):
        def _details(self, examples, metrics, privacy):
            return super()._details(examples, metrics, privacy).model_copy(update={"examples": 10**6})

    class Swapper(Site):
        def _sealed(self, announcement, update, details):
            receipt = super()._sealed(announcement, update, details)
            return receipt.model_copy(update={"update": replace_digest(receipt.update)})

    def replace_digest(reference):
        return reference.model_copy(update={"sha256": sha256(b"other bytes").hex()})

    kinds = {"ada": Poisoner, "bert": Liar, "cleo": Swapper}
    federation.sites = {name: federation.site(name, kind) for name, kind in kinds.items()}
    federation.round_of()
    for site in federation.sites.values():
        site.publish_due()
    end = federation.rounds.finish()
    assert [line.verdict for line in end.lines] == ["not_finite", "bad_claim", "bad_content"]
    assert end.reason == "below_quorum"
