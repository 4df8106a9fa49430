"""What web3 sees: the same in process and over HTTP."""

from __future__ import annotations

import pytest
from eth_abi import encode
from eth_account import Account
from web3 import Web3
from web3.exceptions import (
    BlockNotFound,
    ContractCustomError,
    ContractLogicError,
    ContractPanicError,
    TransactionNotFound,
    Web3RPCError,
)

from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider

NOBODY = "0x" + "22" * 20
A, B, C = (bytes(31) + bytes([n]) for n in (0xA, 0xB, 0xC))

EMITTER = "6040355f526020355f3560205fa200"
"""PUSH1 64 CALLDATALOAD PUSH0 MSTORE · LOG2 with calldata's words 0 and 1 as topics, word 2 as data · STOP"""

REVERTER = "365f5f37365ffd"
"""CALLDATASIZE PUSH0 PUSH0 CALLDATACOPY · CALLDATASIZE PUSH0 REVERT: fails with the bytes it is given"""

COUNTER = "5f546001015f5500"
"""PUSH0 SLOAD PUSH1 1 ADD PUSH0 SSTORE STOP: adds one to slot 0"""

TALLY = "5f54600101805f555f525f5c600101805f5d60205260405ff3"
"""Adds one to slot 0 and to transient slot 0 (EIP-1153), and returns both."""

ENDLESS = "5b5f56"
"""JUMPDEST PUSH0 JUMP"""

BURNER = "fe"
"""INVALID: takes all gas"""


def test_a_transfer_moves_value_and_pays_for_gas(web3, send, alice):
    receipt = send(web3, to=NOBODY, value=5, gas=21_000)
    assert web3.eth.get_balance(NOBODY) == 5
    assert web3.eth.get_balance(alice.address) == 10**21 - 5 - 21_000 * receipt["effectiveGasPrice"]
    assert web3.eth.get_transaction_count(alice.address) == 1


def test_a_receipt_tells_where_who_and_how(web3, send, alice):
    receipt = send(web3, to=NOBODY, value=5)
    block = web3.eth.get_block("latest")
    assert receipt["status"] == 1
    assert (receipt["blockNumber"], receipt["blockHash"]) == (1, block["hash"])
    assert (receipt["from"], receipt["to"]) == (alice.address, NOBODY)
    assert (receipt["transactionIndex"], receipt["type"]) == (0, 2)
    assert receipt["gasUsed"] == receipt["cumulativeGasUsed"] == block["gasUsed"] == 21_000
    assert receipt["effectiveGasPrice"] == block["baseFeePerGas"] + 10**9
    assert receipt["contractAddress"] is None


def test_a_transaction_is_found_by_its_hash_and_in_its_block(web3, send, alice):
    receipt = send(web3, to=NOBODY, value=5, data=b"\x01\x02")
    transaction = web3.eth.get_transaction(receipt["transactionHash"])
    assert (transaction["from"], transaction["to"], transaction["value"]) == (alice.address, NOBODY, 5)
    assert (bytes(transaction["input"]), transaction["nonce"], transaction["gas"]) == (
        b"\x01\x02",
        0,
        100_000,
    )
    assert web3.eth.get_block(1, full_transactions=True)["transactions"] == [transaction]
    assert web3.eth.get_block(receipt["blockHash"])["transactions"] == [receipt["transactionHash"]]


def test_access_lists_are_shown(web3, send):
    listed = [{"address": NOBODY, "storageKeys": ["0x" + "00" * 31 + "07"]}]
    receipt = send(web3, accessList=listed, gasPrice=2 * 10**9)
    transaction = web3.eth.get_transaction(receipt["transactionHash"])
    assert transaction["type"] == receipt["type"] == 1
    assert [dict(entry) for entry in transaction["accessList"]] == listed


def test_legacy_transactions_are_taken(web3, send):
    receipt = send(web3, to=NOBODY, gasPrice=2 * 10**9)
    assert (receipt["type"], receipt["effectiveGasPrice"]) == (0, 2 * 10**9)
    assert web3.eth.get_transaction(receipt["transactionHash"])["v"] in (31337 * 2 + 35, 31337 * 2 + 36)


def test_a_contract_keeps_state_between_transactions(web3, send, deploy):
    counter = deploy(web3, COUNTER)
    assert web3.eth.get_code(counter).hex() == COUNTER
    for _ in range(2):
        send(web3, to=counter)
    assert int.from_bytes(web3.eth.get_storage_at(counter, 0), "big") == 2


