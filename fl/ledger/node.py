"""One JSON-RPC node: what it was asked, and its silence or its errors in words."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

import requests
from eth_abi.exceptions import DecodingError
from web3 import Web3
from web3.exceptions import (
    ContractLogicError,
    Web3Exception,
    Web3RPCError,
)
from web3.providers import BaseProvider
from web3.types import RPCEndpoint, TxParams

from fl.addresses import checksummed
from fl.errors import LedgerUnavailable, UsageError
from fl.ledger.abi import call_data, refusal, returned
from fl.ledger.answers import Log, Receipt, data, quantity
from fl.ledger.http import PAUSES, HttpProvider
from fl.ledger.types import Address

T = TypeVar("T")

Block = int | bytes | Literal["latest", "pending"]
"""A block's number, its hash, the newest block, or the one that would be made now."""

CHECK = "Check the address and the chain."

_BLANK = re.compile(r"\s")


class NodeRefused(LedgerUnavailable):
    """The node answered, with an error that is not the contract's."""


class NoContract(LedgerUnavailable):
    """What answers at the contract's address is not the contract."""


class Node:
    """A node behind a web3 provider.

    Raises LedgerUnavailable when it does not answer, and UsageError for an address that holds no such
    contract. Reads are of the pending block: what a transaction sent now would see.
    """

    def __init__(self, provider: BaseProvider) -> None:
        # web3's own middlewares look for names in place of addresses, ask for the chain each time, …
        self.web3 = Web3(provider, middleware=[])
        self.name = _shown(str(getattr(provider, "endpoint_uri", "")))
        self.chain_id = self._chain()
        self._seen: dict[Address, int] = {}

    def _chain(self) -> int:
        with self.asked("eth_chainId"):
            return int(self.web3.eth.chain_id)

    def demand_chain(self) -> None:
        """Raise LedgerUnavailable when the node is not on the chain any more that it was opened on."""
        if (now := self._chain()) != self.chain_id:
            message = f"{self.name} was on the chain {self.chain_id}, and is on the chain {now} now."
            raise LedgerUnavailable(message, "Name a node of the task's own chain.")

    def demand_contract(self, address: Address) -> None:
        """Raise UsageError when no contract is at `address`."""
        with self.asked("eth_getCode"):
            code = self.web3.eth.get_code(checksummed(address), "pending")
        if not code:
            message = f"{self.name} has no contract at {address}; its chain's id is {self.chain_id}."
            raise UsageError(message, CHECK)

    # --- running messages

    def call(self, to: Address, function: str, *arguments: object, block: Block = "pending") -> Any:
        """What a function of one of our contracts gives back. Raises Refused, NoContract and UsageError."""
        message = {"to": to, "data": "0x" + call_data(function, arguments).hex()}
        with self.asked(function):
            return returned(function, data(self._run("eth_call", message, block)))

    def estimate(self, message: TxParams, block: Block) -> int:
        """The gas that a message needs, which is run to know it; to be used inside `asked`."""
        return quantity(self._run("eth_estimateGas", message, block))

    def _run(self, method: str, message: object, block: Block) -> Any:
        """What comes of a message; for the node's errors ContractLogicError, and `asked` tells which are."""
        try:
            return self._result(method, message, _shown_block(block))
        except Web3RPCError as refused:
            error = cast(Any, refused.rpc_response)["error"]
            raise ContractLogicError(refused.message, data=error.get("data")) from refused

    # --- what is asked often: raw, since web3's formatting takes longer than many an answer

    def _result(self, method: str, *parameters: object) -> Any:
        """What the node answers, as it says it. Raises Web3RPCError for the node's errors, as web3 does."""
        response = self.web3.provider.make_request(RPCEndpoint(method), parameters)
        error: Any = response.get("error")
        if error is not None:
            raise Web3RPCError(str(error["message"]), rpc_response=response)
        return response["result"]

    def _block(self, block: Block) -> Any:
        """A block without its transactions, as the node says it; to be used inside `asked`."""
        method = "eth_getBlockByHash" if isinstance(block, bytes) else "eth_getBlockByNumber"
        return self._result(method, _shown_block(block), False)

    def now(self) -> int:
        """The pending block's time, in Unix seconds."""
        with self.asked("eth_getBlockByNumber"):
            try:
                return quantity(self._block("pending")["timestamp"])
            except (Web3RPCError, TypeError, KeyError):
                # a node without a pending block: its next one is stamped by the wall clock
                return max(quantity(self._block("latest")["timestamp"]), int(time.time()))

    def block_time(self, block: Block) -> int:
        """When a block was made, in Unix seconds."""
        with self.asked("eth_getBlockByNumber"):
            return quantity(self._block(block)["timestamp"])

    def newest(self) -> tuple[int, int | None]:
        """The newest block's number, and the wei that each unit of gas burns there (EIP-1559) if any does."""
        with self.asked("eth_getBlockByNumber"):
            block = self._block("latest")
            base = block.get("baseFeePerGas")
            return quantity(block["number"]), None if base is None else quantity(base)

    def head(self) -> int:
        """The newest mined block's number."""
        with self.asked("eth_blockNumber"):
            return quantity(self._result("eth_blockNumber"))

    def nonce(self, address: str, block: Block) -> int:
        """How many transactions an account has sent, as of a block."""
        with self.asked("eth_getTransactionCount"):
            return quantity(self._result("eth_getTransactionCount", address, _shown_block(block)))

    def logs(self, contract: Address, topics: Sequence[Sequence[bytes]], first: int, last: int) -> list[Log]:
        """Logs of a contract in the blocks `first` to `last` by their topics (any of each position's)."""
        wanted = {
            "address": contract,
            "topics": [["0x" + topic.hex() for topic in words] for words in topics],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        with self.asked("eth_getLogs"):
            found = [Log.read(said) for said in self._result("eth_getLogs", wanted)]
            for log in found:
                if log.address != contract or log.topics[0] not in topics[0]:
                    raise ValueError(f"a log that was not asked for: {log!r:.200}")
            return found

    def receipt(self, transaction: bytes) -> Receipt | None:
        """What became of a transaction; None while no block holds it."""
        with self.asked("eth_getTransactionReceipt"):
            said = self._result("eth_getTransactionReceipt", "0x" + transaction.hex())
            return None if said is None else Receipt.read(said)

    def send(self, raw: bytes) -> None:
        """Give a signed transaction to the node; to be used inside `asked`."""
        self._result("eth_sendRawTransaction", "0x" + raw.hex())

    def knows(self, transaction: bytes) -> bool:
        """Whether the node has a transaction, in a block or waiting for one."""
        with self.asked("eth_getTransactionByHash"):
            return self._result("eth_getTransactionByHash", "0x" + transaction.hex()) is not None

    # --- contracts

    def holds_code(self, address: Address, block: int) -> bool:
        """Whether there was a contract at `address` as of a block; it never goes once it is there."""
        if block >= self._seen.get(address, block + 1):
            return True
        with self.asked("eth_getCode"):
            held = bool(self.web3.eth.get_code(checksummed(address), block))
        if held:
            self._seen[address] = block
        return held

    def birth(self, address: Address) -> int:
        """The first block with a contract at `address`; 0 when the node has forgotten how it was then."""
        low, high = 0, self._seen.get(address) or self.head()
        try:
            while low < high:
                middle = (low + high) // 2
                low, high = (low, middle) if self.holds_code(address, middle) else (middle + 1, high)
        except NodeRefused:
            return 0
        return low

    def demand_whole_chain(self) -> None:
        """Raise LedgerUnavailable while the node is still catching up with the chain."""
        with self.asked("eth_syncing"):
            state = self.web3.eth.syncing
            # geth also speaks of syncing while it only indexes old transactions
            if isinstance(state, bool) or state["currentBlock"] >= state["highestBlock"]:
                return
        message = f"{self.name} has read the chain up to block {state['currentBlock']}"
        raise LedgerUnavailable(f"{message} of {state['highestBlock']}.", "Wait until it has it all.")

    def takes_nothing_back(self) -> bool:
        """Whether it is our embedded chain, where what is mined stays mined."""
        try:
            with self.asked("web3_clientVersion"):
                return self.web3.client_version.startswith("fedledger/")
        except NodeRefused:  # some providers tell nobody what they run
            return False

    def patiently(self, ask: Callable[[], T]) -> T:
        """Ask again for what a node refuses: behind one address may be several, of which one lags behind."""
        for pause in PAUSES:
            try:
                return ask()
            except NodeRefused:
                time.sleep(pause)
        return ask()

    @contextmanager
    def asked(self, question: str) -> Iterator[None]:
        """Turn what goes wrong while the node is asked into our exceptions; `question` names it."""
        try:
            yield
        except ContractLogicError as error:
            if not _is_revert(error):
                raise NodeRefused(f"{self.name} refused {question}: {_reason(error)}") from error
            raise refusal(_revert_data(error), question) from error
        except DecodingError as error:
            self.demand_chain()
            message = f"{self.name} does not answer {question} as the contract does."
            raise NoContract(message, "Has the node lost its data, or is this another contract?") from error
        except Web3RPCError as error:
            raise NodeRefused(f"{self.name} refused {question}: {_reason(error)}") from error
        # an answer of another shape than its method's makes web3 trip in many ways
        except (Web3Exception, OSError, ValueError, TypeError, AttributeError, LookupError) as error:
            message = f"{self.name} gave no sensible answer to {question} ({_kind(error)})."
            raise LedgerUnavailable(message, _hint(error)) from error


def http_provider(url: str, timeout: float = 30.0) -> HttpProvider:
    """A provider for a node's HTTP endpoint; the node has `timeout` seconds for each answer.

    Raises UsageError for anything but an http or https URL.
    """
    if not _is_endpoint(url):
        raise UsageError(f"{url!r} is no RPC endpoint.", "It should look like http://127.0.0.1:8545.")
    return HttpProvider(url, timeout)


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


def _shown_block(block: Block) -> str:
    """A block as JSON-RPC has it."""
    match block:
        case int():
            return hex(block)
        case bytes():
            return "0x" + block.hex()
        case name:
            return name


def _is_revert(error: ContractLogicError) -> bool:
    """Whether the contract refused; web3 also takes errors of the node for that, when their data are odd."""
    if isinstance(error.data, str) and error.data.startswith("0x"):
        return True
    return not isinstance(error.data, dict) and "revert" in str(error.message).lower()


def _revert_data(error: ContractLogicError) -> bytes:
    data = error.data
    return bytes.fromhex(data[2:]) if isinstance(data, str) and data.startswith("0x") else b""


def _reason(error: Web3RPCError | ContractLogicError) -> str:
    response = error.rpc_response if isinstance(error, Web3RPCError) else None
    said = response["error"]["message"] if response and "error" in response else error.message or error
    return str(said).removeprefix("execution reverted: ")  # which web3 puts before what it takes for a revert


def _kind(error: Exception) -> str:
    """What went wrong, without the address, in which there may be a key."""
    said = error.response if isinstance(error, requests.HTTPError) else None
    return type(error).__name__ if said is None else f"HTTP {said.status_code}"


def _hint(error: Exception) -> str:
    if _kind(error) == "HTTP 429":
        return "It is asked more often than it allows: wait, or use a node of your own."
    return "Is the node running, and is this its RPC endpoint?"
