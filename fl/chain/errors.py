"""The chain's answers of "no", each with its JSON-RPC code (JSON-RPC 2.0 section 5.1, EIP-1474)."""

from __future__ import annotations

from typing import ClassVar

from fl.errors import ChainError


class RpcError(ChainError):
    """A request that the node refuses. `data` is 0x-hex for a revert, else None."""

    code: ClassVar[int] = -32000

    def __init__(self, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.data = data


class ParseError(RpcError):
    """The body is not JSON."""

    code = -32700


class InvalidRequest(RpcError):
    """The body is JSON, but not a request."""

    code = -32600


class MethodNotFound(RpcError):
    """The node has no such method."""

    code = -32601


class InvalidParams(RpcError):
    """A method was called with parameters that it does not take."""

    code = -32602


class InternalError(RpcError):
    """A fault of the node's own."""

    code = -32603


class BlockNotFound(RpcError):
    """No block has this number or hash."""

    code = -32001

    def __init__(self, block: object) -> None:
        super().__init__(f"block not found: {block}")


class TransactionRejected(RpcError):
    """A transaction that no block can take; nothing was changed."""


class ExecutionFailed(RpcError):
    """A call ran out of gas or broke a rule of the EVM."""


class ExecutionReverted(RpcError):
    """A call ended with REVERT; `data` is what the contract returned (Solidity: its error, ABI-encoded)."""

    code = 3
