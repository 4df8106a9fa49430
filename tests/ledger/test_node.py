"""A ledger over a node that is not there, not what it should be, or moves on in between."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.errors import LedgerUnavailable, Refused, UsageError
from fl.ledger.accounts import account_from_seed
from fl.ledger.contract import Web3Ledger
from fl.ledger.deploy import deploy, mint
from fl.ledger.node import http_provider
from fl.ledger.types import Address, TaskParams

OWNER, SPONSOR, POOR = (account_from_seed(b"node tests", name) for name in ("owner", "sponsor", "poor"))
NOWHERE = Address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")


@pytest.fixture
def provider(tmp_path):
    alloc = {OWNER.address: 10**21, SPONSOR.address: 10**21}
    with EmbeddedNode.create(tmp_path / "chain.db", alloc=alloc, virtual_time=True) as node:
        yield EmbeddedProvider(node)


@pytest.fixture
def deployed(provider):
    return deploy(provider, OWNER)


def create_task(ledger):
    people = (Address(OWNER.address), Address(SPONSOR.address))
    return ledger.create_task(TaskParams(b"\1" * 32, b"\2" * 32, *people, 1, 1, 60, 60, 0))


# --- nodes that give no answer


def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_an_endpoint_where_nobody_listens_is_named_without_the_key_in_its_path():
    port = closed_port()
    with pytest.raises(LedgerUnavailable, match=f"http://127.0.0.1:{port} gave no sensible answer") as caught:
        Web3Ledger(http_provider(f"http://127.0.0.1:{port}/v3/secret-key"), NOWHERE)
    assert "secret-key" not in caught.value.message
    assert caught.value.hint


class WebSite(BaseHTTPRequestHandler):
    """Answers everything with a page."""

    def do_POST(self):
        page = b"<html>Welcome!</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *args):
        pass


def test_an_endpoint_that_is_some_web_site_is_no_node():
    with HTTPServer(("127.0.0.1", 0), WebSite) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        with pytest.raises(LedgerUnavailable, match="no sensible answer"):
            Web3Ledger(http_provider(f"http://127.0.0.1:{site.server_port}"), NOWHERE)
        site.shutdown()


@pytest.mark.parametrize("url", ["", "localhost:8545", "ws://localhost:8545", "http://", "chain.db"])
def test_an_endpoint_that_is_no_http_address_is_a_usage_error(url):
    with pytest.raises(UsageError, match="is no RPC endpoint"):
        http_provider(url)


# --- addresses that hold something else


def test_an_address_without_code_is_a_usage_error(provider):
    with pytest.raises(UsageError, match=f"no contract at {NOWHERE}"):
        Web3Ledger(provider, NOWHERE)


def test_another_contract_than_a_federation_is_a_usage_error(provider, deployed):
    with pytest.raises(UsageError, match="no federation"):
        Web3Ledger(provider, deployed.token)


# --- sending


def test_who_cannot_pay_for_gas_is_told_so(provider, deployed):
    task = create_task(Web3Ledger(provider, deployed.contract, OWNER))
    poor = Web3Ledger(provider, deployed.contract, POOR)
    with pytest.raises(LedgerUnavailable, match=f"{POOR.address} has 0 wei") as caught:
        poor.fund(task, 0)
    assert "own coin" in caught.value.hint


def test_only_its_owner_mints_the_demonstration_token(provider, deployed):
    with pytest.raises(Refused) as caught:
        mint(provider, SPONSOR, deployed.token, Address(SPONSOR.address), 1)
    assert (caught.value.name, caught.value.arguments) == ("OwnableUnauthorizedAccount", (SPONSOR.address,))


class Overtaken(EmbeddedProvider):
    """Somebody else's transaction is mined first, once, just before ours."""

    def __init__(self, node, overtake):
        super().__init__(node)
        self._overtake = [overtake]

    def make_request(self, method, params):
        if method == "eth_sendRawTransaction" and self._overtake:
            self._overtake.pop()()
        return super().make_request(method, params)


def test_a_call_overtaken_between_simulation_and_mining_is_refused_by_name(tmp_path):
    alloc = {OWNER.address: 10**21, SPONSOR.address: 10**21}
    with EmbeddedNode.create(tmp_path / "chain.db", alloc=alloc, virtual_time=True) as node:
        direct = EmbeddedProvider(node)
        contract, _ = deploy(direct, OWNER)
        owner = Web3Ledger(direct, contract, OWNER)
        task = create_task(owner)
        sponsor = Web3Ledger(Overtaken(node, lambda: owner.end_task(task)), contract, SPONSOR)
        with pytest.raises(Refused) as caught:
            sponsor.end_task(task)
    assert caught.value.name == "TaskHasEnded"


class Idle(EmbeddedProvider):
    """Takes transactions, and never says that one was mined."""

    def make_request(self, method, params):
        if method == "eth_getTransactionReceipt":
            return {"jsonrpc": "2.0", "id": 1, "result": None}
        return super().make_request(method, params)


def test_a_transaction_that_is_not_mined_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    alloc = {OWNER.address: 10**21}
    with EmbeddedNode.create(tmp_path / "chain.db", alloc=alloc, virtual_time=True) as node:
        contract, _ = deploy(EmbeddedProvider(node), OWNER)
        owner = Web3Ledger(Idle(node), contract, OWNER)
        monkeypatch.setattr("fl.ledger.confirming.PATIENCE", 0.01)
        with pytest.raises(LedgerUnavailable, match=r"did not mine 0x\w{64} \(setPaused\)"):
            owner.set_paused(True)


def test_one_account_used_by_two_ledgers_never_repeats_a_nonce(provider, deployed):
    first, second = (Web3Ledger(provider, deployed.contract, OWNER) for _ in range(2))
    for ledger in (first, second, first):
        ledger.set_paused(True)
    assert second.paused()


def test_a_transaction_that_nobody_sent_has_no_gas(provider, deployed):
    with pytest.raises(LedgerUnavailable, match="knows no transaction 0xabab"):
        Web3Ledger(provider, deployed.contract).gas(b"\xab" * 32)
