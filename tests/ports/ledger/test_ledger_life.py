"""One federation's life on both ledgers: they must tell the same story, to the byte."""

from __future__ import annotations

from fl.ledger.types import UNAVAILABLE, RoundFailed, RoundSealed, RoundSettled, RoundVoided


def live(world):
    """Rounds that are settled, voided and failed, a reset, a new key, a new aggregator, and the end."""
    task = world.seated("ada", "bert", "cleo")
    first = world.open(task)
    world.submit(task, first, "cleo", "ada")
    world.bert.leave_task(task)
    world.stranger.reveal(task, first, world.address("ada"), b"a receipt")
    world.wait(world.close_window // 2 + 1)
    world.settle(world.close(task, first, ada=(7, 10_000), cleo=(0, UNAVAILABLE)))

    second = world.open(task)
    receipt = world.digest("a relayed receipt")
    signature = world.ada.sign_submission(task, second, receipt)
    world.stranger.submit_update_for(world.address("ada"), task, second, receipt, signature)
    world.at(world.nobody.task(task).deadline + 1)
    world.close(task, second)
    world.owner.void_round(task, second, world.digest("a bad aggregate"))
    world.owner.reset_weights(task, world.digest("initial weights"), world.digest("back to the start"))

    world.owner.set_aggregator(task, world.address("stranger"))
    world.owner.set_aggregator(task, world.address("aggregator"))
    third = world.open(task)
    world.at(world.nobody.task(task).deadline + world.close_window + 1)
    world.bert.fail_round(task, third, world.digest("abandoned"))

    old, new, profile = world.address("bert"), world.address("stranger"), world.digest("new profile")
    world.owner.replace(old, new, profile, world.bert.sign_replacement(old, new, profile))
    world.ada.set_payee(world.address("ada"), new)
    world.owner.remove(world.address("cleo"))
    world.stranger.unseat(task, world.address("cleo"))
    world.sponsor.end_task(task)
    world.stranger.defund(task)
    world.stranger.withdraw(world.address("ada"))
    return task


def story(world, task):
    said = (*world.nobody.history(task), *world.nobody.member_history())
    return [(type(event).__name__, event.facts()) for event in said]


def standing(world, task):
    names = ("ada", "bert", "cleo", "stranger", "sponsor", "aggregator")
    addresses = [world.address(name) for name in names]
    reader = world.nobody
    known = vars(reader.task(task)) | {"created_at": 0, "opened_at": 0}
    return (
        known,
        [reader.outcome(task, round_) for round_ in range(5)],
        [(reader.member(a), reader.seat(task, a), reader.payee(a)) for a in addresses],
        [reader.token_balance(a) for a in [*addresses, reader.contract]],
        (reader.chain_id, reader.contract, reader.owner(), reader.paused(), reader.now()),
    )


def test_the_same_life_leaves_the_same_state_and_the_same_events_on_both_ledgers(new_world):
    worlds = [new_world("memory"), new_world("web3")]
    (memory_task, web3_task) = [live(world) for world in worlds]
    memory, web3 = worlds
    assert story(memory, memory_task) == story(web3, web3_task)
    assert standing(memory, memory_task) == standing(web3, web3_task)


def test_accumulators_and_outcome_digests_are_the_same_bytes_on_both_ledgers(new_world):
    seen = []
    for world in (new_world("memory"), new_world("web3")):
        task, round_ = world.sealed("ada", "bert")
        accumulator = world.nobody.task(task).accumulator
        world.close(task, round_)
        seen.append((accumulator, world.nobody.outcome(task, round_).digest))
    assert seen[0] == seen[1]


def test_a_history_is_in_chain_order_and_holds_every_kind_of_ending(world):
    history = world.nobody.history(live(world))
    assert [event.at for event in history] == sorted(event.at for event in history)
    kinds = {type(event) for event in history}
    assert {RoundSealed, RoundSettled, RoundVoided, RoundFailed} <= kinds


def test_the_history_of_members_says_all_that_happened_to_them_in_order(world):
    live(world)
    said = [type(event).__name__ for event in world.nobody.member_history()]
    assert said == [*["Admitted"] * 3, "Replaced", "PayeeSet", "PayeeSet", "Removed", "Withdrawn"]
    positions = [event.at for event in world.nobody.member_history()]
    assert positions == sorted(positions)


def test_a_history_holds_nothing_of_another_task(world):
    first, second = world.create(), world.create()
    world.owner.end_task(first)
    assert {event.task for event in world.nobody.history(second)} == {second}


def test_a_history_can_begin_at_a_later_block(world):
    history = world.nobody.history(live(world))
    later = history[len(history) // 2].at.block
    rest = tuple(event for event in history if event.at.block >= later)
    assert world.nobody.history(1, since=later) == rest
    assert world.nobody.history(1, since=history[-1].at.block + 1) == ()
    for since, expected in ((later, rest), (0, history), (later, rest)):  # by who has read nothing yet
        assert world.owner.history(1, since=since) == expected


def test_a_transaction_says_where_and_when_it_happened(world):
    moment = world.nobody.now() + 17
    world.at(moment)
    done = world.owner.set_paused(True)
    task_free = world.owner.set_paused(False)
    assert done.time == moment <= task_free.time
    assert done.block < task_free.block
    assert done.hash != task_free.hash
    assert world.nobody.gas(done.hash) == done.gas
    assert (done.gas > 21_000) == (world.kind != "memory")


def test_an_event_names_its_transaction_and_time(world):
    task = world.create()
    world.wait(17)
    ended = world.owner.end_task(task)
    at = world.nobody.history(task)[-1].at
    assert (at.transaction, at.time, at.block) == (ended.hash, ended.time, ended.block)


def test_a_refused_call_leaves_no_trace(world, refused):
    task, round_ = world.sealed("ada", "bert")
    before = (story(world, task), standing(world, task))
    with refused("BelowQuorum"):
        world.close(task, round_, ada=(0, 0), bert=(0, 0))
    with refused("TooEarly"):
        world.stranger.fail_round(task, round_, bytes(32))
    assert (story(world, task), standing(world, task)) == before
