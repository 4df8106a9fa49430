"""The ledger port, on every ledger: what rounds end in — settled, void or failed."""

from __future__ import annotations

from fl.ledger.types import UNAVAILABLE, UNRATED, Credit, Entry, Member, Outcome, RoundSettled, Stage


def credits_of(world, task):
    settled = world.nobody.history(task)[-1]
    assert isinstance(settled, RoundSettled)
    return settled.paid, settled.credits


# --- settling


def test_only_a_closed_round_is_settled_with_what_it_was_closed_with(world, refused):
    task, round_ = world.sealed("ada", "bert")
    with refused("NotPending"):
        world.stranger.settle_round(task, round_, world.nobody.now(), ())
    closed = world.close(task, round_)
    made_up = (Entry(world.address("ada"), 99, 10_000), closed.entries[1])
    for settle_after, entries in (
        (closed.settle_after - 1, closed.entries),
        (closed.settle_after, made_up),
        (closed.settle_after, closed.entries[::-1]),
        (closed.settle_after, ()),
    ):
        with refused("WrongEntries"):
            world.stranger.settle_round(task, round_, settle_after, entries)


def test_a_round_is_settled_from_the_second_named_and_once(world, refused):
    task, round_ = world.sealed("ada")
    closed = world.close(task, round_)
    world.at(closed.settle_after - 1)
    with refused("TooEarly"):
        world.stranger.settle_round(task, round_, closed.settle_after, closed.entries)
    world.at(closed.settle_after)
    world.settle(closed)
    assert world.nobody.outcome(task, round_) == Outcome(Stage.SETTLED)
    with refused("NotPending"):
        world.settle(closed)


def test_a_trainer_gets_its_part_of_the_reward_and_dust_returns_to_the_pool(world):
    task = world.paid("ada", "bert", "cleo", cleo=(5, 10_000))
    credits_ = (Credit(142, 5_625), Credit(142, 5_625), Credit(714, 5_625))
    assert credits_of(world, task) == (998, credits_)
    assert world.nobody.member(world.address("cleo")).balance == 714
    assert world.nobody.task(task).pool == 4_002


def test_shares_that_sum_to_zero_pay_nobody(world):
    task = world.paid("ada", "bert", ada=(0, 10_000), bert=(0, 10_000))
    assert credits_of(world, task)[0] == 0
    assert world.nobody.task(task).pool == 5_000


def test_reputation_follows_quality_and_absence_of_a_rating_leaves_it(world):
    task, round_ = world.sealed("ada", "bert", "cleo")
    world.wait(world.close_window // 2 + 1)
    world.settle(world.close(task, round_, bert=(0, UNAVAILABLE), cleo=(0, UNRATED)))
    reputations = [world.nobody.member(world.address(name)).reputation for name in ("ada", "bert", "cleo")]
    assert reputations == [5_625, 4_375, 5_000]


def test_refusal_for_cause_costs_as_much_as_being_unavailable(world):
    world.paid("ada", "bert", bert=(0, 0))
    assert world.nobody.member(world.address("bert")).reputation == 4_375


def test_removal_leaving_and_the_end_of_the_task_do_not_stop_a_payment(world):
    task, round_ = world.sealed("ada")
    closed = world.close(task, round_)
    world.owner.remove(world.address("ada"))
    world.ada.leave_task(task)
    world.owner.end_task(task)
    world.settle(closed)
    assert world.nobody.member(world.address("ada")).balance == 1_000


def test_rounds_settle_in_any_order(world):
    task, first = world.sealed("ada")
    early = world.close(task, first)
    second = world.open(task)
    world.submit(task, second, "ada")
    late = world.close(task, second)
    world.settle(late)
    world.settle(early)
    # 5,000 → 5,625 → 5,625 − ⌊5,625 / 8⌋ + 1,250
    expected = Member(balance=2_000, reputation=6_172, admitted=True)
    assert world.nobody.member(world.address("ada")) == expected


# --- voiding


def test_only_an_open_or_pending_round_is_voided(world, refused):
    task = world.paid("ada")
    for round_ in (0, 1, 2):
        with refused("NotPending"):
            world.owner.void_round(task, round_, bytes(32))


def test_voiding_an_open_round_returns_the_reward(world, refused):
    task = world.seated("ada")
    round_ = world.open(task)
    world.owner.void_round(task, round_, world.digest("why"))
    assert world.nobody.outcome(task, round_) == Outcome(Stage.VOID)
    assert (world.nobody.task(task).pool, world.nobody.task(task).open) == (5_000, False)
    with refused("NotOpen"):
        world.submit(task, round_, "ada")


def test_voiding_a_closed_round_keeps_its_weights_and_the_round_that_is_open_now(world, refused):
    task, first = world.sealed("ada")
    closed = world.close(task, first)
    world.open(task)
    world.owner.void_round(task, first, world.digest("why"))
    known = world.nobody.task(task)
    assert (known.open, known.weights, known.pool) == (True, world.digest("weights 1"), 4_000)
    with refused("NotPending"):
        world.settle(closed)


# --- failing


def test_a_round_fails_only_while_open_and_once_sealed(world, refused):
    task = world.seated("ada", "bert")
    with refused("NotOpen"):
        world.aggregator.fail_round(task, 1, bytes(32))
    round_ = world.open(task)
    with refused("WrongRound"):
        world.aggregator.fail_round(task, round_ + 1, bytes(32))
    deadline = world.nobody.task(task).deadline
    world.at(deadline)
    with refused("TooEarly"):
        world.aggregator.fail_round(task, round_, bytes(32))
    world.at(deadline + 1)
    world.aggregator.fail_round(task, round_, world.digest("nobody came"))
    assert world.nobody.outcome(task, round_) == Outcome(Stage.FAILED)


def test_an_outsider_fails_a_round_only_after_the_close_window(world, refused):
    task = world.seated("ada")
    round_ = world.open(task)
    end = world.nobody.task(task).deadline + world.close_window
    world.at(end)
    with refused("TooEarly"):
        world.stranger.fail_round(task, round_, bytes(32))
    world.at(end + 1)
    world.stranger.fail_round(task, round_, bytes(32))
    known = world.nobody.task(task)
    assert (known.open, known.pool, known.weights) == (False, 5_000, world.digest("initial weights"))


def test_a_failed_round_uses_its_number_up(world, refused):
    task, round_ = world.sealed("ada")
    world.aggregator.fail_round(task, round_, bytes(32))
    weights = world.nobody.task(task).weights
    with refused("WrongRound"):
        world.aggregator.open_round(task, round_, weights, bytes(32))
    assert world.open(task) == round_ + 1