def test_the_past_stays_readable(web3, send, deploy):
    counter = deploy(web3, COUNTER)
    send(web3, to=counter)
    send(web3, to=counter)
    assert int.from_bytes(web3.eth.get_storage_at(counter, 0, 2), "big") == 1
    assert web3.eth.get_code(counter, 0) == b""


def test_a_reverted_transaction_is_on_the_chain_with_status_zero(web3, send, deploy):
    reverter = deploy(web3, REVERTER)
    receipt = send(web3, to=reverter, data=b"\x01")
    assert (receipt["status"], receipt["logs"]) == (0, [])


# --- reverts


@pytest.mark.parametrize("attempt", ["call", "estimate_gas"])
def test_a_custom_error_reaches_the_caller_with_its_arguments(web3, deploy, attempt):
    data = "0xdeadbeef" + encode(["uint256"], [7]).hex()
    message = {"to": deploy(web3, REVERTER), "data": data}
    with pytest.raises(ContractCustomError) as error:
        getattr(web3.eth, attempt)(message)
    assert error.value.data == data


def test_the_reason_of_a_require_reaches_the_caller(web3, deploy):
    data = "0x08c379a0" + encode(["string"], ["not your turn"]).hex()
    with pytest.raises(ContractLogicError, match="execution reverted: not your turn") as error:
        web3.eth.call({"to": deploy(web3, REVERTER), "data": data})
    assert error.value.data == data


def test_a_panic_reaches_the_caller(web3, deploy):
    with pytest.raises(ContractPanicError, match="0x11"):
        web3.eth.call({"to": deploy(web3, REVERTER), "data": "0x4e487b71" + encode(["uint256"], [17]).hex()})


@pytest.mark.parametrize("data", ["0x", "0x08c379a0", "0x08c379a0" + "ff" * 64])
def test_a_revert_without_a_readable_reason_is_still_a_revert(web3, deploy, data):
    with pytest.raises(ContractLogicError, match="execution reverted"):
        web3.eth.call({"to": deploy(web3, REVERTER), "data": data})


def test_a_call_that_never_ends_runs_out_of_gas(web3, deploy):
    with pytest.raises(Web3RPCError, match="OutOfGas"):
        web3.eth.call({"to": deploy(web3, ENDLESS), "gas": 100_000})


def test_a_call_changes_nothing(web3, deploy):
    counter = deploy(web3, COUNTER)
    web3.eth.call({"to": counter})
    assert int.from_bytes(web3.eth.get_storage_at(counter, 0), "big") == 0


def test_what_was_tried_before_leaves_no_trace_in_what_is_tried_next(node, web3, send, deploy):
    """Not in storage, in transient storage, or in what is warm and costs less gas (EIP-2929)."""
    tally, endless = deploy(web3, TALLY), deploy(web3, ENDLESS)

    def tried():
        said, gas = web3.eth.call({"to": tally}), web3.eth.estimate_gas({"to": tally})
        with pytest.raises(Web3RPCError, match="insufficient funds"):
            web3.eth.call({"from": NOBODY, "to": tally, "value": 1})
        with pytest.raises(Web3RPCError, match="OutOfGas"):
            web3.eth.call({"to": endless, "gas": 30_000})
        return encode(["uint256", "uint256"], [1, 1]) == said, gas

    with EmbeddedNode.open(node.path) as fresh:
        untried = Web3(EmbeddedProvider(fresh)).eth.estimate_gas({"to": tally})
    assert {tried() for _ in range(3)} == {(True, untried)}
    receipt = send(web3, to=tally)
    assert receipt["gasUsed"] <= untried
    assert bytes(web3.eth.call({"to": tally})) == encode(["uint256", "uint256"], [2, 1])


def test_a_call_cannot_spend_what_the_caller_does_not_have(web3):
    with pytest.raises(Web3RPCError, match="insufficient funds"):
        web3.eth.call({"from": NOBODY, "to": NOBODY, "value": 1})


# --- gas


def test_a_transfer_is_estimated_exactly(web3, alice):
    assert web3.eth.estimate_gas({"from": alice.address, "to": NOBODY, "value": 1}) == 21_000


