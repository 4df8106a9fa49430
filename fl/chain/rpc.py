"""JSON-RPC 2.0: requests in, responses out, whatever carries them."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic_core import from_json as parse_json  # bounds nesting; the json module overflows the stack

from fl.chain.errors import (
    InternalError,
    InvalidParams,
    InvalidRequest,
    MethodNotFound,
    ParseError,
    RpcError,
)
from fl.chain.methods import READS, TIME_CONTROLS, WRITES, Method
from fl.chain.node import EmbeddedNode
from fl.errors import ChainError

Response = dict[str, Any]

_LARGEST_BATCH = 1000

_log = logging.getLogger(__name__)


class Rpc:
    """The methods of one node."""

    def __init__(self, node: EmbeddedNode) -> None:
        self._node = node
        self._writes = WRITES | TIME_CONTROLS if node.is_virtual else WRITES

    def call(self, method: str, params: Sequence[object] | Mapping[str, object] = ()) -> Any:
        """Run one method and return its result. Raises RpcError and ChainError."""
        if method in READS:
            with self._node.reading() as snapshot:
                return _invoke(READS[method], snapshot, params)
        if method in self._writes:
            return _invoke(self._writes[method], self._node, params)
        raise MethodNotFound(f"the method {method} does not exist here")

    def answer_json(self, body: bytes) -> bytes:
        """Answer a request or a batch in JSON; empty when nothing in it wants an answer."""
        try:
            answer = self._answer_any(parse_json(body))
        except ValueError as error:
            answer = _failure(None, ParseError(f"not JSON: {error}"))
        return b"" if answer is None else json.dumps(answer).encode()

    def answer(self, request: object) -> Response | None:
        """Answer one request, or nothing if it is a notification (one without an id)."""
        try:
            method, params, ident = _parts(request)
        except InvalidRequest as error:
            return _failure(None, error)
        try:
            response = {"jsonrpc": "2.0", "id": ident, "result": self.call(method, params)}
        except ChainError as error:
            response = _failure(ident, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the server
            _log.exception("%s failed", method)
            response = _failure(ident, InternalError(f"internal error: {error!r}"))
        return response if isinstance(request, Mapping) and "id" in request else None

    def _answer_any(self, request: object) -> Response | list[Response] | None:
        if not isinstance(request, list):
            return self.answer(request)
        if not 0 < len(request) <= _LARGEST_BATCH:
            return _failure(None, InvalidRequest(f"a batch has 1 to {_LARGEST_BATCH} requests"))
        answers = [answer for one in request if (answer := self.answer(one)) is not None]
        return answers or None


def _parts(request: object) -> tuple[str, Sequence[object] | Mapping[str, object], object]:
    if not isinstance(request, Mapping):
        raise InvalidRequest("a request is an object")
    method, params, ident = request.get("method"), request.get("params", ()), request.get("id")
    if not isinstance(method, str):
        raise InvalidRequest("a request names its method")
    if not isinstance(params, list | tuple | Mapping):
        raise InvalidRequest("params are a list or an object")
    if not isinstance(ident, str | int | float | None):
        raise InvalidRequest("an id is a string or a number")
    return method, params, ident


def _invoke(method: Method, subject: object, params: Sequence[object] | Mapping[str, object]) -> Any:
    if not isinstance(params, Mapping) and len(params) in _counts(method):
        return method(subject, *params)  # without binding them, which takes as long as many an answer
    arguments, named = ((), params) if isinstance(params, Mapping) else (params, {})
    try:
        bound = _signature(method).bind(subject, *arguments, **named)
    except TypeError as error:
        raise InvalidParams(f"wrong parameters: {error}") from None
    return method(*bound.args, **bound.kwargs)


@cache
def _counts(method: Method) -> range:
    """How many parameters it takes besides its subject; methods have no other kinds of them."""
    _, *parameters = _signature(method).parameters.values()
    least = sum(parameter.default is parameter.empty for parameter in parameters)
    return range(least, len(parameters) + 1)


@cache
def _signature(method: Method) -> inspect.Signature:
    return inspect.signature(method)


def _failure(ident: object, error: ChainError) -> Response:
    code = error.code if isinstance(error, RpcError) else InternalError.code
    shown: Response = {"code": code, "message": error.message}
    if isinstance(error, RpcError) and error.data is not None:
        shown["data"] = error.data
    return {"jsonrpc": "2.0", "id": ident, "error": shown}
