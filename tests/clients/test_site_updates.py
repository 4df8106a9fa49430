"""The site: what it makes of a trained model, and what the aggregator makes of one that misbehaves."""

from __future__ import annotations

import numpy as np
import pytest

from clients.site import Site, fresh_key
from fl import sealing, weights
from fl.canonical import sha256
from fl.documents import Details
from fl.errors import ConsentError
from fl.store.port import read_bytes


def aad(receipt):
    where = receipt.chain_id, receipt.contract, receipt.task, receipt.round
    return sealing.additional_data(*where, receipt.trainer)


# --- preparing


def test_a_prepared_update_lies_sealed_in_the_store_and_opens_with_the_receipts_key(federation):
    opened = federation.open()
    site = federation.sites["ada"]
    arrays = federation.shifted(site.base(opened))
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
    receipt = site.prepare(opened, federation.shifted(site.base(opened)), 12, {"loss": 0.5, "private": 3.0})
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
    honest = {"arrays": federation.shifted(site.base(opened)), "examples": 12, "metrics": {"loss": 0.5}}
    with pytest.raises(ConsentError, match=says):
        site.prepare(opened, **(honest | changes))
    assert federation.store._blocks == before
    assert site.prepared(opened) is None


def test_a_privacy_budget_demands_that_spending_is_declared(new_federation, terms_with):
    terms = terms_with(privacy={"epsilon": "float:1.0", "delta": "float:1e-05"})
    federation = new_federation(terms=terms)
    opened = federation.open()
    site = federation.sites["ada"]
    with pytest.raises(ConsentError, match="privacy"):
        site.prepare(opened, federation.shifted(site.base(opened)), 12, {"loss": 0.5})
    assert site.prepare(opened, federation.shifted(site.base(opened)), 12, {"loss": 0.5}, terms.privacy)


def test_every_key_is_fresh():
    assert len({fresh_key(1) for _ in range(10)}) == 10


def test_keys_from_a_given_source_are_used(federation):
    opened = federation.open()
    site = federation.site("ada", keys=lambda round_: sha256(f"round {round_}".encode()))
    receipt = site.prepare(opened, federation.shifted(site.base(opened)), 12, {"loss": 0.5})
    assert receipt.key == sha256(b"round 1").hex()


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
