"""Time: the wall clock's or virtual; and the same chain from the same transactions."""

from __future__ import annotations

import time

import pytest
from web3 import Web3
from web3.exceptions import MethodUnavailable

from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.errors import ChainError

START = 1_800_000_000
CLOCK = "425f5260205ff3"
"""TIMESTAMP PUSH0 MSTORE PUSH1 32 PUSH0 RETURN: returns the block's time"""
OF_THE_BLOCK = {"TIMESTAMP": "42", "NUMBER": "43", "PREVRANDAO": "44", "BLOCKHASH of the last": "6001430340"}
LOTTERY = "445f5500"
"""PREVRANDAO PUSH0 SSTORE STOP"""


def read_clock(web3: Web3, clock: str, block: str | int) -> int:
    return int.from_bytes(web3.eth.call({"to": clock}, block), "big")


def test_virtual_time_stands_still_until_it_is_set(node):
    assert node.now() == START
    node.set_time(START + 100)
    assert node.now() == START + 100


def test_virtual_time_never_goes_back(node):
    node.set_time(START + 100)
    node.set_time(START + 100)
    with pytest.raises(ChainError, match="never goes back"):
        node.set_time(START + 99)
    assert node.now() == START + 100


def test_virtual_time_outlives_the_process(node):
    node.set_time(START + 100)
    with EmbeddedNode.open(node.path) as other:
        assert other.is_virtual
        assert other.now() == START + 100


def test_virtual_time_moves_for_everybody_who_has_the_file_open(node):
    with EmbeddedNode.open(node.path) as other:
        node.set_time(START + 100)
        assert other.now() == START + 100


def test_blocks_are_stamped_with_the_time_that_was_set(node, web3, send):
    send(web3)
    send(web3)
    node.set_time(START + 100)
    send(web3)
    assert [web3.eth.get_block(number)["timestamp"] for number in range(4)] == [START] * 3 + [START + 100]


def test_the_pending_block_and_calls_see_the_time_of_now(node, web3, deploy):
    clock = deploy(web3, CLOCK)
    node.set_time(START + 100)
    assert web3.eth.get_block("pending")["timestamp"] == START + 100
    assert web3.eth.get_block("pending")["number"] == 2
    assert read_clock(web3, clock, "pending") == read_clock(web3, clock, "latest") == START + 100
    assert web3.eth.get_block("latest")["timestamp"] == read_clock(web3, clock, 1) == START


@pytest.mark.parametrize("asked", OF_THE_BLOCK)
@pytest.mark.parametrize("through", ["itself", "another contract"])
def test_whoever_asks_about_the_block_is_told_anew_although_nothing_else_has_changed(
    node, web3, deploy, asked, through
):
    contract = deploy(web3, f"{OF_THE_BLOCK[asked]}5f5260205ff3")
    if through == "another contract":  # STATICCALL, and RETURN of what it said
        contract = deploy(web3, f"60205f5f5f73{contract[2:]}5afa5060205ff3")
    said = {read_clock(web3, contract, "pending")}
    for hour in range(1, 4):
        node.set_time(START + 3600 * hour)
        node.mine()
        said.add(read_clock(web3, contract, "pending"))
    assert len(said) == 4


def test_time_is_set_over_json_rpc(node, web3):
    web3.provider.make_request("evm_setNextBlockTimestamp", [hex(START + 7)])
    web3.provider.make_request("evm_mine", [])
    assert node.now() == web3.eth.get_block("latest")["timestamp"] == START + 7
    answer = web3.provider.make_request("evm_setNextBlockTimestamp", [START])
    assert "never goes back" in answer["error"]["message"]


def test_a_chain_on_the_wall_clock_keeps_the_wall_clocks_time(create, deploy):
    before = int(time.time())
    node = create(virtual_time=False, genesis_time=None)
    web3 = Web3(EmbeddedProvider(node))
    clock = deploy(web3, CLOCK)
    times = [web3.eth.get_block(0)["timestamp"], web3.eth.get_block(1)["timestamp"], node.now()]
    assert (
        before <= times[0] <= times[1] <= times[2] <= read_clock(web3, clock, "pending") <= int(time.time())
    )


def test_a_wall_clock_that_went_back_holds_no_block_up(create, deploy):
    """Genesis lies in this clock's future, as the last block does after a clock was corrected."""
    genesis = int(time.time()) + 1000
    web3 = Web3(EmbeddedProvider(create(virtual_time=False, genesis_time=genesis)))
    assert read_clock(web3, deploy(web3, CLOCK), "pending") == genesis
    assert web3.eth.get_block("latest")["timestamp"] == genesis


def test_the_wall_clock_cannot_be_set(create):
    node = create(virtual_time=False)
    with pytest.raises(ChainError, match="wall clock"):
        node.set_time(START + 100)
    with pytest.raises(MethodUnavailable):
        Web3(EmbeddedProvider(node)).manager.request_blocking("evm_setNextBlockTimestamp", [START + 100])


def test_the_same_transactions_make_the_same_chain(create, send, deploy):
    def run(node: EmbeddedNode) -> bytes:
        web3 = Web3(EmbeddedProvider(node))
        lottery = deploy(web3, LOTTERY)
        node.set_time(START + 100)
        send(web3, to=lottery)
        return bytes(web3.eth.get_block("latest")["hash"])

    assert run(create("one")) == run(create("two"))


def test_virtual_time_begins_at_the_same_moment_unless_told(create):
    assert create("one", genesis_time=None).now() == create("two", genesis_time=None).now()


def test_prevrandao_differs_from_block_to_block(web3, send, deploy):
    lottery = deploy(web3, LOTTERY)
    drawn = set()
    for _ in range(3):
        send(web3, to=lottery)
        drawn.add(bytes(web3.eth.get_storage_at(lottery, 0)))
    assert len(drawn) == 3
