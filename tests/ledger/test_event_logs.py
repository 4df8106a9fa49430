"""Logs become events: with the time that the node gives, and none but the federation's own."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from ledger_scene import ACTORS, RICHES, prepare
from twins import Template

from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.errors import LedgerUnavailable
from fl.ledger import events
from fl.ledger.answers import Log
from fl.ledger.contract import Web3Ledger


@pytest.fixture(scope="module")
def federation(tmp_path_factory):
    template = Template.make(tmp_path_factory.mktemp("logs") / "chain.sqlite", ACTORS, RICHES, prepare)
    with EmbeddedNode.open(template.path) as node:
        yield node, template.contract


class Terse(EmbeddedProvider):
    """A node that gives no time with a log, as older ones do."""

    def make_request(self, method, params):
        response = super().make_request(method, params)
        if method == "eth_getLogs":
            for log in response["result"]:
                del log["blockTimestamp"]
        return response


def test_a_node_that_gives_no_time_with_its_logs_is_asked_for_it(federation):
    node, contract = federation
    ledger, terse = Web3Ledger(EmbeddedProvider(node), contract), Web3Ledger(Terse(node), contract)
    assert ledger.history(1) == terse.history(1)
    assert ledger.member_history() == terse.member_history()


class Odd(EmbeddedProvider):
    """A node whose logs say something else in some places; None: nothing there."""

    def __init__(self, node, changes):
        super().__init__(node)
        self._changes = changes

    def make_request(self, method, params):
        response = super().make_request(method, params)
        if method == "eth_getLogs":
            response["result"] = [log | self._changes for log in response["result"]]
        return response


@pytest.mark.parametrize(
    "changes",
    [
        {"blockTimestamp": "soon"},
        {"blockNumber": None},
        {"blockNumber": "0xzz"},
        {"blockNumber": "0x-5"},
        {"blockNumber": "5"},
        {"blockHash": None},
        {"blockHash": "0x12"},
        {"transactionHash": None},
        {"transactionHash": "0x"},
        {"logIndex": None},
        {"logIndex": True},
        {"topics": []},
        {"topics": None},
        {"topics": ["0x" + "ab" * 32]},
        {"data": None},
        {"address": "0x" + "00" * 20},
        {"address": "nobody"},
        {"address": None},
    ],
    ids=str,
)
def test_a_log_that_nobody_asked_for_or_that_is_none_is_a_nodes_fault(federation, changes):
    node, contract = federation
    ledger = Web3Ledger(Odd(node, changes), contract)
    for read in (lambda: ledger.history(1), ledger.member_history):
        with pytest.raises(LedgerUnavailable, match="no sensible answer to eth_getLogs"):
            read()


def log_of(topics, data):
    """A log in the seventh block, the third after its first."""
    return Log(7, 3, bytes(32), bytes(32), "0x" + "11" * 20, tuple(topics), data)


@pytest.mark.parametrize(
    ("topics", "data"),
    [
        ([bytes(32)], bytes(32)),
        ([bytes(32)] * 5, bytes(32)),
        ([bytes(32)] * 4, bytes(31)),
        ([bytes(32)] * 3 + [b"\xff" * 32], bytes(32)),
        ([bytes(32)] * 4, b""),
    ],
)
def test_a_log_that_no_federation_writes_is_no_event_but_a_nodes_fault(topics, data):
    """A submission has three topics after its name, the last an address, and one word of data."""
    with pytest.raises(LedgerUnavailable, match="log 3 of block 7"):
        events.task_event("UpdateSubmitted", log_of(topics, data), time=0)


def test_a_close_with_an_entry_that_names_no_address_is_a_nodes_fault():
    """An entry has its trainer in 20 bytes, and nothing above them."""
    data = encode(["bytes32", "bytes32", "uint64", "uint256[]"], [bytes(32), bytes(32), 0, [2**255]])
    with pytest.raises(LedgerUnavailable, match="log 3 of block 7") as caught:
        events.task_event("RoundClosed", log_of([bytes(32)] * 3, data), time=0)
    assert isinstance(caught.value.__cause__, OverflowError)
