"""The draw: whoever reads the chain gets the same trainers, and nobody had a say in it."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import ANNOUNCEMENT

from aggregator.draw import Seating, differences, draw
from fl.canonical import sha256
from fl.ledger.types import (
    Funded,
    Joined,
    Left,
    Position,
    RoundClosed,
    RoundFailed,
    RoundOpened,
    RoundVoided,
    TaskCreated,
    TaskParams,
    WeightsReset,
)

TERMS = sha256(b"terms")
NAMES = ("ada", "bert", "cleo", "dora", "emil")
SEATS = dict(enumerate(NAMES, 1))


def at(block, index=0):
    return Position(block, index, 1_000 + block, b"")


def created(block=1):
    return TaskCreated(at(block), 1, None)


def joined(block, member, since=1, index=0):
    return Joined(at(block, index), 1, member, TERMS, b"", since)


def left(block, member, index=0):
    return Left(at(block, index), 1, member, member)


def seats(*events, block=99, round_=1):
    return Seating((created(), *events)).seats(block, round_)


# --- who has a seat


def test_positions_count_first_joins_from_1():
    events = [joined(block, name) for block, name in enumerate(NAMES, 2)]
    assert seats(*events) == dict(enumerate(NAMES, 1))


def test_who_left_has_no_seat_and_the_others_keep_their_positions():
    events = [joined(2, "ada"), joined(3, "bert"), left(4, "ada"), joined(5, "cleo")]
    assert seats(*events) == {2: "bert", 3: "cleo"}


def test_who_left_and_joined_again_keeps_its_position():
    events = [joined(2, "ada"), joined(3, "bert"), left(4, "ada"), joined(5, "ada")]
    assert seats(*events) == {1: "ada", 2: "bert"}


def test_what_happened_after_the_block_does_not_count():
    events = [joined(2, "ada"), joined(3, "bert"), left(4, "ada"), joined(5, "cleo")]
    assert seats(*events, block=3) == {1: "ada", 2: "bert"}
    assert seats(*events, block=1) == {}


def test_all_events_of_the_block_count():
    events = [
        joined(2, "ada"),
        joined(3, "bert", index=1),
        left(3, "ada", index=2),
        joined(3, "cleo", index=3),
    ]
    assert seats(*events, block=3) == {2: "bert", 3: "cleo"}


def test_who_joined_for_a_later_round_has_no_seat_yet():
    events = [joined(2, "ada"), joined(3, "bert", since=2)]
    assert seats(*events, round_=1) == {1: "ada"}
    assert seats(*events, round_=2) == {1: "ada", 2: "bert"}


def test_who_left_and_joined_again_during_a_round_has_no_seat_in_it():
    events = [joined(2, "ada"), left(3, "ada"), joined(3, "ada", since=2, index=1)]
    assert seats(*events, round_=1) == {}


OTHER_EVENTS = [
    Funded(at(3), 1, "ada", 5),
    RoundOpened(at(4), 1, 1, b"", b"", 0, 2),
    RoundClosed(at(5), 1, 1, b"", b"", 0, ()),
    WeightsReset(at(6), 1, b"", b""),
]


@given(st.data())
def test_other_events_change_nothing_wherever_they_stand(data):
    events = [joined(2, "ada"), joined(3, "bert"), left(4, "ada"), joined(5, "cleo"), joined(6, "ada")]
    block = data.draw(st.integers(1, 7))
    others = data.draw(st.permutations(OTHER_EVENTS))
    mixed = sorted([*others, *events], key=lambda event: event.at.block)  # stable: others in any order
    assert seats(*mixed, block=block) == seats(*events, block=block)


# --- when a round may be drawn

ENDS = [
    RoundClosed(at(5), 1, 1, b"", b"", 0, ()),
    RoundFailed(at(5), 1, 1, b"", "ada"),
    RoundVoided(at(5), 1, 1, b""),
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_a_round_is_drawn_from_the_end_of_the_one_before(end):
    assert Seating((created(), end)).earliest(2) == 5


def test_the_first_round_is_drawn_from_the_task_s_creation():
    assert Seating((created(3), *ENDS)).earliest(1) == 3


def test_a_round_that_is_voided_after_its_close_had_ended_before():
    assert Seating((created(), ENDS[0], RoundVoided(at(9), 1, 1, b""))).earliest(2) == 5


# --- what a verifier says

OPENED = RoundOpened(at(9), 1, 2, b"", b"", 0, 2)
TASK = TaskParams(TERMS, b"", "", "", 1, 1, 1, 2, 0)
HISTORY = (created(), *(joined(2, name, index=place) for place, name in enumerate(NAMES)), ENDS[0], OPENED)


def said(block, invited=None, history=HISTORY):
    right = draw(TERMS, 2, Seating(history).seats(block, 2), 2)
    announced = ANNOUNCEMENT.model_copy(update={"invited": invited or right, "drawn_at": block})
    return list(differences(announced, OPENED, Seating(history), TASK))


@pytest.mark.parametrize("block", [5, 7, 9])
def test_any_block_from_the_end_of_the_round_before_to_the_opening_may_be_drawn_over(block):
    assert said(block) == []


@pytest.mark.parametrize("block", [0, 4, 10, 2**53 - 1])
def test_an_earlier_and_a_later_block_are_named_with_those_that_are_right(block):
    assert said(block)[0] == f"drawn over block {block}, and only blocks 5 to 9 could be drawn over"


def test_who_joined_in_the_block_of_the_opening_after_it_is_not_drawn():
    late = joined(9, "zoe", since=3, index=1)
    assert said(9, history=(*HISTORY, late)) == said(9)


def test_everybody_left_out_and_everybody_added_is_named():
    (difference,) = said(5, invited=("nobody", "nobody"))
    right = draw(TERMS, 2, SEATS, 2)
    assert all(f"{name} was drawn and is left out" in difference for name in right)
    assert difference.count("nobody was not drawn") == 1


def test_another_order_is_named():
    (difference,) = said(5, invited=draw(TERMS, 2, SEATS, 2)[::-1])
    assert difference.endswith("they are in another order")


# --- the draw


def test_the_draw_is_the_one_of_the_protocol():
    def rank(position):
        return hashlib.sha256(TERMS + (7).to_bytes(32, "big") + position.to_bytes(32, "big")).digest()

    lowest = sorted(sorted(SEATS, key=rank)[:2])
    assert draw(TERMS, 7, SEATS, 2) == tuple(SEATS[position] for position in lowest)
    assert draw(TERMS, 7, SEATS, 2) == ("ada", "emil")


DRAWS = {
    "terms_id": st.binary(min_size=32, max_size=32),
    "round_": st.integers(1, 2**32 - 1),
    "positions": st.sets(st.integers(1, 512), min_size=1, max_size=20),
    "count": st.integers(1, 20),
}


@given(**DRAWS)
def test_as_many_as_asked_are_drawn_each_once_in_the_order_of_their_positions(
    terms_id, round_, positions, count
):
    seated = {position: f"member {position}" for position in positions}
    drawn = draw(terms_id, round_, seated, count)
    assert len(drawn) == min(count, len(seated))
    assert list(drawn) == [seated[position] for position in sorted(positions) if seated[position] in drawn]


@given(random=st.randoms(use_true_random=False), **DRAWS)
def test_the_draw_depends_on_terms_round_and_seats_alone(random, terms_id, round_, positions, count):
    """Not on the order in which seats are known, and who sits on a position is drawn as anybody would be."""
    shuffled = random.sample(sorted(positions), len(positions))
    first = draw(terms_id, round_, {position: f"ada {position}" for position in positions}, count)
    again = draw(terms_id, round_, {position: f"bert {position}" for position in shuffled}, count)
    assert [name.replace("ada", "bert") for name in first] == list(again)


@given(**DRAWS)
def test_asking_one_more_adds_one_and_keeps_the_others(terms_id, round_, positions, count):
    seated = {position: position for position in positions}
    fewer, more = (set(draw(terms_id, round_, seated, number)) for number in (count, count + 1))
    assert fewer <= more


@given(**DRAWS)
def test_who_leaves_changes_nobody_else_s_luck(terms_id, round_, positions, count):
    """But for its own place, if it was drawn: the ranks of the others stay."""
    seated = {position: position for position in positions}
    drawn = set(draw(terms_id, round_, seated, count))
    leaving = max(positions)
    after = set(draw(terms_id, round_, {one: one for one in positions if one != leaving}, count))
    assert drawn - {leaving} <= after


ROUNDS = 3_000


@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_seat_and_every_pair_is_drawn_equally_often(count):
    """Fixed numbers: each frequency lies within 4 standard deviations of a fair draw's."""
    drawn = [draw(TERMS, round_, SEATS, count) for round_ in range(1, ROUNDS + 1)]
    singles = Counter(name for names in drawn for name in names)
    pairs = Counter((a, b) for names in drawn for a in names for b in names if a < b)
    check_fair(singles, len(SEATS), count / len(SEATS))
    if count > 1:
        check_fair(pairs, comb(len(SEATS), 2), comb(count, 2) / comb(len(SEATS), 2))


def check_fair(counted, kinds, chance):
    deviation = (ROUNDS * chance * (1 - chance)) ** 0.5
    assert len(counted) == kinds
    assert all(abs(times - ROUNDS * chance) < 4 * deviation for times in counted.values())


def test_a_round_says_nothing_about_the_next():
    """Whoever was drawn is drawn again as often as anybody: no turns are kept."""
    drawn = [set(draw(TERMS, round_, SEATS, 2)) for round_ in range(1, ROUNDS + 1)]
    again = sum(len(before & after) for before, after in pairwise(drawn))
    assert abs(again - 0.8 * ROUNDS) < 4 * (0.36 * ROUNDS) ** 0.5  # hypergeometric: mean 0.8, variance 0.36
