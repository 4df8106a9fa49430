"""What a ledger says of blocks that may still be taken back, and of those that count as confirmed."""

from __future__ import annotations

import pytest
from nodes import eventually

from fl.errors import LedgerUnavailable, Refused, UsageError
from fl.ledger.accounts import account_from_seed
from fl.ledger.types import TaskEnded
from fl.wiring import Deployment, open_ledger

pytestmark = pytest.mark.slow

OWNER = account_from_seed(b"node tests", "owner")


def test_a_transaction_in_the_mempool_is_seen_by_who_would_send_next_and_confirmed_to_nobody(
    federation, aside
):
    federation.by_hand()
    ledger = federation.open(confirmations=1)
    calling = aside(federation.owner(1).set_paused, True)
    federation.wait_for_one()
    assert (ledger.paused(), ledger.confirmed().paused()) == (True, False)
    federation.mine()
    calling.result(30)
    assert ledger.confirmed().paused()


@pytest.mark.parametrize("confirmations", [1, 2, 4])
def test_what_happened_is_confirmed_with_the_block_that_makes_it_so(federation, confirmations):
    task = federation.create_task()
    federation.mine(confirmations)
    ledger = federation.open(confirmations=confirmations)
    federation.owner().end_task(task)
    for _ in range(confirmations - 1):
        assert ledger.task(task).ended
        assert not ledger.confirmed().task(task).ended
        assert not [event for event in ledger.confirmed().history(task) if isinstance(event, TaskEnded)]
        federation.mine()
    assert ledger.confirmed().task(task).ended
    assert isinstance(ledger.confirmed().history(task)[-1], TaskEnded)


def test_a_view_stays_at_its_block_and_a_new_one_is_newer(federation):
    ledger = federation.open(confirmations=1)
    before = ledger.confirmed()
    done = federation.owner().set_paused(True)
    assert (before.paused(), before.now() <= done.time) == (False, True)
    after = before.confirmed()
    assert (after.paused(), after.now()) == (True, done.time)


def test_a_task_that_is_not_confirmed_yet_is_none(federation):
    federation.mine()
    task = federation.create_task()
    view = federation.open(confirmations=2).confirmed()
    assert view.task_count() == 0
    with pytest.raises(Refused, match="UnknownTask"):
        view.history(task)


def test_a_reorg_takes_back_what_was_not_confirmed_enough(federation):
    federation.mine(3)
    hasty, careful = (federation.open(confirmations=number) for number in (1, 3))
    federation.owner().set_paused(True)
    federation.mine()
    assert (hasty.confirmed().paused(), careful.confirmed().paused()) == (True, False)
    federation.reorg(2)
    assert not hasty.confirmed().paused()


def test_events_that_a_reorg_took_back_are_told_no_more_and_moved_ones_from_where_they_are(federation):
    ledger = federation.open(confirmations=1)
    task = federation.create_task()
    federation.owner().end_task(task)
    assert len(ledger.confirmed().history(task)) == 2
    ended = federation.raw(federation.transactions()[-1])
    federation.reorg(1)
    assert len(ledger.confirmed().history(task)) == 1
    federation.mine(2)
    federation.node.ask("eth_sendRawTransaction", ended)
    eventually(lambda: len(ledger.confirmed().history(task)) == 2)
    created, moved = ledger.confirmed().history(task)
    assert moved.at.block == created.at.block + 4
    assert moved.at.time == ledger.confirmed().now()


def test_before_the_contract_itself_is_confirmed_there_is_nothing_to_read(federation):
    with pytest.raises(LedgerUnavailable, match="has no 4 confirmations yet"):
        federation.open(confirmations=4).confirmed()
    federation.mine(4)
    assert federation.open(confirmations=4).confirmed().task_count() == 0


def test_a_view_sends_as_its_ledger_does(federation):
    federation.owner(1).confirmed().set_paused(True)
    assert federation.open().paused()


def test_confirmations_are_not_negative(federation):
    with pytest.raises(UsageError, match="-1 confirmations"):
        federation.open(confirmations=-1)


@pytest.mark.parametrize(
    ("account", "asked", "confirmations"), [(None, None, 1), (OWNER, None, 4), (OWNER, 2, 2)]
)
def test_over_rpc_who_reads_wants_one_confirmation_and_who_acts_four(
    federation, account, asked, confirmations
):
    federation.mine(4)
    place = Deployment(federation.node.url, federation.contract, 1, "nowhere")
    ledger = open_ledger(place, account, asked)
    federation.owner().set_paused(True)
    federation.mine(max(confirmations - 2, 0))
    assert ledger.confirmed().paused() == (confirmations == 1)
    federation.mine()
    assert ledger.confirmed().paused()
