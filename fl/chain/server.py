"""The embedded chain over HTTP, for whoever is not in this process."""

from __future__ import annotations

import logging
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fl.chain.node import EmbeddedNode
from fl.chain.rpc import Rpc
from fl.errors import UsageError

_log = logging.getLogger(__name__)

_LARGEST_BODY = 5 * 2**20
"""Bytes; geth's bound. The largest transaction that a block takes is below 2 MiB, as hexadecimal."""

_PATIENCE = 120.0
"""Seconds after which a silent connection is closed."""


class RpcServer(ThreadingHTTPServer):
    """Serves one node until `shutdown`; a thread for each connection.

    There is no access control: whoever reaches the port may read, and send what is signed.
    Raises UsageError when the address cannot be listened at.
    """

    daemon_threads = True

    def __init__(self, node: EmbeddedNode, host: str = "127.0.0.1", port: int = 8545) -> None:
        self.rpc = Rpc(node)
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise UsageError(
                f"Nothing can be served at {host}:{port}: {error.strerror or error}.",
                "Choose another --port.",
            ) from error

    @property
    def url(self) -> str:
        """Where clients find the server; the port is a real one even if 0 was asked for."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - socketserver's
        """Log what broke a connection; most often the client went away, which is no news for the console."""
        _log.debug("the connection of %s broke", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet for headers and body
    timeout = _PATIENCE
    server: RpcServer

    def do_POST(self) -> None:
        """Answer one JSON-RPC body. Browsers cannot send JSON elsewhere unasked, so nothing else is taken."""
        if self.headers.get_content_type() != "application/json":
            return self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            return self._refuse(HTTPStatus.LENGTH_REQUIRED)
        if int(length) > _LARGEST_BODY:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return self._send(self.server.rpc.answer_json(self.rfile.read(int(length))))

    def _send(self, body: bytes) -> None:
        self.send_response(HTTPStatus.OK if body else HTTPStatus.NO_CONTENT)
        if body:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: HTTPStatus) -> None:
        """Refuse without reading the body, which leaves the connection of no further use."""
        self.close_connection = True
        self.send_error(status)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet: every call of every client would be a line."""
