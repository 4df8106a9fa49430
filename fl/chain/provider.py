"""web3 on an embedded chain, in the same process and without HTTP."""

from __future__ import annotations

from typing import Any, cast

from web3.providers import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from fl.chain.node import EmbeddedNode
from fl.chain.rpc import Rpc


class EmbeddedProvider(BaseProvider):
    """`Web3(EmbeddedProvider(node))`. Safe to share between threads; closing the node stays the caller's."""

    def __init__(self, node: EmbeddedNode) -> None:
        super().__init__()
        self.node = node
        self._rpc = Rpc(node)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Answer as a JSON-RPC server would."""
        return cast(RPCResponse, self._rpc.answer({"id": 1, "method": method, "params": params or ()}))

    def is_connected(self, show_traceback: bool = False) -> bool:  # noqa: ARG002 - web3's signature
        """Say whether the node answers."""
        return "result" in self.make_request(RPCEndpoint("eth_chainId"), ())
