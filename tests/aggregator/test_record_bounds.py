"""How large a blob may be: the terms say so, and what is larger is refused before a byte of it is read."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from aggregator import scoring
from aggregator.decision import decide
from aggregator.record import Record
from aggregator.sizes import Sizes
from aggregator.verifying.findings import Level
from fl import weights
from fl.canonical import sha256
from fl.documents import Announcement, Reference, Terms
from fl.errors import DocumentError, StoreError
from fl.ledger.types import Result
from fl.store import node
from fl.store.cid import Cid
from fl.store.node import Link
from fl.store.port import put_bytes

MILLION = 10**6


class Unread:
    """A store that nobody may ask for anything."""

    def open(self, cid, limit):
        raise AssertionError(f"{cid} was asked for")


class OnlyTerms:
    """A store that may be asked for the terms, and for nothing else."""

    def __init__(self, federation):
        self._inner, self._terms = federation.store, federation.terms.cid

    def open(self, cid, limit):
        return (self._inner if cid == self._terms else Unread()).open(cid, limit)


def bomb(blocks, rows=3):
    """A megabyte of blocks that unfolds to terabytes."""
    leaf = b"\0" * (1 << 20)
    link = Link(Cid.raw(sha256(leaf)), len(leaf), len(leaf))
    blocks[link.cid.digest] = leaf
    for _ in range(rows):
        data = node.encode([link] * 174)
        blocks[sha256(data)] = data
        link = Link(Cid.dag(sha256(data)), link.size * 174, len(data) + 174 * link.tsize)
    return Reference(cid=str(link.cid), sha256="ff" * 32, size=link.size)


def of_size(size):
    return Reference(cid=str(Cid.raw(bytes(32))), sha256="00" * 32, size=size)


@pytest.fixture
def unread(federation):
    """A record of a store in which only the terms may be read."""
    return Record(federation.ledger(), OnlyTerms(federation), federation.task)


# --- what the terms allow


def test_weights_have_their_elements_and_a_header_of_at_most_8_mib(make_terms):
    terms = make_terms()
    elements = 4 * 4 + 2 * 4 + 8
    assert terms.weights_sizes == range(elements + 8, elements + 8 + weights.MAX_HEADER_BYTES + 1)
    assert terms.weights.size in terms.weights_sizes


@pytest.mark.parametrize("sites", [2, 5, 10])
def test_a_table_of_the_largest_game_and_the_worst_utilities_is_allowed(make_terms, sites):
    table = scoring.Table(dict.fromkeys(range(2**sites), -100 * MILLION))
    assert len(scoring.encode_table(table)) in Sizes.of(make_terms(budget=2**sites)).utilities


def test_every_blob_of_an_honest_round_is_allowed(found, momentum):
    federation = found(rule=momentum, scoring="shapley")
    manifest, sizes = federation.play().manifest, federation.record().sizes
    assert manifest.weights.size in sizes.weights
    assert manifest.state.size in sizes.state
    assert manifest.utilities.size in sizes.utilities
    assert federation.terms.scoring.validation.size in sizes.validation


def test_terms_allow_at_most_2_to_the_20_evaluations(make_terms):
    assert make_terms(budget=2**20).scoring.budget == 2**20
    with pytest.raises(ValidationError, match="budget"):
        make_terms(budget=2**20 + 1)
    written = make_terms(budget=2**20).encode()
    with pytest.raises(DocumentError, match=r"scoring\.budget"):
        Terms.decode(written.replace(b'"budget":1048576', b'"budget":1048577'))


# --- what is refused


@pytest.mark.parametrize("kind", ["weights", "state", "utilities", "validation"])
def test_a_blob_larger_than_its_kind_is_refused_unread(unread, kind):
    sizes = getattr(unread.sizes, kind)
    with pytest.raises(StoreError, match=f"would have {sizes.stop} bytes"):
        unread.blob(of_size(sizes.stop), sizes)


def test_weights_too_small_for_their_tensors_are_refused_unread(unread):
    """A model is built as large as the terms say: weights that are smaller are none of it."""
    sizes = unread.sizes.weights
    with pytest.raises(StoreError, match="the terms allow"):
        unread.blob(of_size(sizes.start - 1), sizes)


def test_a_blob_whose_kind_nobody_names_may_have_any_kind_s_size_and_no_more(federation, unread):
    reference = federation.terms.weights
    assert federation.record().blob(reference) == federation.record().blob(reference, unread.sizes.weights)
    with pytest.raises(StoreError, match="would have"):
        unread.blob(of_size(unread.sizes.any.stop))


@pytest.mark.parametrize("field", ["weights", "state", "utilities"])
def test_a_bomb_in_a_manifest_is_a_mismatch(found, field):
    federation = found(scoring="shapley")
    federation.begin()
    record = federation.record()
    round_ = record.round(1)
    honest = decide(record.facts(round_), federation.rule, federation.rounds().utility, record.read)
    manifest = honest.manifest.model_copy(update={field: bomb(federation.blocks)})
    put_bytes(federation.store, manifest.encode())
    receipts = tuple(event.receipt for event in round_.submissions)
    digest = bytes.fromhex(manifest.weights.sha256)
    federation.ledger(federation.operator).close_round(
        federation.task,
        1,
        Result(round_.opened.announcement, digest, manifest.id, honest.entries, receipts),
    )
    texts = [finding.text for finding in federation.verify() if finding.level is Level.MISMATCH]
    assert any("would have 5523923533824 bytes" in text for text in texts)


def test_a_round_on_a_bomb_fails(federation):
    """The announced base has the right digest and another blob behind its CID."""
    task = federation.ledger().task(federation.task)
    base = bomb(federation.blocks).model_copy(update={"sha256": task.weights.hex()})
    announcement = Announcement(
        chain_id=federation.ledger().chain_id,
        contract=federation.ledger().contract,
        task=federation.task,
        round=1,
        base=base,
        settings={},
        invited=None,
    )
    put_bytes(federation.store, announcement.encode())
    aggregator = federation.ledger(federation.operator)
    aggregator.open_round(federation.task, 1, task.weights, announcement.id)
    end = federation.rounds().finish()
    assert (end.closed, end.reason) == (False, "undecidable")
    assert federation.rounds().open().round == 2
