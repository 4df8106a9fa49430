"""Endpoints on bad days: what passes is waited out, what does not is one sentence, nothing is done twice."""

from __future__ import annotations

from contextlib import suppress

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from faulty_rpc import (
    Answer,
    body,
    cut_off,
    error,
    few_blocks,
    few_results,
    hang_up,
    lose_the_answer,
    of_another,
    page,
    result,
    slow,
    status,
    trickle,
    twice,
)
from nodes import Anvil

from fl.errors import FedledgerError, LedgerUnavailable, Refused
from fl.ledger.contract import Web3Ledger
from fl.ledger.http import PAUSES
from fl.ledger.node import http_provider
from fl.wiring import Deployment, open_ledger

pytestmark = pytest.mark.slow

TRIES = len(PAUSES) + 1
PASSING = {
    "hangs up": hang_up,
    "breaks off": cut_off,
    "mixes answers up": of_another,
    "HTTP 429": status(429),
    "HTTP 429 with a time": status(429, retry_after="0"),
    "HTTP 500": status(500),
    "HTTP 502": status(502),
    "HTTP 503": status(503, retry_after="Fri, 31 Dec 1999 23:59:59 GMT"),
    "limit exceeded": error(-32005, "limit exceeded"),
    "code 429": error(429, "Your app has exceeded its compute units per second capacity."),
}
LASTING = {
    "a page": page,
    "nothing": body(b""),
    "null": body(b"null"),
    "a list": body(b"[]"),
    "not UTF-8": body(b"\xff\xfe"),
    "nested so deep that a parser overflows": body(b"[" * 200_000),
    "a redirection": status(307, location="/elsewhere"),
    "HTTP 400": status(400),
    "HTTP 401": status(401),
    "HTTP 403": status(403),
    "a day's pause": status(429, retry_after="86400"),
    "an internal error": error(-32603, "internal error"),
    "an internal error with no data": error(-32603, "internal error", None),
    "a limit with advice": error(-32005, "query returned more than 10000 results", {"see": "https://…"}),
    "no such method": error(-32601, "the method does not exist"),
}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("fl.ledger.http.PAUSES", (0.01,) * len(PAUSES))
    monkeypatch.setattr("fl.ledger.node.PAUSES", (0.01,) * len(PAUSES))


# --- reading


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_passes_by_itself_is_waited_out(federation, proxy, fault):
    ledger = federation.owner(url=proxy.url)
    before = len(proxy.asked("eth_call"))
    proxy.fail(fault, "eth_call", times=TRIES - 1)
    assert ledger.task_count() == 0
    assert len(proxy.asked("eth_call")) - before == TRIES


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_does_not_pass_is_given_up_after_a_few_tries_with_a_sentence(federation, proxy, fault):
    ledger = federation.owner(url=proxy.url)
    before = len(proxy.asked("eth_call"))
    proxy.fail(fault, "eth_call")
    with pytest.raises(LedgerUnavailable, match=f"The node at {proxy.url} .* taskCount"):
        ledger.task_count()
    assert len(proxy.asked("eth_call")) - before == TRIES


@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING)
def test_what_asking_again_does_not_change_is_not_asked_again(federation, proxy, fault):
    ledger = federation.owner(url=proxy.url)
    before = len(proxy.asked("eth_call"))
    proxy.fail(fault, "eth_call")
    with pytest.raises(LedgerUnavailable, match=f"The node at {proxy.url} .* taskCount"):
        ledger.task_count()
    assert len(proxy.asked("eth_call")) - before == 1


def test_a_node_that_is_asked_too_often_is_named_as_such(federation, proxy):
    proxy.fail(status(429), "eth_chainId")
    with pytest.raises(LedgerUnavailable, match=r"eth_chainId \(HTTP 429\)") as caught:
        federation.open(url=proxy.url)
    assert "more often than it allows" in caught.value.hint


def test_a_node_that_says_how_long_to_wait_is_given_that_time(federation, proxy, monkeypatch):
    slept = []
    monkeypatch.setattr("fl.ledger.http.time.sleep", slept.append)
    ledger = federation.open(url=proxy.url)
    proxy.fail(status(429, retry_after="3"), "eth_call", times=1)
    proxy.fail(status(503), "eth_call", times=1)
    ledger.task_count()
    assert slept == [3.0, 0.01]


def test_a_silent_node_is_waited_for_once_and_not_longer_than_agreed(federation, proxy):
    ledger = Web3Ledger(http_provider(proxy.url, timeout=2), federation.contract)
    before = len(proxy.asked("eth_call"))
    proxy.fail(slow(20.0), "eth_call")
    with pytest.raises(LedgerUnavailable, match=r"no sensible answer to taskCount \(ReadTimeout\)"):
        ledger.task_count()
    assert len(proxy.asked("eth_call")) - before == 1


