"""The JSON-RPC methods, one function each (ethereum/execution-apis; `evm_…` as in Hardhat and Anvil)."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from fl.chain import execution, fees, views
from fl.chain.errors import BlockNotFound, InvalidParams
from fl.chain.node import EmbeddedNode
from fl.chain.params import (
    to_address,
    to_block,
    to_bool,
    to_bytes,
    to_int,
    to_log_filter,
    to_message,
    to_word,
)
from fl.chain.snapshot import Snapshot
from fl.chain.views import Json, data, quantity

Method = Callable[..., Any]

READS: dict[str, Method] = {}
"""Methods that are given one Snapshot and change nothing."""

WRITES: dict[str, Method] = {}
"""Methods that are given the node."""

TIME_CONTROLS: dict[str, Method] = {}
"""More such methods, on a chain with virtual time only."""


def _named(name: str, table: dict[str, Method]) -> Callable[[Method], Method]:
    def register(method: Method) -> Method:
        table[name] = method
        return method

    return register


# --- the node


@_named("web3_clientVersion", READS)
def _client_version(_: Snapshot) -> str:
    return f"fedledger/{version('fedledger')}/py-evm-{version('py-evm')}"


@_named("net_version", READS)
def _network(snapshot: Snapshot) -> str:
    return str(snapshot.chain.chain_id)


@_named("net_listening", READS)
def _listening(_: Snapshot) -> bool:
    return True


@_named("eth_chainId", READS)
def _chain_id(snapshot: Snapshot) -> str:
    return quantity(snapshot.chain.chain_id)


@_named("eth_syncing", READS)
def _syncing(_: Snapshot) -> bool:
    return False


@_named("eth_accounts", READS)
def _accounts(_: Snapshot) -> list[str]:
    return []  # the node keeps no keys


# --- fees


@_named("eth_gasPrice", READS)
def _gas_price(snapshot: Snapshot) -> str:
    return quantity(fees.gas_price(snapshot))


@_named("eth_maxPriorityFeePerGas", READS)
def _tip(_: Snapshot) -> str:
    return quantity(fees.SUGGESTED_TIP)


@_named("eth_feeHistory", READS)
def _fee_history(snapshot: Snapshot, count: object, newest: object, percentiles: object = None) -> Json:
    block = to_block(newest)
    number = snapshot.header("latest" if block == "pending" else block).block_number
    return fees.fee_history(snapshot, to_int(count), number, _percentiles(percentiles))


def _percentiles(value: object) -> list[float]:
    listed = value if isinstance(value, list | tuple) else [] if value is None else [value]
    numbers = [float(item) for item in listed if isinstance(item, int | float) and 0 <= item <= 100]
    if len(numbers) < len(listed):
        raise InvalidParams("percentiles are numbers from 0 to 100")
    return numbers


# --- accounts


@_named("eth_getBalance", READS)
def _balance(snapshot: Snapshot, address: object, block: object = "latest") -> str:
    return quantity(snapshot.state(to_block(block)).get_balance(to_address(address)))


@_named("eth_getTransactionCount", READS)
def _nonce(snapshot: Snapshot, address: object, block: object = "latest") -> str:
    return quantity(snapshot.state(to_block(block)).get_nonce(to_address(address)))


@_named("eth_getCode", READS)
def _code(snapshot: Snapshot, address: object, block: object = "latest") -> str:
    return data(snapshot.state(to_block(block)).get_code(to_address(address)))


@_named("eth_getStorageAt", READS)
def _storage(snapshot: Snapshot, address: object, slot: object, block: object = "latest") -> str:
    value = snapshot.state(to_block(block)).get_storage(to_address(address), to_int(slot))
    return data(value.to_bytes(32, "big"))


# --- execution


@_named("eth_call", READS)
def _call(snapshot: Snapshot, message: object, block: object = "latest") -> str:
    return data(execution.call(snapshot, to_message(message), to_block(block)))


@_named("eth_estimateGas", READS)
def _estimate_gas(snapshot: Snapshot, message: object, block: object = "latest") -> str:
    return quantity(execution.estimate_gas(snapshot, to_message(message), to_block(block)))


@_named("eth_sendRawTransaction", WRITES)
def _send(node: EmbeddedNode, raw: object) -> str:
    return data(node.send(to_bytes(raw)))


# --- blocks


@_named("eth_blockNumber", READS)
def _block_number(snapshot: Snapshot) -> str:
    return quantity(snapshot.head().block_number)


@_named("eth_getBlockByNumber", READS)
def _block_by_number(snapshot: Snapshot, block: object, full: object = False) -> Json | None:
    whole = to_bool(full)
    wanted = to_block(block)
    if wanted == "pending":
        return views.pending_block(snapshot.pending())
    try:
        header = snapshot.header(wanted)
    except BlockNotFound:
        return None
    return views.block(header, snapshot.transactions(header), full=whole)


@_named("eth_getBlockByHash", READS)
def _block_by_hash(snapshot: Snapshot, block_hash: object, full: object = False) -> Json | None:
    shown: Json | None = _block_by_number(snapshot, to_word(block_hash), full)
    return shown


@_named("eth_getBlockReceipts", READS)
def _block_receipts(snapshot: Snapshot, block: object) -> list[Json]:
    wanted = to_block(block)
    header = snapshot.header("latest" if wanted == "pending" else wanted)
    return [views.receipt(result) for result in snapshot.receipts(header)]


# --- transactions and logs


@_named("eth_getTransactionByHash", READS)
def _transaction(snapshot: Snapshot, transaction_hash: object) -> Json | None:
    mined = snapshot.transaction(to_word(transaction_hash))
    return views.transaction(mined) if mined else None


@_named("eth_getTransactionReceipt", READS)
def _receipt(snapshot: Snapshot, transaction_hash: object) -> Json | None:
    result = snapshot.receipt(to_word(transaction_hash))
    return views.receipt(result) if result else None


@_named("eth_getLogs", READS)
def _logs(snapshot: Snapshot, wanted: object) -> list[Json]:
    return [views.log(entry) for entry in snapshot.logs(to_log_filter(wanted, snapshot))]


# --- virtual time


@_named("evm_setNextBlockTimestamp", TIME_CONTROLS)
def _set_time(node: EmbeddedNode, moment: object) -> None:
    node.set_time(to_int(moment))


@_named("evm_mine", TIME_CONTROLS)
def _mine(node: EmbeddedNode) -> str:
    node.mine()
    return "0x0"
