"""Rounds that ask only some: who is drawn, and when such a round is not even opened."""

from __future__ import annotations

import pytest
from liar import Liar

from aggregator.draw import draw
from aggregator.verifying.findings import mismatches
from fl.errors import Refused, UsageError
from fl.ledger.types import RoundOpened, Stage


@pytest.fixture
def four(found):
    """Four sites, of which two are enough."""
    return found(sites=4)


def members(federation):
    return {place: site.address for place, site in enumerate(federation.sites, 1)}


def invited(federation, announcement):
    asked = announcement.invited
    return [site for site in federation.sites if asked is None or site.address in asked]


def play(federation, count):
    """A whole round of those who are asked."""
    announcement = federation.rounds().open(count=count)
    for site in invited(federation, announcement):
        federation.submit(site, announcement)
    end = federation.rounds().finish()
    federation.rounds().settle_all()
    return end


def leave(federation, index):
    federation.ledger(federation.sites[index].account).leave_task(federation.task)


def join(federation, index):
    ledger = federation.ledger(federation.sites[index].account)
    ledger.join_task(federation.task, federation.terms.id, bytes(32))


def newest_block(federation):
    return federation.ledger().history(federation.task)[-1].at.block


def opened_rounds(federation):
    history = federation.ledger().history(federation.task)
    return [event.round for event in history if isinstance(event, RoundOpened)]


# --- who is asked


def test_a_round_asks_those_that_the_draw_names_and_says_at_which_block(four):
    block = newest_block(four)
    announcement = four.rounds().open(count=2)
    assert announcement.invited == draw(four.terms.id, 1, members(four), 2)
    assert announcement.drawn_at == block


@pytest.mark.parametrize("count", [None, 4])
def test_a_round_that_asks_all_draws_nothing(four, count):
    announcement = four.rounds().open(count=count)
    assert (announcement.invited, announcement.drawn_at) == (None, None)


def test_an_open_round_keeps_those_it_asked_whatever_a_restarted_aggregator_wants(four):
    first = four.rounds().open(count=2)
    assert four.rounds().open(count=3) == first


def test_a_member_that_joined_while_a_round_was_open_is_drawn_for_the_next_one(four):
    leave(four, 3)
    four.rounds().open(count=2)
    join(four, 3)
    four.rounds().finish()
    announcement = four.rounds().open(count=3)
    assert announcement.invited == draw(four.terms.id, 2, members(four), 3)


def test_a_member_that_left_and_joined_again_is_drawn_by_its_first_position(four):
    leave(four, 0)
    join(four, 0)
    assert four.rounds().open(count=2).invited == draw(four.terms.id, 1, members(four), 2)
    assert mismatches(four.verify()) == []


def test_a_removed_member_is_drawn_until_somebody_takes_its_seat_away(four):
    owner, gone = four.ledger(four.owner), four.sites[1].address
    owner.remove(gone)
    assert four.rounds().open(count=3).invited == draw(four.terms.id, 1, members(four), 3)
    four.rounds().finish()
    owner.unseat(four.task, gone)
    left = {place: member for place, member in members(four).items() if member != gone}
    assert four.rounds().open(count=2).invited == draw(four.terms.id, 2, left, 2)
    assert mismatches(four.verify()) == []


def test_a_drawn_member_that_leaves_before_the_opening_is_still_named_and_the_draw_still_right(four):
    def first_of_them_leaves(announcement, _record):
        leave(four, four.sites.index(invited(four, announcement)[0]))
        return {}

    rounds = four.rounds(kind=Liar)
    rounds.lie = first_of_them_leaves
    assert rounds.open(count=2).invited == draw(four.terms.id, 1, members(four), 2)
    four.rounds().finish()
    assert mismatches(four.verify()) == []