def test_estimated_gas_suffices_through_nested_calls(web3, send, deploy):
    inner = deploy(web3, COUNTER)
    # PUSH0 ×5 PUSH20 inner GAS CALL PUSH1 34 JUMPI PUSH0 PUSH0 REVERT JUMPDEST STOP: reverts if inner fails
    outer = deploy(web3, f"5f5f5f5f5f73{inner[2:]}5af16022575f5ffd5b00")
    gas = web3.eth.estimate_gas({"to": outer})
    receipt = send(web3, to=outer, gas=gas)
    assert receipt["status"] == 1
    assert receipt["gasUsed"] <= gas <= receipt["gasUsed"] * 1.1


def test_data_cost_at_least_their_floor(web3, send, alice):
    """EIP-7623: ten gas for a token, four tokens for a byte that is not zero."""
    data = b"\x01" * 1000
    assert web3.eth.estimate_gas({"from": alice.address, "to": NOBODY, "data": data}) == 21_000 + 40_000
    assert send(web3, to=NOBODY, data=data, gas=61_000)["gasUsed"] == 61_000
    with pytest.raises(Web3RPCError, match="intrinsic gas too low"):
        send(web3, to=NOBODY, data=data, gas=60_999)


def test_a_block_admits_the_largest_transaction_of_the_public_networks(web3, send, deploy):
    """EIP-7825: 2^24 gas."""
    receipt = send(web3, to=deploy(web3, BURNER), gas=2**24)
    assert (receipt["status"], receipt["gasUsed"]) == (0, 2**24)


def test_more_gas_than_a_block_has_is_refused(web3, send):
    with pytest.raises(Web3RPCError, match="exceeds gas limit"):
        send(web3, gas=30_000_001)


def test_fee_history_shows_base_fees_usage_and_tips(web3, send):
    for _ in range(3):
        send(web3, to=NOBODY)
    history = web3.eth.fee_history(2, "latest", [50])
    base_fees = [web3.eth.get_block(number)["baseFeePerGas"] for number in (2, 3, "pending")]
    assert history["oldestBlock"] == 2
    assert history["baseFeePerGas"] == base_fees
    assert history["gasUsedRatio"] == [21_000 / 30_000_000] * 2
    assert history["reward"] == [[10**9], [10**9]]


def test_the_suggested_price_is_enough(web3, send):
    assert send(web3, to=NOBODY, gasPrice=web3.eth.gas_price)["status"] == 1
    assert web3.eth.max_priority_fee > 0


# --- what is refused


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"nonce": 0}, "nonce too low"),
        ({"nonce": 2}, "nonce too high"),
        ({"value": 10**21}, "insufficient funds"),
        ({"gas": 20_999}, "Insufficient gas|intrinsic gas too low"),
        ({"maxFeePerGas": 1, "maxPriorityFeePerGas": 1}, "base fee"),
        ({"chainId": 1}, "chain id"),
        ({"gasPrice": 2 * 10**9, "chainId": None}, "chain id"),
    ],
)
def test_a_transaction_that_cannot_be_in_the_next_block_is_refused(web3, send, alice, fields, reason):
    send(web3, to=NOBODY)
    with pytest.raises(Web3RPCError, match=reason):
        send(web3, **{"nonce": 1, **fields})
    assert web3.eth.block_number == 1


def test_bytes_that_are_no_transaction_are_refused(web3, sign, alice):
    for raw in (b"", b"\x02", b"\x7f\x01", sign(alice)[:-1], b"\xff" * 40):
        with pytest.raises(Web3RPCError, match="invalid transaction"):
            web3.eth.send_raw_transaction(raw)


def test_delegations_are_refused_by_type(web3, sign, alice):
    delegation = alice.sign_authorization({"chainId": 31337, "address": NOBODY, "nonce": 1})
    with pytest.raises(Web3RPCError, match="type 4 is not supported"):
        web3.eth.send_raw_transaction(sign(alice, authorizationList=[delegation], to=NOBODY, gas=200_000))


def test_a_repeated_transaction_answers_with_its_hash_and_happens_once(web3, sign, alice):
    raw = sign(alice, to=NOBODY, value=5)
    assert web3.eth.send_raw_transaction(raw) == web3.eth.send_raw_transaction(raw)
    assert web3.eth.get_balance(NOBODY) == 5
    assert web3.eth.block_number == 1


# --- logs