def test_a_node_that_sends_a_byte_now_and_then_is_not_waited_for_longer_either(federation, proxy):
    ledger = Web3Ledger(http_provider(proxy.url, timeout=2), federation.contract)
    before = len(proxy.asked("eth_call"))
    proxy.fail(trickle(0.5), "eth_call")
    with pytest.raises(LedgerUnavailable, match=r"no sensible answer to taskCount \(Timeout\)"):
        ledger.task_count()
    assert len(proxy.asked("eth_call")) - before == 1


def test_an_endless_answer_is_not_read_to_its_end(federation, proxy, monkeypatch):
    monkeypatch.setattr("fl.ledger.http._LARGEST", 1 << 20)
    ledger = federation.open(url=proxy.url)
    proxy.fail(lambda _request, ask: Answer(ask() + b" " * (1 << 20), cut=1 << 30), "eth_call")
    with pytest.raises(LedgerUnavailable, match=r"no sensible answer to taskCount \(ValueError\)"):
        ledger.task_count()


def test_an_answer_of_another_shape_raises_nothing_but_our_own_errors(federation, proxy, monkeypatch):
    monkeypatch.setattr("fl.ledger.confirming.PATIENCE", 0.05)
    ledger = federation.owner(url=proxy.url)
    questions = {
        "eth_chainId": lambda: federation.open(url=proxy.url),
        "eth_syncing": lambda: federation.open(url=proxy.url),
        "eth_getCode": lambda: federation.open(url=proxy.url),
        "eth_call": ledger.task_count,
        "eth_getBlockByNumber": ledger.now,
        "eth_getLogs": ledger.member_history,
        "eth_getTransactionReceipt": lambda: ledger.gas(bytes(32)),
        "eth_estimateGas": lambda: ledger.set_paused(True),
        "eth_getTransactionCount": lambda: ledger.set_paused(True),
        "eth_maxPriorityFeePerGas": lambda: ledger.set_paused(True),
    }
    for method, ask in questions.items():
        for value in (None, "0xzz", "0x", {"number": {}}, [1], [[]], 3.5, "text"):
            if method == "eth_syncing" and not isinstance(value, dict | list):
                continue  # that is not syncing
            proxy.heal()
            proxy.fail(result(value), method)
            with suppress(FedledgerError):  # some shapes are numbers after all
                ask()


# --- logs


@pytest.mark.parametrize("limit", [few_blocks(3), few_results(2)], ids=["blocks", "results"])
def test_every_log_is_read_from_a_node_that_serves_few_at_a_time(federation, proxy, limit):
    federation.mine(17)
    task = federation.create_task()
    federation.mine(10)
    for _ in range(3):
        federation.owner().set_aggregator(task, federation.sponsor().account)
    proxy.fail(limit, "eth_getLogs")
    assert federation.open(url=proxy.url).history(task) == federation.open().history(task)


def test_the_history_of_members_begins_where_the_contract_does(federation, proxy, monkeypatch):
    monkeypatch.setattr("fl.ledger.contract.CHUNK", 8)
    federation.mine(60)
    born = federation.head() + 2
    later = federation.deployed_again()
    later.owner().admit(later.sponsor().account, bytes(32))
    ledger = later.open(url=proxy.url)
    assert ledger.member_history() == later.open().member_history()
    assert len(ledger.member_history()) == 1
    assert int(proxy.asked("eth_getLogs")[0][0]["fromBlock"], 16) == born


def test_where_the_node_has_forgotten_old_blocks_members_are_looked_for_from_the_first(
    federation, proxy, monkeypatch
):
    monkeypatch.setattr("fl.ledger.contract.CHUNK", 8)
    federation.owner().admit(federation.sponsor().account, bytes(32))
    federation.mine(60)
    ledger = federation.open(url=proxy.url)
    proxy.fail(error(-32000, "missing trie node"), "eth_getCode")
    assert len(ledger.member_history()) == 1
    assert int(proxy.asked("eth_getLogs")[0][0]["fromBlock"], 16) == 0


# --- views


def test_a_node_that_lags_behind_the_others_at_its_address_gets_time_to_see_the_block(federation, proxy):
    task = federation.create_task()
    view = federation.open(confirmations=1, url=proxy.url).confirmed()
    for method in ("eth_call", "eth_getLogs"):
        proxy.fail(error(-32000, "header not found"), method, times=2)
    assert view.task(task).terms == b"\1" * 32
    assert len(view.history(task)) == 1


def test_a_view_at_a_block_whose_state_the_node_has_pruned_is_a_sentence(federation, proxy):
    view = federation.open(confirmations=1, url=proxy.url).confirmed()
    proxy.fail(error(-32000, "missing trie node 8f3c"), "eth_call")
    with pytest.raises(LedgerUnavailable, match="refused paused: missing trie node"):
        view.paused()


# --- sending


@pytest.mark.parametrize("fault", [lose_the_answer, twice, hang_up, status(503), status(429)])
def test_what_is_lost_on_the_way_is_sent_again_as_it_was_and_done_once(federation, proxy, fault):
    before = federation.transactions()
    proxy.fail(fault, "eth_sendRawTransaction", times=1)
    done = federation.owner(url=proxy.url).set_paused(True)
    assert federation.transactions() == [*before, "0x" + done.hash.hex()]
    assert len({raw for (raw,) in proxy.asked("eth_sendRawTransaction")}) == 1


