"""Rounds over chain and store: opened, collected, closed or failed, settled."""

from __future__ import annotations

import pytest

from aggregator.types import Aggregate
from fl.canonical import sha256
from fl.documents import Announcement
from fl.errors import Refused, StoreError
from fl.ledger.types import Funded, RoundClosed, RoundFailed, RoundOpened, RoundSettled, Stage
from fl.store.port import read_bytes


def stage(federation, number):
    return federation.ledger().outcome(federation.task, number).stage


def events(federation, kind):
    return [event for event in federation.ledger().history(federation.task) if isinstance(event, kind)]


# --- opening


def test_opening_stores_the_announcement_and_puts_its_id_on_the_chain(found):
    federation = found(adjustable=({"name": "rate"},))
    announcement = federation.rounds().open({"rate": 0.5})
    [opened] = events(federation, RoundOpened)
    assert opened.announcement == announcement.id
    stored = read_bytes(federation.store, announcement.cid, 10_000)
    assert Announcement.decode(stored) == announcement
    assert announcement.settings == {"rate": "float:0.5"}
    assert (announcement.round, announcement.base) == (1, federation.terms.weights)


def test_opening_twice_is_opening_once(federation):
    first = federation.rounds().open({"server-round": 1})
    again = federation.rounds().open({"server-round": 2})
    assert again == first
    assert len(events(federation, RoundOpened)) == 1


def test_a_round_opens_on_the_weights_that_the_last_closed_round_left(federation):
    end = federation.play()
    announcement = federation.rounds().open()
    assert announcement.base == end.manifest.weights
    assert announcement.round == 2


def test_after_a_reset_to_weights_that_no_document_names_no_round_opens(federation):
    federation.ledger(federation.owner).reset_weights(federation.task, b"\7" * 32, bytes(32))
    with pytest.raises(StoreError, match="No document names"):
        federation.rounds().open()


# --- ending


def test_a_finished_round_is_closed_with_its_manifest(federation):
    federation.begin()
    end = federation.rounds().finish()
    [closed] = events(federation, RoundClosed)
    assert (end.round, end.closed, end.reason) == (1, True, "")
    assert closed.manifest == end.manifest.id
    assert closed.weights.hex() == end.manifest.weights.sha256
    assert federation.record().manifest(federation.record().round(1)) == end.manifest
    assert federation.ledger().task(federation.task).weights == closed.weights
    assert [line.verdict for line in end.lines] == ["accepted"] * 3


def test_every_blob_that_a_manifest_names_is_in_the_store(found, momentum):
    federation = found(rule=momentum, scoring="shapley")
    federation.begin()
    manifest = federation.rounds().finish().manifest
    for reference in (manifest.weights, manifest.utilities, manifest.state):
        assert sha256(federation.record().blob(reference)).hex() == reference.sha256


def test_a_round_in_which_somebody_is_missing_waits_for_its_deadline(federation):
    opened_at = federation.now()
    announcement = federation.rounds().open()
    for site in federation.sites[:2]:
        federation.submit(site, announcement)
    end = federation.rounds().finish()
    assert end.closed
    assert federation.now() == opened_at + federation.terms.window + 1


def test_a_round_in_which_everybody_submitted_does_not_wait(federation):
    opened_at = federation.now()
    federation.begin()
    federation.rounds().finish()
    assert federation.now() == opened_at


def test_a_round_below_its_quorum_fails_with_the_reason_on_the_chain(federation):
    announcement = federation.rounds().open()
    federation.submit(federation.sites[0], announcement)
    end = federation.rounds().finish()
    assert (end.closed, end.reason, end.manifest) == (False, "below_quorum", None)
    [failed] = events(federation, RoundFailed)
    assert failed.reason == b"below_quorum".ljust(32, b"\0")
    assert [line.verdict for line in end.lines] == ["accepted"]
    assert stage(federation, 1) is Stage.FAILED


def test_a_failed_round_leaves_the_weights_and_the_next_one_opens_on_them(federation):
    federation.rounds().open()
    federation.rounds().finish()
    assert federation.rounds().open().base == federation.terms.weights
    assert federation.ledger().task(federation.task).round == 2


