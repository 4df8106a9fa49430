"""The ledger port: tasks, their money, and who takes part."""

from __future__ import annotations

import pytest

from fl.ledger.types import Address, Outcome, Seat, Stage

NOBODY = Address("0x" + "00" * 20)


# --- creating


def test_only_the_owner_governs_tasks(world, refused):
    task, stranger = world.create(), world.address("stranger")
    for call in (
        lambda: world.stranger.create_task(world.params()),
        lambda: world.stranger.set_aggregator(task, stranger),
        lambda: world.stranger.reset_weights(task, world.digest("w"), bytes(32)),
        lambda: world.stranger.void_round(task, 1, bytes(32)),
        lambda: world.stranger.set_paused(True),
    ):
        with refused("OwnableUnauthorizedAccount", stranger):
            call()


@pytest.mark.parametrize(
    "changes",
    [
        {"terms": bytes(32)},
        {"weights": bytes(32)},
        {"quorum": 0},
        {"quorum": 513},
        {"window": 0},
        {"close_window": 1},
        {"sponsor": NOBODY},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_task_without_sensible_parameters_is_refused(world, refused, changes):
    with refused("BadParams"):
        world.owner.create_task(world.params(**changes))
    assert world.nobody.task_count() == 0


def test_the_federation_cannot_sponsor_itself(world, refused):
    with refused("BadParams"):
        world.owner.create_task(world.params(sponsor=world.nobody.contract))


def test_tasks_are_numbered_from_one_and_hold_what_they_were_created_with(world):
    first, second = world.create(funds=0), world.create(funds=0, reward=7, settle_delay=0)
    assert (first, second, world.nobody.task_count()) == (1, 2, 2)
    task = world.nobody.task(second)
    params = world.params(reward=7, settle_delay=0)
    assert {name: getattr(task, name) for name in vars(params)} == vars(params)
    assert (task.round, task.joined, task.pool, task.open, task.ended) == (0, 0, 0, False, False)
    assert world.nobody.task(first).created_at < task.created_at


def test_a_number_never_given_out_is_unknown_to_every_call(world, refused):
    world.admit("ada")
    for call in (
        lambda: world.nobody.task(1),
        lambda: world.nobody.history(1),
        lambda: world.owner.set_aggregator(1, world.address("ada")),
        lambda: world.owner.reset_weights(1, world.digest("w"), bytes(32)),
        lambda: world.owner.void_round(1, 1, bytes(32)),
        lambda: world.owner.end_task(1),
        lambda: world.sponsor.fund(1, 1),
        lambda: world.sponsor.defund(1),
        lambda: world.ada.join_task(1, world.digest("terms"), bytes(32)),
    ):
        with refused("UnknownTask"):
            call()


def test_another_aggregator_takes_over_an_open_round(world, refused):
    task, round_ = world.sealed("ada")
    world.owner.set_aggregator(task, world.address("cleo"))
    result = world.result(task, round_)
    with refused("NotAggregator"):
        world.aggregator.close_round(task, round_, result)
    world.cleo.close_round(task, round_, result)
    assert world.nobody.outcome(task, round_).stage is Stage.PENDING


# --- pausing and ending


def test_a_pause_stops_new_rounds_joins_and_tasks_and_nothing_else(world, refused):
    task, round_ = world.sealed("ada")
    world.admit("bert")
    world.owner.set_paused(True)
    assert world.nobody.paused()
    weights = world.nobody.task(task).weights
    for call in (
        lambda: world.owner.create_task(world.params()),
        lambda: world.join(task, "bert"),
        lambda: world.aggregator.open_round(task, 2, weights, bytes(32)),
    ):
        with refused("IsPaused"):
            call()
    world.settle(world.close(task, round_))
    world.stranger.withdraw(world.address("ada"))
    world.ada.leave_task(task)
    world.owner.set_paused(False)
    world.join(task, "bert")


def test_only_owner_and_sponsor_end_a_task_and_only_once(world, refused):
    task = world.create()
    with refused("NotSponsor"):
        world.aggregator.end_task(task)
    world.sponsor.end_task(task)
    assert world.nobody.task(task).ended
    with refused("TaskHasEnded"):
        world.owner.end_task(task)


def test_an_ended_task_takes_no_money_no_members_and_no_rounds(world, refused):
    task = world.seated("ada")
    world.admit("bert")
    world.owner.end_task(task)
    weights = world.nobody.task(task).weights
    for call in (
        lambda: world.sponsor.fund(task, 1),
        lambda: world.join(task, "bert"),
        lambda: world.aggregator.open_round(task, 1, weights, bytes(32)),
    ):
        with refused("TaskHasEnded"):
            call()


def test_weights_are_reset_only_while_no_round_is_open_and_never_to_nothing(world, refused):
    task = world.seated("ada")
    world.open(task)
    with refused("StillOpen"):
        world.owner.reset_weights(task, world.digest("w"), bytes(32))
    world.owner.void_round(task, 1, bytes(32))
    with refused("BadParams"):
        world.owner.reset_weights(task, bytes(32), bytes(32))
    world.owner.reset_weights(task, world.digest("w"), world.digest("why"))
    assert world.nobody.task(task).weights == world.digest("w")


# --- money


def test_funding_takes_no_more_than_was_allowed(world, refused):
    task, federation = world.create(funds=0), world.nobody.contract
    with refused("ERC20InsufficientAllowance", federation, 0, 1):
        world.stranger.fund(task, 1)
    world.sponsor.approve(100)
    with refused("ERC20InsufficientAllowance", federation, 100, 101):
        world.sponsor.fund(task, 101)


def test_funding_takes_no_more_than_there_is(world, refused):
    task = world.create(funds=0)
    world.stranger.approve(2**256 - 1)
    with refused("ERC20InsufficientBalance", world.address("stranger"), 0, 5):
        world.stranger.fund(task, 5)


def test_anyone_funds_a_pool_and_the_allowance_shrinks(world, refused):
    task = world.create(funds=0)
    world.sponsor.approve(500)
    world.sponsor.fund(task, 300)
    assert world.nobody.task(task).pool == 300
    assert world.nobody.token_balance(world.nobody.contract) == 300
    assert world.nobody.token_balance(world.address("sponsor")) == 9_700
    with refused("ERC20InsufficientAllowance", world.nobody.contract, 200, 201):
        world.sponsor.fund(task, 201)


def test_an_unlimited_allowance_is_never_used_up(world):
    task = world.create(funds=0)
    world.sponsor.approve(2**256 - 1)
    world.sponsor.fund(task, 10_000)
    assert world.nobody.task(task).pool == 10_000


def test_a_pool_is_given_back_only_after_the_end_and_only_if_there_is_one(world, refused):
    task = world.create(funds=0)
    with refused("NotEnded"):
        world.sponsor.defund(task)
    world.sponsor.end_task(task)
    with refused("NothingToPay"):
        world.sponsor.defund(task)


def test_what_is_left_of_a_pool_goes_to_the_sponsor_whoever_asks(world):
    task = world.create(funds=4_000)
    world.owner.end_task(task)
    world.stranger.defund(task)
    assert world.nobody.token_balance(world.address("sponsor")) == 10_000
    assert world.nobody.task(task).pool == 0


# --- taking part


def test_only_a_member_that_names_the_tasks_own_terms_joins(world, refused):
    task = world.create()
    with refused("WrongTerms"):
        world.ada.join_task(task, world.digest("other terms"), bytes(32))
    with refused("NotAdmitted"):
        world.join(task, "ada")
    world.admit("ada")
    world.join(task, "ada")
    with refused("AlreadyJoined"):
        world.join(task, "ada")


def test_a_member_that_joins_is_expected_from_the_next_round(world):
    task = world.seated("ada")
    world.open(task)
    world.admit("bert")
    world.join(task, "bert")
    assert world.nobody.seat(task, world.address("ada")) == Seat(joined=True, since=1, last=0)
    assert world.nobody.seat(task, world.address("bert")) == Seat(joined=True, since=2, last=0)
    assert (world.nobody.task(task).joined, world.nobody.task(task).expected) == (2, 1)


def test_who_never_joined_cannot_leave(world, refused):
    with refused("NotJoined"):
        world.ada.leave_task(world.create())


def test_leaving_is_always_possible_and_the_seat_remembers(world):
    task, _ = world.sealed("ada", "bert")
    world.owner.set_paused(True)
    world.owner.end_task(task)
    world.owner.remove(world.address("ada"))
    world.ada.leave_task(task)
    assert world.nobody.seat(task, world.address("ada")) == Seat(joined=False, since=1, last=1)
    assert world.nobody.task(task).joined == 1


def test_only_a_removed_member_with_a_seat_is_unseated(world, refused):
    task = world.seated("ada")
    with refused("NotRemovable"):
        world.owner.unseat(task, world.address("ada"))
    with refused("NotJoined"):
        world.stranger.unseat(task, world.address("bert"))
    world.owner.remove(world.address("ada"))
    world.stranger.unseat(task, world.address("ada"))
    assert not world.nobody.seat(task, world.address("ada")).joined


def test_leaving_before_submitting_lowers_what_is_expected_and_can_seal(world):
    task = world.seated("ada", "bert", "cleo")
    round_ = world.open(task)
    world.submit(task, round_, "ada")
    world.bert.leave_task(task)
    assert world.nobody.task(task).expected == 2
    world.wait(10)
    world.cleo.leave_task(task)
    known = world.nobody.task(task)
    assert (known.expected, known.deadline) == (1, world.last(task).time)
    assert known.sealed(world.nobody.now())


def test_leaving_after_submitting_or_after_the_deadline_changes_nothing_that_is_expected(world):
    task = world.seated("ada", "bert", "cleo")
    round_ = world.open(task)
    world.submit(task, round_, "ada")
    world.ada.leave_task(task)
    world.at(world.nobody.task(task).deadline + 1)
    world.bert.leave_task(task)
    assert world.nobody.task(task).expected == 3


def test_a_round_never_opened_has_no_outcome(world):
    assert world.nobody.outcome(world.create(), 1) == Outcome(Stage.NONE)