@pytest.fixture
def emitters(web3, send, deploy):
    """Two contracts; blocks 3, 4 and 5 hold first(A, B), first(A, C) and second(A, B)."""
    first, second = deploy(web3, EMITTER), deploy(web3, EMITTER)
    for emitter, topics in ((first, A + B), (first, A + C), (second, A + B)):
        send(web3, to=emitter, data=topics + bytes(32))
    return first, second


def test_a_log_tells_what_and_where(web3, send, deploy):
    emitter = deploy(web3, EMITTER)
    receipt = send(web3, to=emitter, data=A + B + C)
    (log,) = receipt["logs"]
    assert [log] == web3.eth.get_logs({"fromBlock": 0})
    assert (log["address"], [bytes(topic) for topic in log["topics"]]) == (emitter, [A, B])
    assert bytes(log["data"]) == C
    assert (log["blockNumber"], log["blockHash"]) == (2, receipt["blockHash"])
    assert int(log["blockTimestamp"], 16) == web3.eth.get_block(2)["timestamp"]
    assert log["transactionHash"] == receipt["transactionHash"]
    assert (log["transactionIndex"], log["logIndex"], log["removed"]) == (0, 0, False)
    assert int.from_bytes(receipt["logsBloom"], "big") != 0


def test_logs_are_found_by_block(web3, emitters):
    def numbers(**wanted):
        return [log["blockNumber"] for log in web3.eth.get_logs(wanted)]

    assert numbers() == [5]
    assert numbers(fromBlock=0) == [3, 4, 5]
    assert numbers(fromBlock="earliest", toBlock=4) == [3, 4]
    assert numbers(fromBlock=4, toBlock="latest") == [4, 5]
    assert numbers(fromBlock=6, toBlock=9) == []
    assert numbers(fromBlock=5, toBlock=3) == []


def test_logs_are_found_by_topics(web3, emitters):
    a, b, c = ("0x" + word.hex() for word in (A, B, C))

    def numbers(*topics):
        return [log["blockNumber"] for log in web3.eth.get_logs({"fromBlock": 0, "topics": topics})]

    assert numbers(a) == [3, 4, 5]
    assert numbers(b) == []
    assert numbers(None, b) == [3, 5]
    assert numbers(a, [b, c]) == [3, 4, 5]
    assert numbers([b, c], b) == []
    assert numbers(None, None) == [3, 4, 5]
    assert numbers(None, None, None) == []


def test_logs_are_found_by_contract_and_by_block_hash(web3, emitters):
    first, second = emitters

    def numbers(**wanted):
        return [log["blockNumber"] for log in web3.eth.get_logs(wanted)]

    assert numbers(fromBlock=0, address=first) == [3, 4]
    assert numbers(fromBlock=0, address=[first, second]) == [3, 4, 5]
    assert numbers(fromBlock=0, address=NOBODY) == []
    assert numbers(blockHash=web3.eth.get_block(4)["hash"]) == [4]
    assert numbers(blockHash=web3.eth.get_block(1)["hash"]) == []


# --- what is not there


def test_what_does_not_exist_is_not_found(web3):
    with pytest.raises(BlockNotFound):
        web3.eth.get_block(1)
    with pytest.raises(BlockNotFound):
        web3.eth.get_block("0x" + "11" * 32)
    with pytest.raises(TransactionNotFound):
        web3.eth.get_transaction("0x" + "11" * 32)
    with pytest.raises(TransactionNotFound):
        web3.eth.get_transaction_receipt("0x" + "11" * 32)
    with pytest.raises(Web3RPCError, match="block not found"):
        web3.eth.get_balance(NOBODY, 1)


def test_the_node_names_its_chain(web3):
    assert (web3.eth.chain_id, web3.net.version) == (31337, "31337")
    assert web3.is_connected()
    assert web3.client_version.startswith("fedledger/")
    assert web3.eth.accounts == []
    assert web3.eth.syncing is False


def test_an_unknown_account_is_empty(web3):
    stranger = Account.create().address
    assert web3.eth.get_balance(stranger) == web3.eth.get_transaction_count(stranger) == 0


def test_a_blocks_receipts_come_together(web3, send):
    receipt = send(web3, to=NOBODY)
    (same,) = web3.provider.make_request("eth_getBlockReceipts", ["latest"])["result"]
    assert same["transactionHash"] == "0x" + receipt["transactionHash"].hex().removeprefix("0x")
