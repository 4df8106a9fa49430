"""An aggregator that chooses who trains, or with what: in the second of three rounds, through the contract.

Four sites, two of which are enough. The round is closed and paid as it was announced; `fl verify` names it.
"""

from __future__ import annotations

import pytest
from audits import ELSEWHERE, named, wrong_in_round_2
from liar import Liar

from aggregator.draw import draw
from fl.canonical import encode_settings

RATE = {"name": "rate", "low": "float:0.001", "high": "float:0.1"}


@pytest.fixture
def federation(found):
    return found(sites=4, training={"rate": "float:0.01", "epochs": 5}, adjustable=(RATE,))


def drawn(record, count, block):
    seats = record.seating.seats(block, 2)
    return {"invited": draw(record.terms().id, 2, seats, count), "drawn_at": block}


def play(federation, lie, count=2):
    """Three rounds of two, the second of them announced as `lie` says; its mismatches."""
    sampled_round(federation, federation.rounds())
    federation.ledger(federation.sites[0].account).leave_task(federation.task)
    federation.ledger(federation.sites[0].account).join_task(federation.task, federation.terms.id, bytes(32))
    rounds = federation.rounds(kind=Liar)
    rounds.lie = lie
    sampled_round(federation, rounds, count)
    sampled_round(federation, federation.rounds())
    return wrong_in_round_2(federation)


def sampled_round(federation, rounds, count=2):
    announcement = rounds.open(count=count)
    for site in federation.sites:
        if announcement.invited is None or site.address in announcement.invited:
            federation.submit(site, announcement)
    rounds.finish()
    rounds.settle_all()


def ended(record):
    return record.round(1).closed.at.block


# --- whom it asks


def its_friends(right, record):
    seated = record.seating.seats(right.drawn_at, right.round).values()
    return {"invited": tuple(member for member in seated if member not in right.invited)}


def one_friend(right, record):
    return {"invited": (right.invited[0], its_friends(right, record)["invited"][0])}


def another_order(right, _record):
    return {"invited": right.invited[::-1]}


def one_twice(right, _record):
    return {"invited": (*right.invited, right.invited[0])}


def somebody_else(right, _record):
    return {"invited": (*right.invited, ELSEWHERE)}


def nobody(_right, _record):
    return {"invited": ()}


def only_one(right, record):
    """Drawn as it should be, but too few to close."""
    return drawn(record, 1, right.drawn_at)


def over_an_old_block(_right, record):
    return drawn(record, 2, ended(record) - 1)


def over_the_block_of_the_creation(_right, record):
    return drawn(record, 2, record.created.at.block)


def over_a_future_block(right, _record):
    return {"drawn_at": right.drawn_at + 1_000}


def over_a_block_that_another_draw_was_over(right, record):
    """That of the block before, in which the first site had no seat."""
    assert drawn(record, 2, right.drawn_at - 1)["invited"] != right.invited
    return {"drawn_at": right.drawn_at - 1}


LIES = {
    its_friends: "was drawn and is left out",
    one_friend: "was not drawn",
    another_order: "they are in another order",
    one_twice: "others are invited than were drawn",
    somebody_else: f"{ELSEWHERE} was not drawn",
    nobody: "invites 0, and a round needs 2 to close",
    only_one: "invites 1, and a round needs 2 to close",
    over_an_old_block: "could be drawn over",
    over_the_block_of_the_creation: "could be drawn over",
    over_a_future_block: "could be drawn over",
    over_a_block_that_another_draw_was_over: "others are invited than were drawn",
}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_an_invitation_that_is_not_the_draw_is_named(federation, lie):
    assert named(play(federation, lie), "announcement: ", LIES[lie])


def test_who_is_left_out_is_named_unless_fewer_would_have_been_drawn(federation):
    """How many are asked is the aggregator's choice; who they are is not."""

    def without_the_first_drawn(right, record):
        (first,) = drawn(record, 1, right.drawn_at)["invited"]
        return {"invited": tuple(one for one in right.invited if one != first)}

    assert named(play(federation, without_the_first_drawn, 3), "was drawn and is left out", "was not drawn")


# --- with what they train


def test_a_setting_out_of_bounds_is_named(federation):
    wrong = play(federation, lambda *_: {"settings": encode_settings({"rate": 0.5})})
    assert named(wrong, "sets rate to 'float:0.5', the terms want a number from 0.001 to 0.1")


def test_a_setting_that_is_not_adjustable_is_named(federation):
    wrong = play(federation, lambda *_: {"settings": encode_settings({"epochs": 6})})
    assert named(wrong, "sets epochs to 6, the terms say 5")