def test_after_the_close_window_a_round_can_only_fail(federation):
    federation.begin()
    federation.chain.set_time(federation.now() + federation.terms.close_window + 1)
    end = federation.rounds().finish()
    assert (end.closed, end.reason) == (False, "close_window_missed")
    assert stage(federation, 1) is Stage.FAILED


def test_a_bad_update_does_not_keep_the_round_from_closing(federation):
    federation.begin({1: {"details": {"examples": 10**6}}})
    end = federation.rounds().finish()
    assert end.closed
    assert [line.verdict for line in end.lines] == ["accepted", "bad_claim", "accepted"]
    assert len(end.manifest.aggregated) == 2


# --- what is not served


def test_what_is_not_served_is_waited_for_until_three_quarters_of_the_close_window(federation):
    sealed_at = federation.now()
    federation.begin({1: {"withhold": ["receipt"]}})
    end = federation.rounds().finish()
    assert federation.now() == sealed_at + federation.terms.close_window * 3 // 4
    assert [line.verdict for line in end.lines] == ["accepted", "unavailable", "accepted"]
    assert end.manifest.submissions[1].quality == 0xFFFE


@pytest.mark.parametrize("part", ["receipt", "update", "details"])
def test_what_is_served_while_the_aggregator_waits_counts(federation, part):
    late = federation.begin({1: {"withhold": [part]}})[1]
    rounds, sealed_at = federation.rounds(), federation.now()

    def wait(until, done):
        federation.chain.set_time(sealed_at + 10)
        assert not done()
        late.put(federation.store)
        assert done()

    rounds.wait = lambda until, done: None if done() else wait(until, done)
    end = rounds.finish()
    assert [line.verdict for line in end.lines] == ["accepted"] * 3
    assert federation.now() == sealed_at + 10


def test_a_receipt_that_is_revealed_on_the_chain_while_the_aggregator_waits_counts(federation):
    late = federation.begin({1: {"withhold": ["receipt"]}})[1]
    rounds = federation.rounds()

    def wait(until, done):
        federation.ledger(federation.owner).reveal(federation.task, 1, late.trainer, late.receipt)
        federation.wait(until, done)

    rounds.wait = lambda until, done: None if done() else wait(until, done)
    assert [line.verdict for line in rounds.finish().lines] == ["accepted"] * 3


@pytest.mark.parametrize("close_window", range(2, 8))
def test_the_shortest_close_windows_leave_time_to_call_something_unavailable(found, close_window):
    federation = found(close_window=close_window)
    federation.begin({1: {"withhold": ["update"]}})
    assert federation.rounds().finish().closed


# --- settling


def test_a_closed_round_is_pending_until_its_delay_has_passed(federation):
    federation.begin()
    rounds = federation.rounds()
    rounds.finish()
    rounds.settle_due()
    assert [round_.number for round_ in rounds.pending()] == [1]
    federation.chain.set_time(federation.now() + federation.terms.settle_delay)
    rounds.settle_due()
    assert rounds.pending() == ()
    assert stage(federation, 1) is Stage.SETTLED


def test_settling_pays_shares_and_moves_reputation(federation):
    federation.play({1: {"details": {"examples": 0}}})
    members = [federation.ledger().member(site.address) for site in federation.sites]
    half = int(federation.terms.reward) // 2
    assert [member.balance for member in members] == [half, 0, half]
    assert [member.reputation for member in members] == [5625, 4375, 5625]


def test_settle_all_waits_for_every_round(federation):
    for _ in range(2):
        federation.begin()
        federation.rounds().finish()
    federation.rounds().settle_all()
    assert [event.round for event in events(federation, RoundSettled)] == [1, 2]


def test_anybody_s_rounds_can_settle(federation):
    federation.begin()
    federation.rounds().finish()
    outsider = federation.ledger(federation.sites[0].account)
    federation.rounds(ledger=outsider).settle_all()
    assert stage(federation, 1) is Stage.SETTLED


