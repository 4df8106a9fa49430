"""The ledger port over nodes: what callers of every node get in the same words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from fl.errors import LedgerUnavailable, UsageError
from fl.ledger.accounts import account_from_seed
from fl.ledger.contract import Web3Ledger
from fl.ledger.node import Node

LEDGERS = ("web3", "served", "anvil", "geth")


def test_who_has_no_coin_is_told_what_gas_may_cost(world):
    poor = account_from_seed(b"ledger suite", "who has nothing")
    task = world.create(funds=0)
    with pytest.raises(
        LedgerUnavailable, match=f"{poor.address} has 0 wei, and gas for fund may cost"
    ) as caught:
        world.open_as(poor).fund(task, 0)
    assert "own coin" in caught.value.hint


def test_an_address_of_nobody_and_another_contract_are_wrong_arguments(world, provider):
    with pytest.raises(UsageError, match="has no contract at"):
        Web3Ledger(provider, world.address("ada"))
    token = Web3Ledger(provider, world.nobody.contract)._token
    with pytest.raises(UsageError, match="is no federation"):
        Web3Ledger(provider, token)


def test_two_programs_send_from_one_account_at_once(world):
    world.sponsor.approve(1)

    def approve(first):
        ledger = world.open_as(world.key("sponsor"))
        return [ledger.approve(amount).hash for amount in range(first, first + 4)]

    with ThreadPoolExecutor(2) as pool:
        (one, other) = pool.map(approve, (100, 200))
    assert len({*one, *other}) == 8


def test_a_transaction_that_nobody_sent_is_unknown(world):
    with pytest.raises(LedgerUnavailable, match="knows no transaction 0xabab"):
        world.nobody.gas(b"\xab" * 32)


def test_only_the_embedded_chain_takes_nothing_back(world, provider):
    assert Node(provider).takes_nothing_back() == (world.kind in ("web3", "served"))


@pytest.mark.parametrize("confirmations", [1, 2])
def test_what_is_confirmed_is_what_blocks_hold_deep_enough(world, provider, confirmations):
    ledger = Web3Ledger(provider, world.nobody.contract, confirmations=confirmations)
    task = world.create(funds=0)
    before = ledger.confirmed()
    world.owner.end_task(task)
    after = ledger.confirmed()
    assert (after.task(task).ended, ledger.task(task).ended) == (confirmations == 1, True)
    assert len(after.history(task)) == 3 - confirmations
    assert before.now() <= after.now() <= ledger.now()
