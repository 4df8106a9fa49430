"""The site: what it consents to, and what it trains on."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest

from clients.outbox import Outbox
from clients.site import Site, policy_digest
from fl import weights
from fl.canonical import encode_settings, sha256
from fl.documents import Announcement, Reference
from fl.errors import BlobUnavailable, ConsentError, StoreError, UsageError
from fl.ledger.types import Joined, RoundOpened
from fl.store.layout import cid_of
from fl.store.memory import MemoryStore
from fl.store.port import put_bytes

POLICY = policy_digest(b"policy", bytes(32))


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


@pytest.mark.parametrize("changes", [{"guard": "positive"}, {"scoring": {"rule": "shapley"}}])
@pytest.mark.parametrize("given", ["nothing", "all but validation set", "all but model", "all but data"])
def test_terms_whose_utilities_nobody_could_measure_are_not_joined(
    new_federation, terms_with, changes, given
):
    blob = Reference.of(cid_of(b"rows"), b"rows").model_dump()
    parts = {
        "model": {"builder": "logistic", "settings": {}},
        "data": {"label": "y", "classes": ("a", "b"), "columns": ({"name": "x", "kind": "number"},)},
        "validation set": blob,
    }
    there = {
        part: parts[part]
        for part in parts
        if given not in ("nothing", f"all but a {part}", f"all but {part}")
    }
    scoring = {"rule": "equal", "utility": "log_loss", "budget": 1024} | changes.get("scoring", {})
    terms = terms_with(
        guard=changes.get("guard", "none"),
        model=there.get("model"),
        data=there.get("data"),
        scoring={**scoring, "validation": there.get("validation set")},
    )
    federation = new_federation(joined=False, terms=terms)
    with pytest.raises(ConsentError, match="nobody could check"):
        federation.sites["ada"].join(federation.terms, POLICY)


def test_a_metric_that_takes_the_name_of_the_examples_is_not_agreed_to(new_federation, terms_with):
    terms = terms_with(metrics=({"name": "num-examples", "low": "float:0.0", "high": "float:10.0"},))
    federation = new_federation(joined=False, terms=terms)
    with pytest.raises(ConsentError, match="num-examples"):
        federation.sites["ada"].join(terms, POLICY)


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


def test_an_opening_that_is_not_mined_yet_is_waited_for(federation):
    def history(ledger, task, since):
        return tuple(e for e in ledger.history(task, since) if not isinstance(e, RoundOpened))

    opened = federation.open()
    site = federation.site("ada")
    site.ledger = federation.altered(site.ledger, history=history)
    with pytest.raises(ConsentError, match="not mined"):
        site.announced(opened.id)


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
    with pytest.raises(ConsentError, match=f"says {next(iter(change)).removesuffix('_id')} "):
        federation.sites["ada"].announced(announcement.id)


def test_a_store_that_gives_another_document_has_not_served_the_announcement(federation):
    opened = federation.open()
    site = federation.sites["ada"]
    other = opened.model_copy(update={"settings": {"epochs": 100}})
    site.store = federation.altered(federation.store, open=lambda *_: BytesIO(other.encode()))
    with pytest.raises(BlobUnavailable, match="other bytes"):
        site.announced(opened.id)


def test_a_round_that_does_not_invite_the_site_is_refused(federation):
    others = tuple(federation.sites[name].account for name in ("bert", "cleo"))
    announcement = federation.announce(invited=others, drawn_at=1)
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


def test_a_round_may_say_its_number_beside_the_terms_settings(federation):
    opened = federation.open(**{"server-round": 1})
    assert federation.sites["ada"].settings(opened) == {"learning_rate": 0.5, "server-round": 1}


def test_a_round_may_repeat_the_terms_settings(federation):
    opened = federation.open(learning_rate=0.5)
    assert federation.sites["ada"].settings(opened) == {"learning_rate": 0.5}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 5.0),
        ("learning_rate", 5),
        ("epochs", 2**53 - 1),
        ("server-round", 0),
        ("server-round", True),
        ("server-round", "1"),
    ],
)
def test_a_round_may_neither_change_settings_of_the_terms_nor_add_any(federation, name, value):
    opened = federation.announce(settings=encode_settings({name: value}))
    with pytest.raises(ConsentError, match=name):
        federation.sites["ada"].settings(opened)
