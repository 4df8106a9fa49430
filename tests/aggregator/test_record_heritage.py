"""What a round inherits from every closed round before it, and what a lost manifest takes away."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from aggregator.heritage import heritages
from aggregator.record import Record
from fl.errors import BlobUnavailable, DocumentError
from fl.ledger.types import RoundClosed


class Counting:
    """A store that counts how often each blob is opened."""

    def __init__(self, inner):
        self._inner, self.opened = inner, Counter()

    def open(self, cid, limit):
        self.opened[cid] += 1
        return self._inner.open(cid, limit)


@pytest.fixture
def four(found, momentum):
    """Four closed rounds of a rule with a memory."""
    federation = found(rule=momentum)
    ends = [federation.play() for _ in range(4)]
    return federation, [end.manifest for end in ends]


def digests(*manifests):
    return {bytes.fromhex(line.weights) for manifest in manifests for line in manifest.submissions}


def lose(federation, manifest):
    return federation.blocks.pop(manifest.id)


def reset(federation, reference):
    owner = federation.ledger(federation.owner)
    owner.reset_weights(federation.task, bytes.fromhex(reference.sha256), bytes(32))


def test_each_round_inherits_from_those_before_it_and_from_no_later_one(four):
    federation, manifests = four
    record = federation.record()
    for number in range(1, 5):
        heritage, before = record.heritage(number), manifests[: number - 1]
        assert heritage.closed == len(before)
        assert set(heritage.earlier) == digests(*before)
        assert heritage.state == (before[-1].state if before else None)
        assert heritage.weights == (before[-1].weights if before else federation.terms.weights)
    assert set(record.heritage().earlier) == digests(*manifests)


def test_what_earlier_rounds_accepted_can_be_asked_for_counted_and_listed(four):
    federation, manifests = four
    earlier = federation.record().heritage(3).earlier
    assert all(digest in earlier for digest in digests(*manifests[:2]))
    assert not any(digest in earlier for digest in digests(*manifests[2:]))
    assert len(earlier) == len(list(earlier)) == len(digests(*manifests[:2]))


def test_all_heritages_together_read_each_manifest_once(four):
    federation, manifests = four
    store = Counting(federation.store)
    record = Record(federation.ledger(), store, federation.task)
    for until in (*range(1, 5), None):
        record.heritage(until)
    assert [store.opened[manifest.cid] for manifest in manifests] == [1] * 4


# --- a manifest that cannot be read


def test_after_a_lost_manifest_no_round_can_be_decided(four):
    """What it accepted is not known, so nobody can tell what is replayed."""
    federation, manifests = four
    lose(federation, manifests[1])
    record = federation.record()
    assert record.heritage(2).closed == 1
    for until in (3, 4, None):
        with pytest.raises(BlobUnavailable, match="The manifest of round 2 cannot be had"):
            record.heritage(until)
        assert record.inherited(until).lost == (2,)


def test_a_verifier_goes_on_with_what_is_left(four):
    federation, manifests = four
    lose(federation, manifests[1])
    record = federation.record()
    after = record.inherited(3)
    assert (after.weights, after.digest, after.forgotten) == (None, manifests[1].weights.sha256, True)
    later = record.inherited(4)
    assert (later.weights, later.state, later.closed) == (manifests[2].weights, manifests[2].state, 3)
    assert set(later.earlier) == digests(manifests[0], manifests[2])
    assert not later.forgotten


def test_a_manifest_that_is_none_is_as_lost_as_one_that_is_not_there(four):
    federation, manifests = four
    federation.blocks[manifests[3].id] = b"{}"
    record = federation.record()
    with pytest.raises(BlobUnavailable) as read:
        record.manifest(record.round(4))
    with pytest.raises(BlobUnavailable) as inherited:
        record.heritage()
    assert inherited.value.message == f"The manifest of round 4 cannot be had: {read.value.message}"
    assert "reset the weights" in inherited.value.hint


# --- a reset


def test_a_reset_forgets_what_was_accepted_and_remembered_and_counts_on(four):
    federation, manifests = four
    reset(federation, manifests[1].weights)
    heritage = federation.record().heritage()
    assert (heritage.weights, heritage.state, heritage.closed) == (manifests[1].weights, None, 4)
    assert (set(heritage.earlier), heritage.lost) == (set(), ())
    after = federation.play().manifest
    assert set(federation.record().heritage().earlier) == digests(after)


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_a_reset_is_the_way_back_whichever_manifest_is_lost(four, lost):
    """Hidden today and shown again tomorrow: what was decided after the reset does not depend on it."""
    federation, manifests = four
    hidden = lose(federation, manifests[lost])
    reset(federation, federation.terms.weights)
    closed = federation.play().manifest
    heritage = federation.record().heritage()
    assert (heritage.weights, heritage.closed) == (closed.weights, 5)
    federation.blocks[manifests[lost].id] = hidden
    assert federation.record().heritage() == heritage
    assert set(heritage.earlier) == digests(closed)


def test_a_reset_to_the_weights_in_force_loses_nothing_but_memory(four):
    """The model stays as it is: governance need not go back for a manifest that was lost on the way."""
    federation, manifests = four
    lose(federation, manifests[1])
    reset(federation, manifests[3].weights)
    assert federation.play().closed
    heritage = federation.record().heritage(5)
    assert (heritage.weights, heritage.state, heritage.closed) == (manifests[3].weights, None, 4)


def test_a_reset_to_the_weights_of_a_lost_manifest_leaves_them_unnamed(four):
    federation, manifests = four
    lose(federation, manifests[3])
    reset(federation, manifests[3].weights)
    heritage = federation.record().heritage()
    assert (heritage.weights, heritage.digest) == (None, manifests[3].weights.sha256)


def test_a_reset_to_weights_that_no_round_produced_leaves_no_base(four):
    federation, _ = four
    owner = federation.ledger(federation.owner)
    owner.reset_weights(federation.task, b"x" * 32, bytes(32))
    heritage = federation.record().heritage()
    assert (heritage.weights, heritage.digest) == (None, None)


# --- documents that disagree with the chain


def test_a_later_manifest_cannot_give_known_weights_another_place(four):
    """A liar closes on the initial weights' digest with a CID behind which there is nothing."""
    federation, manifests = four
    bogus = federation.terms.weights.model_copy(update={"cid": str(manifests[0].cid)})
    record = federation.record()
    closes = [event for event in record.history if isinstance(event, RoundClosed)]
    back = replace(closes[3], weights=bytes.fromhex(bogus.sha256))
    history = [back if event is closes[3] else event for event in record.history]

    def manifest(closed):
        read = record.manifest(record.round(closed.round))
        return read.model_copy(update={"weights": bogus}) if closed is back else read

    assert heritages(history, federation.terms.weights, manifest)[None].weights == federation.terms.weights


def test_a_manifest_of_other_weights_than_the_contract_was_told_names_no_base(four):
    federation, manifests = four
    record = federation.record()
    other = manifests[3].model_copy(update={"weights": manifests[0].weights})

    def manifest(closed):
        return other if closed.round == 4 else record.manifest(record.round(closed.round))

    heritage = heritages(record.history, federation.terms.weights, manifest)[None]
    assert (heritage.weights, heritage.digest) == (None, manifests[3].weights.sha256)


def test_facts_of_a_round_announced_on_another_base_are_refused(four):
    federation, _ = four
    record = federation.record()
    round_ = record.round(2)
    with pytest.raises(DocumentError, match="announced on other weights"):
        record.facts(replace(round_, opened=replace(round_.opened, weights=bytes(32))))
