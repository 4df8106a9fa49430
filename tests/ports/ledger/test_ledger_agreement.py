"""Any sequence of calls gets the same answers from the in-memory ledger and from the contract."""

from __future__ import annotations

import random

import pytest

from fl.errors import Refused
from fl.ledger.types import UNAVAILABLE, UNRATED, RoundClosed

TASK = 1
PEOPLE = ("ada", "bert", "cleo", "stranger", "sponsor", "owner")
MARKS = ((1, 10_000), (3, 10_000), (0, 10_000), (0, 0), (0, UNAVAILABLE), (0, UNRATED), (1, 0), (0, 17))
WAITS = (1, 29, 30, 99, 100, 101, 300, 301, 701)

# Each call: in whose name, on the world, with two small numbers to choose its arguments by. What would end
# a sequence early (a pause, the end, another aggregator) is rare among those.
CALLS = {
    "admit": lambda me, w, x, y: me.admit(w.address(PEOPLE[x]), w.digest("profile")),
    "remove": lambda me, w, x, y: me.remove(w.address(PEOPLE[max(x, y)])),
    "replace": lambda me, w, x, y: replace_key(me, w, PEOPLE[x], PEOPLE[y]),
    "set_payee": lambda me, w, x, y: me.set_payee(w.address(PEOPLE[x]), w.address(PEOPLE[y])),
    "withdraw": lambda me, w, x, y: me.withdraw(w.address(PEOPLE[x])),
    "set_paused": lambda me, w, x, y: me.set_paused(x == 0 and y < 2),
    "end_task": lambda me, w, x, y: me.end_task(TASK if x + y == 8 else TASK + 1),
    "fund": lambda me, w, x, y: me.fund(TASK, 400 * x),
    "defund": lambda me, w, x, y: me.defund(TASK),
    "join": lambda me, w, x, y: me.join_task(TASK, w.digest("terms"), w.digest("policy")),
    "leave": lambda me, w, x, y: me.leave_task(TASK if x < 3 else TASK + 1),
    "unseat": lambda me, w, x, y: me.unseat(TASK, w.address(PEOPLE[x])),
    "reset": lambda me, w, x, y: me.reset_weights(TASK, w.digest("weights 1"), w.digest("why")),
    "aggregator": lambda me, w, x, y: me.set_aggregator(
        TASK, w.address("stranger" if x + y == 0 else "aggregator")
    ),
    "open": lambda me, w, x, y: w.open(TASK),
    "submit": lambda me, w, x, y: me.submit_update(TASK, this_round(w), w.digest(f"receipt {y}")),
    "relay": lambda me, w, x, y: relay(me, w, PEOPLE[x], y),
    "reveal": lambda me, w, x, y: me.reveal(TASK, x, w.address(PEOPLE[y]), b"receipt"),
    "close": lambda me, w, x, y: w.close(TASK, this_round(w), ada=MARKS[x], bert=MARKS[y], cleo=MARKS[0]),
    "close well": lambda me, w, x, y: w.close(TASK, this_round(w), ada=(x, 10_000), bert=(y, 10_000)),
    "settle": lambda me, w, x, y: settle(me, w, early=x == 0),
    "void": lambda me, w, x, y: me.void_round(TASK, max(0, this_round(w) - x % 2), w.digest("why")),
    "fail": lambda me, w, x, y: me.fail_round(TASK, this_round(w), w.digest("why")),
    "wait": lambda me, w, x, y: w.wait(WAITS[x + y]),
}
USUAL = {"owner": ("admit", "remove", "replace", "set_paused", "reset", "aggregator", "void")}
USUAL |= {"aggregator": ("open", "close", "close well", "fail"), "sponsor": ("fund", "end_task", "defund")}
TRAINERS = ("ada", "bert", "cleo")
CALLERS = (*TRAINERS, "owner", "aggregator", "sponsor", "stranger")
# what keeps rounds going comes up more often than what ends them
OFTEN = (
    "open",
    "submit",
    "submit",
    "submit",
    "relay",
    "wait",
    "close well",
    "close well",
    "settle",
    "settle",
    "join",
)


def random_call(choice):
    """One call: by whom it is usually made, but for one in eight."""
    name = choice.choice([*CALLS, *OFTEN, *OFTEN, *OFTEN, *OFTEN])
    usual = next((who for who, names in USUAL.items() if name in names), choice.choice(TRAINERS))
    caller = usual if choice.random() < 7 / 8 else choice.choice(CALLERS)
    return name, caller, choice.randrange(5), choice.randrange(5)


def this_round(world):
    return world.nobody.task(TASK).round


def replace_key(me, world, old, new):
    profile = world.digest("new profile")
    arguments = (world.address(old), world.address(new), profile)
    return me.replace(*arguments, getattr(world, old).sign_replacement(*arguments))


def relay(me, world, trainer, number):
    round_, receipt = this_round(world), world.digest(f"receipt {number}")
    signature = getattr(world, trainer).sign_submission(TASK, round_, receipt)
    return me.submit_update_for(world.address(trainer), TASK, round_, receipt, signature)


def settle(me, world, early):
    closed = [event for event in world.nobody.history(TASK) if isinstance(event, RoundClosed)]
    if closed:
        if not early:
            world.set_time(max(world.nobody.now(), closed[-1].settle_after))
        me.settle_round(TASK, closed[-1].round, closed[-1].settle_after, closed[-1].entries)


def answer(world, call):
    name, caller, x, y = call
    try:
        CALLS[name](getattr(world, caller), world, x, y)
    except Refused as refused:
        return (refused.name, refused.arguments)
    return "done"


def facts(world):
    reader = world.nobody
    people = [world.address(name) for name in CALLERS]
    return (
        [
            (type(event).__name__, event.facts())
            for event in (*reader.history(TASK), *reader.member_history())
        ],
        vars(reader.task(TASK)) | {"created_at": 0, "opened_at": 0},
        [reader.outcome(TASK, round_) for round_ in range(1, this_round(world) + 1)],
        [(reader.member(a), reader.seat(TASK, a), reader.payee(a), reader.token_balance(a)) for a in people],
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_any_sequence_of_calls_gets_the_same_answers_on_both_ledgers(new_world, seed):
    memory, web3 = new_world("memory"), new_world("web3")
    for world in (memory, web3):
        assert world.seated(*TRAINERS, funds=4_000, window=100, settle_delay=30) == TASK
    choice = random.Random(seed)
    for call in [random_call(choice) for _ in range(80)]:
        assert answer(memory, call) == answer(web3, call), call
    assert facts(memory) == facts(web3)
