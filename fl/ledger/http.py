"""A node's HTTP endpoint: what fails in passing is asked again, a few times and not for long."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any, cast

import requests
from eth_typing import URI
from pydantic_core import from_json  # bounds nesting; the json module overflows the stack
from urllib3.exceptions import HTTPError, ReadTimeoutError
from web3.providers import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

PAUSES = (0.1, 0.4, 1.6)
"""Seconds before each further try."""

_LARGEST = 64 << 20
"""Bytes of an answer: far more than the logs of as many blocks as we ever ask for at once."""
_PIECE = 64 << 10

_PASSING = {408, 425, 429, 500, 502, 503, 504}
_LIMITED = {429, -32005}
"""JSON-RPC codes of a node that is asked too often: as in HTTP, and EIP-1474's "limit exceeded"."""
_TOO_WIDE = re.compile(r"block|range|result|response", re.IGNORECASE)
"""In a node's words this means that one eth_getLogs wants too much, which asking again does not change."""


class HttpProvider(JSONBaseProvider):
    """One endpoint, which has `timeout` seconds for each answer.

    Asked again is what passes by itself: connections that are refused or break off, HTTP 429 and 5xx, "limit
    exceeded", an answer to another request. No try begins once `timeout` seconds are over, and a node that
    asks for more is not waited for. The bytes are the same each time, so no transaction is sent twice.
    The body of an answer is read until `timeout` seconds are over, and up to 64 MiB.
    Raises what `requests` does, and ValueError for what is no answer of JSON-RPC.
    """

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        super().__init__()
        self.endpoint_uri = URI(url)
        self._timeout = timeout
        self._session = requests.Session()
        # compressed, an answer could be a bomb
        self._session.headers.update({"Content-Type": "application/json", "Accept-Encoding": "identity"})

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Ask the node, and again while there is hope."""
        request = self.encode_rpc_request(method, params)
        until = time.monotonic() + self._timeout
        for pause in PAUSES:
            try:
                answer = self._ask(request)
            except requests.RequestException as error:
                wanted = max(pause, _wanted(error))
                if time.monotonic() + wanted > until:
                    raise
                time.sleep(wanted)
            else:
                if not _limited(answer):
                    return answer
                time.sleep(pause)
        return self._ask(request)

    def _ask(self, request: bytes) -> RPCResponse:
        answer = from_json(self._post(request))
        if not isinstance(answer, dict):
            raise ValueError("no answer of JSON-RPC")  # noqa: TRY004 - wrong bytes, no wrong call
        if "result" in answer and str(answer.get("id")) != str(json.loads(request)["id"]):
            raise requests.ConnectionError("the answer to another request")
        return cast(RPCResponse, answer)

    def _post(self, request: bytes) -> bytes:
        until = time.monotonic() + self._timeout
        # nobody sends us elsewhere: `requests` would read the whole body of a redirection
        with self._session.post(
            str(self.endpoint_uri), request, timeout=self._timeout, stream=True, allow_redirects=False
        ) as said:
            if said.is_redirect or not said.ok:
                raise requests.HTTPError(f"HTTP {said.status_code}", response=said)
            return _body(said, until)


def _body(said: requests.Response, until: float) -> bytes:
    """All of an answer, of which `requests` would wait for each piece anew."""
    body = bytearray()
    try:
        while piece := said.raw.read1(_PIECE):
            body += piece
            if len(body) > _LARGEST:
                raise ValueError("an endless answer")
            if time.monotonic() > until:
                raise requests.Timeout("the answer comes too slowly")
    except ReadTimeoutError as error:
        raise requests.ReadTimeout(error) from error
    except HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
    return bytes(body)


def _wanted(error: requests.RequestException) -> float:
    """Seconds to wait before asking again, as far as the node says; endless for what does not pass."""
    if error.response is None:
        return 0.0 if isinstance(error, _BROKEN) else float("inf")
    if error.response.status_code not in _PASSING:
        return float("inf")
    said = error.response.headers.get("Retry-After", "")
    return float(said) if said.isascii() and said.isdigit() else 0.0


_BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def _limited(answer: RPCResponse) -> bool:
    error: Any = answer.get("error")
    if not isinstance(error, Mapping) or error.get("code") not in _LIMITED:
        return False
    return not _TOO_WIDE.search(str(error.get("message")))
