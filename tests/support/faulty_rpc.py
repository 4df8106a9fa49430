"""A proxy in front of a node that behaves as real endpoints do on bad days.

    with FaultyRpc(node.url) as proxy:
        proxy.fail(status(429, retry_after="1"), "eth_call", times=2)
        Web3Ledger(http_provider(proxy.url), …)

A fault is given a request and a way to ask the node, and returns an answer, or None to hang up.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `cut` bytes at its end are announced and never sent, `pause` seconds go before each."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    pause: float = 0.0


Ask = Callable[[], bytes]
Fault = Callable[[Json, Ask], Answer | None]


# --- faults


def hang_up(_request: Json, _ask: Ask) -> None:
    """The connection ends without an answer, and the node never hears of the request."""


def lose_the_answer(_request: Json, ask: Ask) -> None:
    """The node did as it was asked, and nobody learns of it."""
    ask()


def twice(_request: Json, ask: Ask) -> Answer:
    """The node gets the request twice, and its second answer counts."""
    ask()
    return Answer(ask())


def cut_off(_request: Json, ask: Ask) -> Answer:
    """The second half of the answer is missing."""
    body = ask()
    return Answer(body[: len(body) // 2], cut=len(body) - len(body) // 2)


def page(_request: Json, _ask: Ask) -> Answer:
    """A web page, as from the login of some network."""
    return Answer(b"<html><body>Please log in.</body></html>")


def of_another(_request: Json, ask: Ask) -> Answer:
    """The answer has the id of another request."""
    return Answer(json.dumps(json.loads(ask()) | {"id": 987_654_321}).encode())


def slow(seconds: float) -> Fault:
    """The answer comes late."""

    def late(_request: Json, ask: Ask) -> Answer:
        time.sleep(seconds)
        return Answer(ask())

    return late


def trickle(seconds: float) -> Fault:
    """So long before each byte of the answer."""
    return lambda _request, ask: Answer(ask(), pause=seconds)


def status(code: int, **headers: str) -> Fault:
    """An HTTP status in place of an answer; `retry_after="1"` becomes the header Retry-After."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return lambda _request, _ask: Answer(b"no", code, named)


def body(raw: bytes) -> Fault:
    """These bytes as the answer."""
    return lambda _request, _ask: Answer(raw)


def result(value: object) -> Fault:
    """A well-formed answer with this result."""
    return lambda request, _ask: _said(request, result=value)


def error(code: int, message: str, *data: object) -> Fault:
    """A well-formed answer with this error, and data where they are given."""
    said = {"code": code, "message": message} | ({"data": data[0]} if data else {})
    return lambda request, _ask: _said(request, error=said)


def _said(request: Json, **content: object) -> Answer:
    return Answer(json.dumps({"jsonrpc": "2.0", "id": request["id"], **content}).encode())


def few_blocks(most: int) -> Fault:
    """Log scans over more blocks than that are refused."""

    def refuse(request: Json, ask: Ask) -> Answer:
        (wanted,) = request["params"]
        if int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) < most:
            return Answer(ask())
        return _said(request, error={"code": -32005, "message": f"block range is limited to {most}"})

    return refuse


def few_results(most: int) -> Fault:
    """Log scans that find more than that are refused."""

    def refuse(request: Json, ask: Ask) -> Answer:
        if len(json.loads(raw := ask())["result"]) <= most:
            return Answer(raw)
        return _said(request, error={"code": -32005, "message": f"query returned more than {most} results"})

    return refuse


# --- the proxy


@dataclass
class _Planned:
    fault: Fault
    method: str | None
    after: int
    times: int

    def due(self, method: str) -> bool:
        if self.method not in (None, method) or self.times == 0:
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return True


class FaultyRpc(ThreadingHTTPServer):
    """Passes requests on to `node`, but for what it was told to get wrong; `seen` are all of them."""

    daemon_threads = True
    block_on_close = False  # whoever is kept waiting by a slow answer is not waited for

    def __init__(self, node: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.node = node
        self.seen: list[Json] = []
        self.visited: list[str] = []  # paths that were asked for as a web site's are
        self._planned: list[_Planned] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def fail(self, fault: Fault, method: str | None = None, *, after: int = 0, times: int = -1) -> None:
        """Let `times` requests (-1: all) for `method` (None: any) go wrong, `after` so many that go well."""
        self._planned.append(_Planned(fault, method, after, times))

    def heal(self) -> None:
        """Forget all faults."""
        self._planned.clear()

    def asked(self, method: str) -> list[Any]:
        """The parameters of every request for a method."""
        return [request["params"] for request in self.seen if request["method"] == method]

    def answer(self, raw: bytes) -> Answer | None:
        request = json.loads(raw)

        def ask() -> bytes:
            return requests.post(self.node, raw, headers=_JSON, timeout=30).content

        with self._lock:
            self.seen.append(request)
            due = next((one for one in self._planned if one.due(request["method"])), None)
        return due.fault(request, ask) if due else Answer(ask())

    def __enter__(self) -> FaultyRpc:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay quiet: clients that give up are what the tests are about."""


_JSON = {"Content-Type": "application/json"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyRpc

    def do_POST(self) -> None:
        answer = self.server.answer(self.rfile.read(int(self.headers["Content-Length"])))
        self.close_connection = answer is None or answer.cut > 0
        if answer is None:
            return
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body) + answer.cut))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if not answer.pause:
            self.wfile.write(answer.body)
            return
        for byte in answer.body:
            time.sleep(answer.pause)
            self.wfile.write(bytes([byte]))

    def do_GET(self) -> None:
        self.server.visited.append(self.path)
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""
