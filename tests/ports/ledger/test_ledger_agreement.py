"""Any sequence of calls gets the same answers from the in-memory ledger and from the contract."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fl.errors import Refused
from fl.ledger.types import UNAVAILABLE, UNRATED, RoundClosed

TASK = 1
PEOPLE = ("ada", "bert", "cleo", "stranger", "sponsor", "owner")
MARKS = ((1, 10_000), (3, 10_000), (0, 10_000), (0, 0), (0, UNAVAILABLE), (0, UNRATED), (1, 0), (0, 17))
WAITS = (1, 59, 60, 300, 301, 599, 3_599, 3_600, 3_601)

# Each call: in whose name, on the world, with two small numbers to choose its arguments by.
CALLS = {
    "admit": lambda me, w, x, y: me.admit(w.address(PEOPLE[x]), w.digest("profile")),
    "remove": lambda me, w, x, y: me.remove(w.address(PEOPLE[x])),
    "replace": lambda me, w, x, y: replace_key(me, w, PEOPLE[x], PEOPLE[y]),
    "set_payee": lambda me, w, x, y: me.set_payee(w.address(PEOPLE[x]), w.address(PEOPLE[y])),
    "withdraw": lambda me, w, x, y: me.withdraw(w.address(PEOPLE[x])),
    "set_paused": lambda me, w, x, y: me.set_paused(x == 0),
    "end_task": lambda me, w, x, y: me.end_task(TASK),
    "fund": lambda me, w, x, y: me.fund(TASK, 400 * x),
    "defund": lambda me, w, x, y: me.defund(TASK),
    "join": lambda me, w, x, y: me.join_task(TASK, w.digest("terms"), w.digest("policy")),
    "leave": lambda me, w, x, y: me.leave_task(TASK),
    "unseat": lambda me, w, x, y: me.unseat(TASK, w.address(PEOPLE[x])),
    "reset": lambda me, w, x, y: me.reset_weights(TASK, w.digest("weights 1"), w.digest("why")),
    "aggregator": lambda me, w, x, y: me.set_aggregator(TASK, w.address(PEOPLE[x])),
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
# what keeps rounds going comes up more often than what ends them
OFTEN = ("open", "submit", "submit", "submit", "wait", "close well", "close well", "settle", "join", "relay")
CALLERS = ("ada", "bert", "cleo", "owner", "aggregator", "sponsor", "stranger")


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


numbers = st.integers(0, 4)
calls = st.tuples(st.sampled_from([*CALLS, *OFTEN, *OFTEN]), st.sampled_from(CALLERS), numbers, numbers)


@pytest.mark.slow
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # a sequence takes about a second, so shrinking one takes minutes
    # each example makes its own federations
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=st.lists(calls, min_size=20, max_size=50))
def test_any_sequence_of_calls_gets_the_same_answers_on_both_ledgers(new_world, sequence):
    memory, web3 = new_world("memory"), new_world("web3")
    for world in (memory, web3):
        assert world.seated("ada", "bert", "cleo", funds=4_000) == TASK
    for call in sequence:
        assert answer(memory, call) == answer(web3, call), call
    assert facts(memory) == facts(web3)
