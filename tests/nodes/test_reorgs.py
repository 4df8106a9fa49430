"""A chain that takes blocks back, drops transactions and passes them over, and what a caller sees of it."""

from __future__ import annotations

import pytest
from nodes import eventually

from fl.errors import LedgerUnavailable, Refused

pytestmark = pytest.mark.slow


def test_a_call_returns_once_as_many_blocks_confirm_it_as_were_asked_for(federation, aside):
    calling = aside(federation.owner(3).set_paused, True)
    eventually(lambda: federation.owner().paused())
    federation.mine(1)
    assert not calling.done()
    federation.mine(1)
    done = calling.result(30)
    assert done.block == federation.head() - 2
    assert federation.transactions()[-1] == "0x" + done.hash.hex()


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_transaction_that_a_reorg_dropped_is_sent_again_as_it_was(federation, aside, depth):
    calling = aside(federation.owner(depth + 1).set_paused, True)
    eventually(lambda: federation.owner().paused())
    (*before, first) = federation.transactions()
    federation.mine(depth - 1)
    federation.reorg(depth)
    assert federation.transactions() == before
    eventually(lambda: federation.owner().paused())
    federation.mine(depth)
    assert "0x" + calling.result(30).hash.hex() == first
    assert federation.transactions() == [*before, first]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_transaction_that_is_in_the_other_blocks_too_counts_from_there(federation, aside, depth):
    calling = aside(federation.owner(depth + 1).set_paused, True)
    eventually(lambda: federation.owner().paused())
    first = federation.transactions()[-1]
    mined_at = federation.head()
    federation.mine(depth - 1)
    federation.reorg(depth, federation.raw(first))
    federation.mine(1)
    done = calling.result(30)
    assert ("0x" + done.hash.hex(), done.block) == (first, mined_at)
    assert federation.transactions().count(first) == 1


def test_blocks_that_vanish_without_others_in_their_place_are_no_loss(federation, aside):
    calling = aside(federation.owner(3).set_paused, True)
    eventually(lambda: federation.owner().paused())
    before = federation.transactions()
    federation.node.ask("anvil_rollback", 1)
    eventually(lambda: federation.owner().paused())
    federation.mine(2)
    calling.result(30)
    assert federation.transactions() == before


def test_a_call_that_a_reorg_makes_wrong_is_refused_by_name(federation, aside):
    task = federation.create_task()
    calling = aside(federation.owner(2).end_task, task)
    eventually(lambda: federation.owner().task(task).ended)
    ours = federation.raw(federation.transactions()[-1])
    federation.reorg(1, federation.signed_by_the_sponsor("endTask", task), ours)
    federation.mine(1)
    with pytest.raises(Refused) as caught:
        calling.result(30)
    assert caught.value.name == "TaskHasEnded"


def test_a_nonce_that_another_program_used_in_the_other_blocks_is_given_up_and_the_call_done_once(
    federation, aside
):
    calling = aside(federation.owner(2).set_paused, True)
    eventually(lambda: federation.owner().paused())
    *before, ours = federation.transactions()
    foreign = federation.nothing_sent_with_the_nonce_of(ours)
    federation.reorg(1, foreign)
    assert ours not in federation.transactions()
    aside.until(calling.done, federation.mine)
    done = "0x" + calling.result(30).hash.hex()
    assert federation.transactions() == [*before, federation.hash_of(foreign), done]
    assert federation.owner().paused()


def test_a_transaction_that_fell_out_of_the_mempool_is_sent_again(federation, aside):
    federation.by_hand()
    calling = aside(federation.owner(1).set_paused, True)
    (waiting,) = federation.wait_for_one()
    federation.node.ask("anvil_dropTransaction", waiting["hash"])
    (again,) = federation.wait_for_one()
    federation.mine()
    assert again["hash"] == waiting["hash"] == "0x" + calling.result(30).hash.hex()


def test_a_transaction_below_a_risen_base_fee_offers_more_under_the_same_nonce(federation, aside):
    federation.by_hand()
    calling = aside(federation.owner(1).set_paused, True)
    (cheap,) = federation.wait_for_one()
    federation.node.ask("anvil_setNextBlockBaseFeePerGas", hex(10**12))
    federation.mine()
    eventually(lambda: cheap["hash"] not in federation.waiting_hashes(), 20)
    (dear,) = federation.wait_for_one()
    assert dear["nonce"] == cheap["nonce"]
    for fee in ("maxFeePerGas", "maxPriorityFeePerGas"):
        assert int(dear[fee], 16) * 8 >= int(cheap[fee], 16) * 9
    federation.mine()
    assert "0x" + calling.result(30).hash.hex() == dear["hash"]


def test_a_transaction_that_blocks_pass_over_offers_more_and_any_of_its_variants_may_be_mined(
    federation, aside
):
    federation.by_hand()
    calling = aside(federation.owner(1).set_paused, True)
    (cheap,) = federation.wait_for_one()
    federation.node.ask("evm_setBlockGasLimit", hex(60_000))  # room for one transaction
    raw = federation.raw(cheap["hash"])
    tip = int(cheap["maxPriorityFeePerGas"], 16) * 106 // 100
    for nonce in range(3):
        federation.send_for_the_sponsor(nonce, maxPriorityFeePerGas=tip)
        federation.mine()
    eventually(lambda: cheap["hash"] not in federation.waiting_hashes(), 20)
    (dear,) = federation.wait_for_one()
    assert dear["nonce"] == cheap["nonce"]
    federation.node.ask("anvil_dropTransaction", dear["hash"])
    federation.reorg(1, raw)  # somebody had kept the first one
    assert "0x" + calling.result(30).hash.hex() == cheap["hash"]
    assert federation.transactions()[-1] == cheap["hash"]


def test_a_chain_that_makes_no_blocks_is_not_waited_for_for_ever(federation, proxy, aside, looks):
    calling = aside(federation.owner(3, proxy.url).set_paused, True)
    eventually(lambda: federation.owner().paused())
    looks.wait_for_one()
    looks.outlast_all_patience()
    with pytest.raises(LedgerUnavailable, match=r"\(setPaused\) was mined, and has 1 of 3 conf") as caught:
        calling.result(30)
    assert "make blocks" in caught.value.hint


def test_a_transaction_that_was_taken_back_for_good_is_not_said_to_be_mined(federation, proxy, aside, looks):
    calling = aside(federation.owner(3, proxy.url).set_paused, True)
    eventually(lambda: federation.owner().paused())
    looks.wait_for_one()
    federation.by_hand()
    federation.reorg(1)
    looks.wait_for_one()
    looks.outlast_all_patience()
    with pytest.raises(LedgerUnavailable, match="taken back"):
        calling.result(30)


def test_two_programs_may_send_from_one_account_at_once(federation, aside):
    def approve(first):
        ledger = federation.owner()
        return [ledger.approve(amount) for amount in range(first, first + 8)]

    approve(1)
    calls = [aside(approve, first) for first in (100, 200)]
    hashes = {"0x" + done.hash.hex() for call in calls for done in call.result(60)}
    assert len(hashes) == 16
    assert hashes <= set(federation.transactions())
    assert len(federation.transactions()) == 2 + 8 + 16  # the deployments first