# --- what is not opened


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (5, "would ask 5 trainers, and 4 have a seat"),
        (1, "would ask 1 of 4 trainers, and it needs 2"),
        (0, "would ask 0 of 4"),
        (-1, "would ask -1 of 4"),
    ],
)
def test_more_than_there_are_and_fewer_than_the_quorum_are_refused_before_opening(four, count, words):
    with pytest.raises(UsageError, match=words):
        four.rounds().open(count=count)
    assert opened_rounds(four) == []


def test_too_few_seats_for_the_quorum_are_the_contract_s_to_refuse(four):
    for index in range(3):
        leave(four, index)
    with pytest.raises(Refused, match="NotEnoughTrainers"):
        four.rounds().open(count=1)


# --- what becomes of it


def test_a_sampled_round_ends_at_its_deadline_and_pays_those_who_were_asked(four):
    opened_at = four.now()
    end = play(four, 2)
    assert end.closed
    assert four.now() >= opened_at + four.terms.window
    asked = {line.trainer for line in end.lines}
    balances = {site.address: four.ledger().member(site.address).balance for site in four.sites}
    half = int(four.terms.reward) // 2
    assert balances == {address: half if address in asked else 0 for address in balances}


def test_sampled_rounds_and_rounds_of_all_follow_each_other_and_everybody_can_check_them(four):
    for count in (2, 3, 4, 2):
        assert play(four, count).closed
    assert [round_.stage for round_ in four.record().rounds] == [Stage.SETTLED] * 4
    assert mismatches(four.verify()) == []


def test_who_was_not_asked_and_comes_all_the_same_is_unrated_and_unpaid(four):
    announcement = four.rounds().open(count=2)
    for site in four.sites:
        four.submit(site, announcement)
    end = four.rounds().finish()
    four.rounds().settle_all()
    asked = [site.address for site in invited(four, announcement)]
    verdicts = {line.trainer: str(line.verdict) for line in end.lines}
    assert verdicts == {
        site.address: "accepted" if site.address in asked else "not_invited" for site in four.sites
    }
    for site in four.sites:
        member = four.ledger().member(site.address)
        paid = int(four.terms.reward) // 2 if site.address in asked else 0
        assert (member.balance, member.reputation) == (paid, 5625 if site.address in asked else 5000)
    assert mismatches(four.verify()) == []


# --- settings

RATE = {"name": "rate", "low": "float:0.001", "high": "float:0.1"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"momentum": 0.9}, "sets momentum to 'float:0.9', the terms do not name it"),
        ({"epochs": 6}, "sets epochs to 6, the terms say 5"),
        ({"rate": 0.2}, "sets rate to 'float:0.2', the terms want a number from 0.001 to 0.1"),
        ({"rate": True}, "the terms want a number"),
        ({"rate": b"0.1"}, "The setting 'rate' cannot be announced"),
        ({"rate": float("nan")}, "The setting 'rate' cannot be announced"),
        ({"notes": b"anything"}, "The setting 'notes' cannot be announced"),
        ({"notes": 2**53}, "The setting 'notes' cannot be announced"),
        ({"<b>": 1}, "sets <b> to 1, the terms do not name it"),
    ],
)
def test_settings_that_sites_would_refuse_are_refused_before_opening(found, settings, words):
    federation = found(training={"epochs": 5, "rate": "float:0.01"}, adjustable=(RATE, {"name": "notes"}))
    with pytest.raises(UsageError) as caught:
        federation.rounds().open(settings)
    assert words in caught.value.message
    assert opened_rounds(federation) == []


def test_the_refusal_says_where_a_setting_must_be_listed(federation):
    with pytest.raises(UsageError) as caught:
        federation.rounds().open({"momentum": 0.9})
    assert "`adjustable`" in caught.value.hint


def test_settings_within_their_bounds_are_right_in_every_round(found):
    federation = found(training={"rate": "float:0.01"}, adjustable=(RATE,))
    for rate in (0.1, 0.05, 0.001):
        announcement = federation.rounds().open({"rate": rate, "server-round": 1})
        federation.submit_all(announcement)
        assert federation.rounds().finish().closed
    assert mismatches(federation.verify()) == []
