"""What a round inherits from every closed round before it, and what a lost manifest takes away."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from aggregator.record import Record
from fl.errors import BlobUnavailable, DocumentError


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


def test_a_lost_manifest_stops_the_next_round_only(four):
    federation, manifests = four
    lose(federation, manifests[1])
    record = federation.record()
    assert record.heritage(2).closed == 1
    with pytest.raises(BlobUnavailable):
        record.heritage(3)
    after = record.heritage(4)
    assert (after.weights, after.state, after.closed) == (manifests[2].weights, manifests[2].state, 3)
    assert set(after.earlier) == digests(manifests[0], manifests[2])
    assert after.lost == (manifests[1].id,)


def test_a_manifest_that_is_none_stops_the_next_round_with_the_same_words_as_reading_it(four):
    federation, manifests = four
    federation.blocks[manifests[3].id] = b"{}"
    record = federation.record()
    with pytest.raises(BlobUnavailable) as read:
        record.manifest(record.round(4))
    with pytest.raises(BlobUnavailable) as inherited:
        record.heritage()
    assert inherited.value.message == read.value.message


def test_after_a_reset_a_lost_manifest_counts_and_nothing_of_it_is_known(four):
    federation, manifests = four
    lose(federation, manifests[3])
    reset(federation, federation.terms.weights)
    heritage = federation.record().heritage()
    assert (heritage.weights, heritage.state, heritage.closed) == (federation.terms.weights, None, 4)
    assert set(heritage.earlier) == digests(*manifests[:3])
    assert heritage.lost == ()


def test_a_reset_to_the_weights_of_a_lost_manifest_leaves_them_unnamed(four):
    federation, manifests = four
    lose(federation, manifests[3])
    reset(federation, manifests[3].weights)
    assert federation.record().heritage().weights is None


def test_a_later_manifest_cannot_give_known_weights_another_place(four, monkeypatch):
    """A liar closes on the initial weights' digest with a CID behind which there is nothing."""
    federation, manifests = four
    bogus = federation.terms.weights.model_copy(update={"cid": str(manifests[0].cid)})
    record = federation.record()
    read = record.manifest
    monkeypatch.setattr(
        record,
        "manifest",
        lambda round_: read(round_).model_copy(update={"weights": bogus} if round_.number == 4 else {}),
    )
    assert record.heritage().weights == federation.terms.weights


def test_facts_of_a_round_announced_on_another_base_are_refused(four):
    federation, _ = four
    record = federation.record()
    round_ = record.round(2)
    with pytest.raises(DocumentError, match="announced on other weights"):
        record.facts(replace(round_, opened=replace(round_.opened, weights=bytes(32))))
