"""The ledger port, on every ledger: opening, submitting, revealing and closing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fl.ledger import digests, signing
from fl.ledger.types import UNAVAILABLE, UNRATED, Entry, Outcome, Stage

# --- opening


def open_as(world, who, task, round_=1, base=None):
    base = base or world.digest("initial weights")
    return getattr(world, who).open_round(task, round_, base, world.digest(f"announcement {round_}"))


def test_only_the_aggregator_opens_a_round(world, refused):
    task = world.seated("ada")
    for who in ("owner", "sponsor", "ada"):
        with refused("NotAggregator"):
            open_as(world, who, task)
    with refused("NotAggregator"):
        open_as(world, "aggregator", task + 1)


def test_a_round_opens_only_as_the_next_one_on_the_weights_in_force(world, refused):
    task = world.seated("ada")
    for wrong in (0, 2):
        with refused("WrongRound"):
            open_as(world, "aggregator", task, wrong)
    with refused("WrongBase"):
        open_as(world, "aggregator", task, base=world.digest("other weights"))
    open_as(world, "aggregator", task)
    with refused("StillOpen"):
        open_as(world, "aggregator", task, 2)


def test_a_round_needs_as_many_trainers_as_its_quorum(world, refused):
    with refused("NotEnoughTrainers"):
        world.open(world.seated("ada", quorum=2))


def test_a_round_needs_its_whole_reward_in_the_pool(world, refused):
    with refused("NotFunded"):
        world.open(world.seated("ada", funds=999))


def test_opening_reserves_the_reward_and_says_who_is_expected_until_when(world):
    task = world.seated("ada", "bert")
    world.wait(5)
    world.open(task)
    known = world.nobody.task(task)
    assert (known.round, known.open, known.expected, known.submitted) == (1, True, 2, 0)
    assert (known.pool, known.deadline) == (4_000, world.last(task).time + world.window)
    assert known.opened_at > known.created_at
    announcement = world.digest("announcement 1")
    seed = digests.seed(world.nobody.chain_id, world.nobody.contract, task, 1, announcement)
    assert known.accumulator == seed


# --- submitting


def test_an_update_is_submitted_only_to_the_open_round(world, refused):
    task = world.seated("ada")
    with refused("NotOpen"):
        world.submit(task, 1, "ada")
    round_ = world.open(task)
    for wrong in (round_ - 1, round_ + 1):
        with refused("WrongRound"):
            world.submit(task, wrong, "ada")


def test_only_an_expected_trainer_submits_and_only_once(world, refused):
    task = world.seated("ada", "bert")
    round_ = world.open(task)
    with refused("NotAdmitted"):
        world.submit(task, round_, "stranger")
    world.admit("cleo")
    with refused("NotJoined"):
        world.submit(task, round_, "cleo")
    world.join(task, "cleo")
    with refused("NotExpected"):
        world.submit(task, round_, "cleo")
    world.submit(task, round_, "ada")
    with refused("AlreadySubmitted"):
        world.submit(task, round_, "ada")
    world.owner.remove(world.address("bert"))
    with refused("NotAdmitted"):
        world.submit(task, round_, "bert")


def test_who_left_and_joined_again_is_expected_only_later(world, refused):
    task = world.seated("ada", "bert")
    round_ = world.open(task)
    world.ada.leave_task(task)
    world.join(task, "ada")
    with refused("NotExpected"):
        world.submit(task, round_, "ada")
    assert world.nobody.task(task).expected == 1


def test_the_deadline_itself_is_in_time_and_a_second_later_is_late(world, refused):
    task = world.seated("ada", "bert")
    round_ = world.open(task)
    deadline = world.nobody.task(task).deadline
    world.at(deadline)
    world.submit(task, round_, "ada")
    world.at(deadline + 1)
    with refused("Late"):
        world.submit(task, round_, "bert")


def test_submissions_are_folded_in_order_and_the_last_one_seals(world, refused):
    task = world.seated("ada", "bert")
    round_ = world.open(task)
    start = world.nobody.task(task).accumulator
    world.submit(task, round_, "bert")
    assert not world.nobody.task(task).sealed(world.nobody.now())
    world.wait(10)
    world.submit(task, round_, "ada")
    known = world.nobody.task(task)
    folded = [(world.address(name), world.digest(f"receipt 1 of {name}")) for name in ("bert", "ada")]
    assert known.accumulator == digests.accumulate(start, folded)
    assert (known.submitted, known.deadline) == (2, world.last(task).time)
    assert known.sealed(world.nobody.now())


# --- relaying


def relay(world, task, round_, receipt, signature, trainer="ada"):
    return world.stranger.submit_update_for(world.address(trainer), task, round_, receipt, signature)


def test_a_relayed_update_needs_the_trainers_signature_over_exactly_it(world, refused):
    task = world.seated("ada", "bert")
    round_, receipt = world.open(task), world.digest("receipt")
    good = world.ada.sign_submission(task, round_, receipt)
    for signature in (
        world.bert.sign_submission(task, round_, receipt),
        world.ada.sign_submission(task, round_ + 1, receipt),
        world.ada.sign_submission(task, round_, world.digest("another")),
        good[:64],
        good + b"\0",
        good[:64] + b"\x02",
        bytes(65),
    ):
        with refused("BadSignature"):
            relay(world, task, round_, receipt, signature)
    with refused("BadSignature"):
        relay(world, task, round_, receipt, good, trainer="bert")


def test_a_signature_is_for_the_trainer_that_it_names(world, refused):
    task = world.seated("ada", "bert")
    round_, receipt = world.open(task), world.digest("receipt")
    view = world.nobody

    def naming(trainer):
        update = view.chain_id, view.contract, world.address(trainer), task, round_, receipt
        return signing.sign(signing.submission(*update), world.key("ada"))

    with refused("BadSignature"):
        relay(world, task, round_, receipt, naming("bert"))
    assert naming("ada") == world.ada.sign_submission(task, round_, receipt)
    relay(world, task, round_, receipt, naming("ada"))


def test_the_mirror_image_of_a_good_signature_is_refused(world, refused):
    task = world.seated("ada")
    round_, receipt = world.open(task), world.digest("receipt")
    good = world.ada.sign_submission(task, round_, receipt)
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = order - int.from_bytes(good[32:64], "big")
    with refused("BadSignature"):
        relay(world, task, round_, receipt, good[:32] + s.to_bytes(32, "big") + bytes([55 - good[64]]))


def test_anyone_relays_a_signed_update_once(world, refused):
    task = world.seated("ada", "bert")
    round_, receipt = world.open(task), world.digest("receipt")
    signature = world.ada.sign_submission(task, round_, receipt)
    relay(world, task, round_, receipt, signature)
    assert world.nobody.seat(task, world.address("ada")).last == round_
    with refused("AlreadySubmitted"):
        relay(world, task, round_, receipt, signature)


# --- revealing


def test_a_receipt_is_revealed_only_of_a_sealed_round_that_was_opened(world, refused):
    task = world.seated("ada", "bert")
    receipt = b'{"type": "receipt"}'
    for never_opened in (0, 1):
        with refused("WrongRound"):
            world.stranger.reveal(task, never_opened, world.address("ada"), receipt)
    round_ = world.open(task)
    world.submit(task, round_, "ada")
    with refused("TooEarly"):
        world.ada.reveal(task, round_, world.address("ada"), receipt)
    world.at(world.nobody.task(task).deadline + 1)
    world.ada.reveal(task, round_, world.address("ada"), receipt)
    assert world.nobody.history(task)[-1].receipt == receipt


# --- closing


def test_only_the_aggregator_closes_and_only_the_open_round_once_sealed(world, refused):
    task = world.seated("ada", "bert")
    empty = world.result(task, 1)
    with refused("NotAggregator"):
        world.owner.close_round(task, 1, empty)
    with refused("NotOpen"):
        world.aggregator.close_round(task, 1, empty)
    round_ = world.open(task)
    with refused("WrongRound"):
        world.aggregator.close_round(task, round_ + 1, empty)
    with refused("TooEarly"):
        world.aggregator.close_round(task, round_, empty)


def test_the_close_window_ends_with_its_last_second(world, refused):
    task, round_ = world.sealed("ada")
    result = world.result(task, round_)
    world.at(world.nobody.task(task).deadline + world.close_window + 1)
    with refused("Late"):
        world.aggregator.close_round(task, round_, result)


def test_the_last_second_of_the_close_window_is_in_time(world):
    task, round_ = world.sealed("ada")
    world.at(world.nobody.task(task).deadline + world.close_window)
    assert world.close(task, round_).round == round_


def test_a_result_names_exactly_the_submissions_in_their_order(world, refused):
    task, round_ = world.sealed("ada", "bert")
    good = world.result(task, round_)
    stranger = Entry(world.address("stranger"), 1, 10_000)
    for wrong in (
        replace(good, entries=good.entries[:1], receipts=good.receipts[:1]),
        replace(good, receipts=good.receipts[:1]),
        replace(good, entries=good.entries[::-1], receipts=good.receipts[::-1]),
        replace(good, entries=(*good.entries, stranger), receipts=(*good.receipts, bytes(32))),
        replace(good, entries=(good.entries[0], stranger)),
        replace(good, announcement=world.digest("another announcement")),
    ):
        with refused("Incomplete"):
            world.aggregator.close_round(task, round_, wrong)
    world.aggregator.close_round(task, round_, good)


@pytest.mark.parametrize("mark", [(0, 9_999), (0, 1), (0, 0xFFFD), (1, 0), (1, UNRATED)])
def test_an_entry_has_a_known_quality_and_a_share_only_if_accepted(world, refused, mark):
    task, round_ = world.sealed("ada", "bert")
    with refused("BadEntry", 1):
        world.close(task, round_, bert=mark)


def test_a_round_closes_only_with_enough_accepted_and_with_weights(world, refused):
    task, round_ = world.sealed("ada", "bert", quorum=2)
    with refused("BelowQuorum"):
        world.close(task, round_, bert=(0, 0))
    with refused("BadParams"):
        world.aggregator.close_round(task, round_, replace(world.result(task, round_), weights=bytes(32)))


def test_nobody_is_unavailable_before_half_the_close_window(world, refused):
    task, round_ = world.sealed("ada", "bert")
    half = world.nobody.task(task).deadline + world.close_window // 2
    world.at(half)
    with refused("UnavailableTooEarly"):
        world.close(task, round_, bert=(0, UNAVAILABLE))
    world.at(half + 1)
    world.close(task, round_, bert=(0, UNAVAILABLE))


def test_closing_puts_the_weights_in_force_and_keeps_a_digest_of_the_result(world, refused):
    task, round_ = world.sealed("ada", "bert")
    world.wait(9)
    closed = world.close(task, round_, ada=(3, 10_000))
    assert closed.settle_after == closed.at.time + world.settle_delay
    known = world.nobody.task(task)
    assert (known.weights, known.open, known.pool) == (world.digest("weights 1"), False, 4_000)
    digest = digests.outcome_digest(closed.settle_after, closed.entries)
    assert world.nobody.outcome(task, round_) == Outcome(Stage.PENDING, digest)
    with refused("NotOpen"):
        world.aggregator.close_round(task, round_, world.result(task, round_))