# --- what counts


def test_ended_rounds_are_the_closed_the_failed_and_the_void(federation):
    owner, rounds = federation.ledger(federation.owner), federation.rounds()
    assert rounds.ended() == 0
    federation.play()
    rounds.open()
    assert rounds.ended() == 1
    rounds.finish()  # nobody submitted
    rounds.open()
    owner.void_round(federation.task, 3, bytes(32))
    assert rounds.ended() == 3
    assert [round_.stage for round_ in rounds.record().rounds] == [
        Stage.SETTLED,
        Stage.FAILED,
        Stage.VOID,
    ]


def test_a_rule_sees_closed_rounds_only_and_voided_ones_among_them(found, momentum):
    federation = found(rule=momentum)
    federation.begin()
    first = federation.rounds().finish()
    federation.ledger(federation.owner).void_round(federation.task, 1, bytes(32))
    federation.rounds().open()
    federation.rounds().finish()  # nobody submitted: fails
    second = federation.play()
    assert (first.manifest.metrics, second.manifest.metrics) == ({"index": 1.0}, {"index": 2.0})
    assert second.round == 3
    assert second.manifest.base == first.manifest.weights.sha256


def test_a_rule_gets_its_state_back_from_the_last_closed_round(found):
    given = []

    def rule(base, updates, state, index):
        given.append(state)
        return Aggregate(
            {name: array + np_like(array, index) for name, array in base.items()}, {}, b"state %d" % index
        )

    federation = found(rule=rule)
    for _ in range(3):
        federation.play()
    assert given == [None, b"state 1", b"state 2"]


def np_like(array, value):
    return array.dtype.type(value)


def test_after_a_reset_the_rule_starts_without_memory_but_the_count_goes_on(found):
    given = []

    def rule(base, updates, state, index):
        given.append((state, index))
        return Aggregate(base, {}, b"state %d" % index)

    federation = found(rule=rule)
    federation.play()
    initial = bytes.fromhex(federation.terms.weights.sha256)
    federation.ledger(federation.owner).reset_weights(federation.task, initial, bytes(32))
    federation.play()
    federation.play()
    assert given == [(None, 1), (None, 2), (b"state 2", 3)]


def test_weights_can_be_reset_to_those_of_any_earlier_round(federation):
    first = federation.play()
    federation.play()
    federation.ledger(federation.owner).reset_weights(
        federation.task, bytes.fromhex(first.manifest.weights.sha256), bytes(32)
    )
    assert federation.rounds().open().base == first.manifest.weights


def test_an_update_that_an_earlier_round_accepted_is_replayed_even_when_that_round_was_voided(federation):
    old = federation.begin()[0]
    federation.rounds().finish()
    federation.ledger(federation.owner).void_round(federation.task, 1, bytes(32))
    federation.begin({1: {"data": old.weights}})
    assert federation.rounds().finish().lines[1].verdict == "replayed"


def test_an_update_that_any_earlier_round_accepted_is_replayed_not_only_the_last_one_s(federation):
    old = federation.begin()[0]
    federation.rounds().finish()
    federation.play()
    end = federation.play({1: {"data": old.weights}})
    assert [line.verdict for line in end.lines] == ["accepted", "replayed", "accepted"]


def test_an_update_that_an_earlier_round_refused_may_be_sent_again(federation):
    refused = federation.begin({1: {"details": {"examples": 0}}})[1]
    federation.rounds().finish()
    end = federation.play({1: {"data": refused.weights}})
    assert [line.verdict for line in end.lines] == ["accepted"] * 3


def test_the_pool_gets_back_what_a_failed_round_reserved(federation):
    [funded] = events(federation, Funded)
    federation.rounds().open()
    federation.rounds().finish()
    assert federation.ledger().task(federation.task).pool == funded.amount


def test_only_the_aggregator_can_finish_a_round(federation):
    federation.begin()
    outsider = federation.ledger(federation.sites[0].account)
    with pytest.raises(Refused, match="NotAggregator"):
        federation.rounds(ledger=outsider).finish()
