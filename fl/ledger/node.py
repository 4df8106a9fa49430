"""One JSON-RPC node: what it was asked, and its silence or its errors in words."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests
from eth_utils.address import to_checksum_address
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.exceptions import (
    BadFunctionCallOutput,
    BlockNotFound,
    ContractLogicError,
    Web3Exception,
    Web3RPCError,
)
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers import BaseProvider
from web3.providers.rpc.utils import ExceptionRetryConfiguration

from fl.errors import LedgerUnavailable, UsageError
from fl.ledger.abi import artifact, refusal
from fl.ledger.types import Address

_BLANK = re.compile(r"\s")


class NodeRefused(LedgerUnavailable):
    """The node answered, with an error that is not the contract's."""


class Node:
    """A node behind a web3 provider.

    Raises LedgerUnavailable when it does not answer, and UsageError for an address that holds no such
    contract. Reads are of the pending block: what a transaction sent now would see.
    """

    def __init__(self, provider: BaseProvider) -> None:
        self.web3 = Web3(provider)
        # consortium chains sign their blocks in an extraData longer than the main net's 32 bytes
        self.web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        self.name = _shown(str(getattr(provider, "endpoint_uri", "")))
        with self.asked("eth_chainId"):
            self.chain_id = self.web3.eth.chain_id

    def contract(self, address: Address, name: str) -> Contract:
        """The contract at `address`, with the ABI of the artifact of that name."""
        with self.asked("eth_getCode"):
            code = self.web3.eth.get_code(to_checksum_address(address), "pending")
        if not code:
            message = f"{self.name} has no contract at {address}; its chain's id is {self.chain_id}."
            raise UsageError(message, "Check the address and the chain.")
        return self.web3.eth.contract(
            to_checksum_address(address), abi=artifact(name).abi, decode_tuples=True
        )

    def now(self) -> int:
        """The pending block's time, in Unix seconds."""
        with self.asked("eth_getBlockByNumber"):
            try:
                return self.web3.eth.get_block("pending")["timestamp"]
            except (Web3RPCError, BlockNotFound, KeyError):
                # a node without a pending block: its next one is stamped by the wall clock
                return max(self.web3.eth.get_block("latest")["timestamp"], int(time.time()))

    def block_time(self, block: int) -> int:
        """When a block was made, in Unix seconds."""
        with self.asked("eth_getBlockByNumber"):
            return self.web3.eth.get_block(block)["timestamp"]

    @contextmanager
    def asked(self, question: str) -> Iterator[None]:
        """Turn what goes wrong while the node is asked into our exceptions; `question` names it."""
        try:
            yield
        except ContractLogicError as error:
            raise refusal(_revert_data(error), question) from error
        except BadFunctionCallOutput as error:
            message = f"{self.name} was asked about a contract that is no federation."
            raise UsageError(message, "Check the address and the chain.") from error
        except Web3RPCError as error:
            raise NodeRefused(f"{self.name} refused {question}: {_reason(error)}") from error
        except (Web3Exception, OSError, ValueError) as error:
            message = f"{self.name} gave no sensible answer to {question} ({type(error).__name__})."
            raise LedgerUnavailable(message, "Is the node running, and is this its RPC endpoint?") from error


def http_provider(url: str, timeout: float = 30.0) -> HTTPProvider:
    """A provider for a node's HTTP endpoint; requests time out after `timeout` seconds.

    A connection that fails is tried three times within half a second.

    Raises UsageError for anything but an http or https URL.
    """
    if not _is_endpoint(url):
        raise UsageError(f"{url!r} is no RPC endpoint.", "It should look like http://127.0.0.1:8545.")
    retry = ExceptionRetryConfiguration(errors=(requests.ConnectionError,), retries=3)
    return HTTPProvider(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=retry)


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        valid = parts.port != 0  # asking for the port checks it
    except ValueError:
        return False
    return valid and parts.scheme in ("http", "https") and bool(parts.hostname) and not _BLANK.search(url)


def _shown(url: str) -> str:
    """An endpoint without what may be secret in it: user, path and query often hold an API key."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"The node at {parts.scheme}://{parts.hostname}{port}" if parts.hostname else "The embedded chain"


def _revert_data(error: ContractLogicError) -> bytes:
    data = error.data
    return bytes.fromhex(data[2:]) if isinstance(data, str) and data.startswith("0x") else b""


def _reason(error: Web3RPCError) -> str:
    response = error.rpc_response
    return str(response["error"]["message"]) if response and "error" in response else str(error)