def test_a_node_that_takes_every_transaction_and_answers_nothing_does_no_harm(federation, proxy):
    before = federation.transactions()
    proxy.fail(lose_the_answer, "eth_sendRawTransaction")
    task = federation.owner(url=proxy.url).create_task(federation.params())
    assert task == federation.open().task_count() == 1
    assert len(federation.transactions()) == len(before) + 1


def test_a_node_that_only_says_that_it_took_a_transaction_is_given_it_again(federation, proxy):
    proxy.fail(result("0x" + "ab" * 32), "eth_sendRawTransaction", times=1)
    federation.owner(url=proxy.url).set_paused(True)
    assert federation.open().paused()


def test_a_node_that_goes_away_while_a_transaction_is_waited_for_may_come_back(federation, proxy):
    proxy.fail(hang_up, "eth_getTransactionReceipt", times=3 * TRIES)
    done = federation.owner(url=proxy.url).set_paused(True)
    assert federation.transactions()[-1] == "0x" + done.hash.hex()


def test_when_no_transaction_gets_through_the_last_reason_is_told(federation, proxy, monkeypatch):
    monkeypatch.setattr("fl.ledger.confirming.PATIENCE", 0.3)
    proxy.fail(hang_up, "eth_sendRawTransaction")
    with pytest.raises(LedgerUnavailable, match=r"did not mine 0x\w{64} \(setPaused\)") as caught:
        federation.owner(url=proxy.url).set_paused(True)
    assert "look for it" in caught.value.hint
    assert "no sensible answer to setPaused" in caught.value.hint
    assert not federation.open().paused()


def test_a_node_that_refuses_a_transaction_is_quoted(federation, proxy):
    proxy.fail(error(-32000, "transaction underpriced"), "eth_sendRawTransaction")
    with pytest.raises(LedgerUnavailable, match="refused setPaused: transaction underpriced"):
        federation.owner(url=proxy.url).set_paused(True)


# --- another chain behind the same address


@pytest.fixture
def elsewhere(tmp_path_factory):
    with Anvil(tmp_path_factory.mktemp("elsewhere"), "--chain-id", "5") as node:
        yield node


def test_a_node_that_is_on_another_chain_now_is_noticed(federation, proxy, elsewhere):
    elsewhere.give(federation.owner().account)
    ledger = federation.owner(url=proxy.url)
    proxy.node = elsewhere.url
    for ask in (ledger.task_count, lambda: ledger.set_paused(True)):
        with pytest.raises(LedgerUnavailable, match="was on the chain 31337, and is on the chain 5 now"):
            ask()
    assert int(elsewhere.ask("eth_blockNumber"), 16) == 0


def test_a_node_that_lost_its_chain_is_noticed(federation, proxy, tmp_path_factory):
    ledger = federation.owner(url=proxy.url)
    with Anvil(tmp_path_factory.mktemp("empty")) as empty:
        empty.give(federation.owner().account)
        proxy.node = empty.url
        for ask in (ledger.task_count, lambda: ledger.set_paused(True)):
            with pytest.raises(LedgerUnavailable) as caught:
                ask()
            assert "lost its data" in caught.value.hint


# --- opening


def test_a_node_that_is_still_syncing_is_not_used(federation, proxy):
    proxy.fail(
        result({"startingBlock": "0x0", "currentBlock": "0x10", "highestBlock": "0x20"}), "eth_syncing"
    )
    with pytest.raises(LedgerUnavailable, match="up to block 16 of 32") as caught:
        federation.open(url=proxy.url)
    assert caught.value.hint


def test_a_node_that_only_indexes_old_transactions_is_used(federation, proxy):
    proxy.fail(
        result({"startingBlock": "0x0", "currentBlock": "0x20", "highestBlock": "0x20"}), "eth_syncing"
    )
    assert federation.open(url=proxy.url).task_count() == 0


def test_a_node_that_does_not_say_what_it_is_may_take_blocks_back(federation, proxy):
    proxy.fail(error(-32601, "the method web3_clientVersion is not available"), "web3_clientVersion")
    ledger = open_ledger(Deployment(proxy.url, federation.contract, 1, "nowhere"))
    assert ledger.confirmed() is not ledger


def test_no_contract_sends_us_to_a_web_site(federation, proxy):
    """EIP-3668: a call that reverts with OffchainLookup asks the client to fetch an address of its choice."""
    asked = (federation.contract, [f"{proxy.url}/{{sender}}/{{data}}"], b"", bytes(4), b"")
    data = keccak(text="OffchainLookup(address,string[],bytes,bytes4,bytes)")[:4]
    data += encode(["address", "string[]", "bytes", "bytes4", "bytes"], asked)
    ledger = federation.open(url=proxy.url)
    proxy.fail(error(3, "execution reverted", "0x" + data.hex()), "eth_call")
    with pytest.raises(Refused):
        ledger.task_count()
    assert proxy.visited == []
