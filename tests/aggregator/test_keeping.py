"""Which blobs a store keeps for its tasks: what a replay reads, and not whatever a site cares to name."""

from __future__ import annotations

import json
import math

import pytest
from audits import audit

from aggregator import keeping
from fl import wiring
from fl.cli import main
from fl.errors import FedledgerError
from fl.ledger.types import Admitted, RoundClosed, RoundOpened, TaskCreated
from fl.store.cid import Cid
from fl.store.collecting import reachable
from fl.store.embedded import EmbeddedStore
from fl.store.layout import cid_of
from fl.store.port import put_bytes

REFUSED, SILENT = 0, 1


def named(federation):
    return keeping.named(keeping.records_of(federation.record()))


@pytest.fixture
def eventful(found, momentum):
    """Four rounds: one as it should be, one with a refusal, one with a silent site, one that fails."""
    federation = found(rule=momentum, scoring="shapley", sites=4)
    federation.play()
    federation.play({REFUSED: {"details": {"examples": 0}}})
    federation.play({SILENT: {"withhold": ("receipt", "update", "details")}})
    federation.play({index: {"withhold": ("update",)} for index in range(3)})
    return federation


def kept(federation, cids):
    """Cut the store down to these blobs."""
    digests = {
        block.digest for cid in cids for block in reachable(lambda one: federation.blocks[one.digest], cid)
    }
    for digest in set(federation.blocks) - digests:
        del federation.blocks[digest]


@pytest.mark.slow
def test_a_verification_finds_the_same_when_everything_that_nothing_names_is_gone(eventful):
    before = audit(eventful)
    garbage = put_bytes(eventful.store, b"an update that was never submitted")
    names = named(eventful)
    kept(eventful, names.needed | names.spared)
    assert garbage.digest not in eventful.blocks
    assert audit(eventful) == before
    assert before.code == 0


def test_a_verification_passes_on_what_is_needed_alone(eventful):
    kept(eventful, named(eventful).needed)
    assert audit(eventful).code == 0


def test_everything_that_is_needed_is_there(eventful):
    assert {cid.digest for cid in named(eventful).needed} <= set(eventful.blocks)


@pytest.mark.slow
def test_every_blob_that_is_needed_is_missed(eventful):
    everything, before = dict(eventful.blocks), audit(eventful)
    for cid in named(eventful).needed:
        del eventful.blocks[cid.digest]
        assert audit(eventful) != before, f"nobody missed {cid}"
        eventful.blocks.update(everything)


def test_a_refused_receipt_cannot_have_anything_kept_at_the_price_of_others(federation):
    huge = cid_of(b"somebody else's library")
    reference = {"cid": str(huge), "sha256": bytes(32).hex(), "size": 2**50}
    federation.play({0: {"receipt": {"update": reference}}})
    names = named(federation)
    assert huge in names.spared
    assert huge not in names.needed


def test_a_receipt_that_is_no_document_names_nothing(federation):
    federation.begin({0: {"receipt_bytes": b"no receipt"}})
    assert cid_of(b"no receipt") in named(federation).spared


def test_every_task_of_the_federation_counts(federation):
    federation.play()
    other = federation.create_task()
    assert [record.task for record in keeping.records_of(federation.record())] == [1, other]


@pytest.mark.parametrize("lost", ["terms", "manifest", "receipt"])
def test_what_a_lost_document_names_is_unknown_and_said(federation, lost):
    federation.play()
    record = federation.record()
    (round_,) = record.rounds
    digest = {
        "terms": federation.terms.id,
        "manifest": round_.closed.manifest,
        "receipt": round_.submissions[0].receipt,
    }[lost]
    del federation.blocks[digest]
    with pytest.raises(FedledgerError, match=f"What task 1 names cannot be told: .*{Cid.raw(digest)}"):
        named(federation)


def test_updates_of_an_open_round_may_not_be_named_yet(federation):
    assert keeping.opened_since([federation.record()]) == math.inf
    federation.play()
    federation.begin()
    record = federation.record()
    assert keeping.opened_since([record]) == record.rounds[1].opened.at.time


def without(kind, number):
    """A history that lacks all events of one kind, or of one round."""

    def keeps(event):
        return type(event) is not kind and (number is None or getattr(event, "round", None) != number)

    return lambda events: tuple(event for event in events if keeps(event))


@pytest.mark.parametrize(
    ("method", "kept_back"),
    [
        ("history", without(None, 1)),
        ("history", without(None, 2)),
        ("history", without(RoundOpened, None)),
        ("history", without(RoundClosed, None)),
        ("history", without(TaskCreated, None)),
        ("history", lambda _events: ()),
        ("member_history", without(Admitted, None)),
    ],
    ids=["first round", "last round", "openings", "closings", "creation", "everything", "members"],
)
def test_nothing_goes_on_the_word_of_a_node_that_keeps_events_back(
    federation, tmp_path, monkeypatch, capsys, method, kept_back
):
    store, ledger = EmbeddedStore(tmp_path), federation.ledger()
    monkeypatch.setattr(wiring, "open_ledger", lambda *_: ledger)
    monkeypatch.setattr(wiring, "open_store", lambda *_: store)
    federation.play()
    federation.play()
    for content in (*federation.blocks.values(), b"garbage"):
        put_bytes(store, content)
    there = files(tmp_path)
    place = ("--rpc", "here", "--contract", ledger.contract, "--store", "here")
    words = ["store", "collect", *place, "--older-than", "0", "--remove"]
    truth = getattr(ledger, method)
    monkeypatch.setattr(ledger, method, lambda *task: kept_back(truth(*task)))
    assert main(words) == 1
    assert "The node's events are not whole: " in (said := capsys.readouterr().err)
    assert "Nothing was removed. Ask another node." in said
    assert files(tmp_path) == there
    monkeypatch.setattr(ledger, method, truth)
    assert main(words) == 0
    assert len(there - files(tmp_path)) == 1


def files(folder):
    return {path for path in (folder / "blocks").rglob("*") if path.is_file()}


def test_while_a_round_is_open_nothing_goes_that_was_put_since(federation, tmp_path, monkeypatch, capsys):
    store = EmbeddedStore(tmp_path)
    monkeypatch.setattr(wiring, "open_ledger", lambda *_: federation.ledger())
    monkeypatch.setattr(wiring, "open_store", lambda *_: store)

    def collect():
        for content in federation.blocks.values():
            put_bytes(store, content)
        place = ("--rpc", "here", "--contract", federation.ledger().contract, "--store", "here")
        assert main(["store", "collect", *place, "--older-than", "0", "--json"]) == 0
        return json.loads(capsys.readouterr().out)["unnamed"]

    withheld = federation.begin({0: {"withhold": ("receipt",)}})[0]
    assert collect() == 0, "nobody can know yet that this update is a submitted one's"
    put_bytes(federation.store, withheld.receipt)
    federation.rounds().finish()
    put_bytes(federation.store, b"garbage")
    assert collect() == 1
