"""The JSON-RPC envelope and the HTTP around it."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request

import pytest

CHAIN_ID = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}


@pytest.fixture
def post(url):
    def post(body: object, **headers: str) -> tuple[int, object]:
        """Post bytes, or anything else as JSON; return the status and the parsed answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(url, raw, {"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                answer = response.read()
                return response.status, json.loads(answer) if answer else None
        except urllib.error.HTTPError as error:
            return error.code, None

    return post


@pytest.fixture
def error_code(post):
    def error_code(body: object) -> int:
        status, answer = post(body)
        assert (status, answer["jsonrpc"]) == (200, "2.0")
        return answer["error"]["code"]

    return error_code


def test_an_answer_repeats_the_requests_id(post):
    for ident in (7, "seven", None):
        assert post({**CHAIN_ID, "id": ident}) == (200, {"jsonrpc": "2.0", "id": ident, "result": "0x7a69"})


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_not_json_is_a_parse_error(error_code, body):
    assert error_code(body) == -32700


@pytest.mark.parametrize(
    "body",
    [
        [],
        [CHAIN_ID] * 1001,
        "eth_chainId",
        {"id": 1},
        {"id": 1, "method": 1},
        {"id": 1, "method": "eth_chainId", "params": 1},
        {"id": [], "method": "eth_chainId"},
    ],
)
def test_what_is_no_request_is_an_invalid_request(error_code, body):
    assert error_code(body) == -32600


@pytest.mark.parametrize("method", ["eth_mine", "eth_sendTransaction", "__init__", ""])
def test_an_unknown_method_is_not_found(error_code, method):
    assert error_code({"id": 1, "method": method}) == -32601


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBalance", []),
        ("eth_getBalance", ["0x" + "11" * 20, "latest", "more"]),
        ("eth_getBalance", ["0x11"]),
        ("eth_getBalance", [5]),
        ("eth_getBalance", ["11" * 20]),
        ("eth_getBalance", ["0x" + "11" * 20, "newest"]),
        ("eth_getBalance", ["0x" + "11" * 20, "0x"]),
        ("eth_getBalance", ["0x" + "11" * 20, {}]),
        ("eth_getBalance", {"account": "0x" + "11" * 20}),
        ("eth_getStorageAt", ["0x" + "11" * 20, "0x1" + "00" * 32]),
        ("eth_getBlockByNumber", ["0x0", "yes"]),
        ("eth_getTransactionReceipt", ["0x1234"]),
        ("eth_call", ["0x"]),
        ("eth_call", [{"to": "0x" + "11" * 20, "data": "0xabc"}]),
        ("eth_call", [{"to": "0x" + "11" * 20, "value": "five"}]),
        ("eth_call", [{"to": "0x" + "11" * 20, "value": -1}]),
        ("eth_call", [{"to": "0x" + "11" * 20, "accessList": [5]}]),
        ("eth_getLogs", [{"topics": ["0x12"]}]),
        ("eth_getLogs", [{"topics": [None] * 5}]),
        ("eth_getLogs", [{"address": ["0x" + "11" * 20] * 1001}]),
        ("eth_getLogs", [{"blockHash": "0x" + "11" * 32, "fromBlock": "0x0"}]),
        ("eth_feeHistory", ["0x1", "latest", [101]]),
        ("eth_sendRawTransaction", ["hello"]),
    ],
)
def test_wrong_parameters_are_invalid_params(error_code, method, params):
    assert error_code({"id": 1, "method": method, "params": params}) == -32602


def test_numbers_beyond_any_block_are_only_not_found(post):
    def result(method: str, *params: object) -> object:
        return post({"id": 1, "method": method, "params": params})[1]["result"]

    assert result("eth_getBlockByNumber", "0xffffffffffffffffffff") is None
    assert (
        result("eth_getLogs", {"fromBlock": "0xffffffffffffffffffff", "toBlock": "0xffffffffffffffffffff"})
        == []
    )


def test_a_batch_is_answered_one_by_one(post):
    wrong = {"jsonrpc": "2.0", "id": 2, "method": "eth_unknown"}
    _, answers = post([CHAIN_ID, wrong, 5])
    assert answers[0] == {"jsonrpc": "2.0", "id": 1, "result": "0x7a69"}
    assert [answer["error"]["code"] for answer in answers[1:]] == [-32601, -32600]


def test_a_notification_gets_no_answer(post):
    notification = {"jsonrpc": "2.0", "method": "eth_chainId"}
    assert post(notification) == (204, None)
    assert post([notification]) == (204, None)
    assert post([notification, CHAIN_ID])[1] == [{"jsonrpc": "2.0", "id": 1, "result": "0x7a69"}]


def test_named_parameters_are_taken(post):
    request = {
        "id": 1,
        "method": "eth_getBalance",
        "params": {"address": "0x" + "11" * 20, "block": "latest"},
    }
    assert post(request)[1]["result"] == "0x0"


def test_a_body_beyond_the_bound_is_refused_unread(url):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(5 * 2**20 + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize("length", ["-1", "many", ""])
def test_a_body_of_no_known_length_is_refused(post, length):
    assert post(CHAIN_ID, **{"Content-Length": length})[0] == 411


def test_only_json_is_taken_so_that_no_web_page_can_post_here(post):
    assert post(CHAIN_ID, **{"Content-Type": "text/plain"})[0] == 415


def test_one_connection_carries_many_requests(url):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    for _ in range(3):
        connection.request("POST", "/", json.dumps(CHAIN_ID), {"Content-Type": "application/json"})
        assert json.loads(connection.getresponse().read())["result"] == "0x7a69"
    connection.close()
