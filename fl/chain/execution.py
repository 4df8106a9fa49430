"""Running a message without putting it on the chain: `eth_call` and `eth_estimateGas`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from eth.abc import BlockHeaderAPI, ComputationAPI, SignedTransactionAPI
from eth.exceptions import Revert
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth.vm.spoof import SpoofTransaction
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_typing import Address
from eth_utils.exceptions import ValidationError

from fl.chain.errors import ExecutionFailed, ExecutionReverted, TransactionRejected
from fl.chain.evm import EmbeddedComputation, EmbeddedVM, data_floor
from fl.chain.snapshot import BlockId, Snapshot

_ERROR_STRING = bytes.fromhex("08c379a0")
"""Selector of Solidity's `Error(string)`."""

_STIPEND = 2300
"""Gas that a call with value gives on top and that an SSTORE demands (EIP-2200): there, although not used."""

_KEPT = 256
"""Outputs of calls. Readers ask the same again and again until the next block."""

AccessList = tuple[tuple[Address, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A call, or a creation if `to` is empty. `value` in wei; `gas` None for as much as a block has."""

    sender: Address
    to: bytes
    value: int = 0
    data: bytes = b""
    gas: int | None = None
    access_list: AccessList = ()


def call(snapshot: Snapshot, message: Message, block: BlockId) -> bytes:
    """Return what the message returns.

    Raises ExecutionReverted, ExecutionFailed, TransactionRejected and BlockNotFound.
    """
    header = _header_for(snapshot, block)
    outputs, keys = snapshot.kept.outputs, ((header.state_root, message), (header.hash, message))
    for key in keys:
        if key in outputs:
            return outputs[key]
    computation = _run(snapshot, message, header, _ceiling(message, header))[0]
    _raise_error(computation)
    if len(outputs) >= _KEPT:
        outputs.clear()
    # most of what a contract is asked follows from its state: the next second it is the same
    outputs[keys[computation.depends_on_block]] = computation.output
    return computation.output


def estimate_gas(snapshot: Snapshot, message: Message, block: BlockId) -> int:
    """Return gas with which the message succeeds: what it uses, or a little more. Raises as `call` does.

    Calls keep back 1/64 of their gas (EIP-150), so that using less than the limit can still need all of it:
    then it is tried. Without calls, and unless code looks at its gas, only the SSTOREs' stipend matters.
    """
    header = _header_for(snapshot, block)
    ceiling = _ceiling(message, header)
    computation, used = _run(snapshot, message, header, ceiling)
    _raise_error(computation)
    spent = ceiling - computation.get_gas_remaining()
    if not computation.children and not computation.asked_for_gas:
        return min(ceiling, max(used, spent + _STIPEND)) if computation.msg.code else used
    generous = min(ceiling, (spent + _STIPEND) * 64 // 63 + 1)
    for gas in (used, generous):
        if _succeeds(snapshot, message, header, gas):
            return gas
    return _search(snapshot, message, header, generous, ceiling)


def _search(snapshot: Snapshot, message: Message, header: BlockHeaderAPI, low: int, high: int) -> int:
    """Bisect between gas that fails and gas that succeeds, to 1/64."""
    while high - low > high // 64:
        middle = min((low + high) // 2, low * 2)
        if _succeeds(snapshot, message, header, middle):
            high = middle
        else:
            low = middle
    return high


def _succeeds(snapshot: Snapshot, message: Message, header: BlockHeaderAPI, gas: int) -> bool:
    return not _run(snapshot, message, header, gas)[0].is_error


def _header_for(snapshot: Snapshot, block: BlockId) -> BlockHeaderAPI:
    """Return the header that the message sees: the next block's for "latest", so that its time is now."""
    return _free(snapshot.pending() if block == "latest" else snapshot.header(block))


@lru_cache(maxsize=16)
def _free(header: BlockHeaderAPI) -> BlockHeaderAPI:
    """Return the header without a base fee, because nobody pays for what is only tried."""
    return header.copy(base_fee_per_gas=0)


def _ceiling(message: Message, header: BlockHeaderAPI) -> int:
    return min(message.gas or header.gas_limit, header.gas_limit)


def _run(
    snapshot: Snapshot, message: Message, header: BlockHeaderAPI, gas: int
) -> tuple[EmbeddedComputation, int]:
    """Run the message and undo what it does; also return the gas that a receipt would show."""
    with snapshot.trial(header) as state:
        balance = state.get_balance(message.sender)
        if balance < message.value:
            raise TransactionRejected(
                f"insufficient funds for transfer: have {balance}, need {message.value}"
            )
        transaction = _transaction(message, gas, state.get_nonce(message.sender), snapshot.chain.chain_id)
        try:
            computation = state.apply_transaction(transaction)
        except ValidationError as error:
            raise TransactionRejected(str(error)) from error
    return cast(EmbeddedComputation, computation), EmbeddedVM.finalize_gas_used(transaction, computation)


def _transaction(message: Message, gas: int, nonce: int, chain_id: int) -> SignedTransactionAPI:
    """Return a free transaction that looks as if the sender had signed it."""
    unsigned = PragueTransactionBuilder.new_unsigned_dynamic_fee_transaction(
        chain_id=chain_id,
        nonce=nonce,
        max_priority_fee_per_gas=0,
        max_fee_per_gas=0,
        gas=gas,
        to=Address(message.to),
        value=message.value,
        data=message.data,
        access_list=message.access_list,
    )
    least = max(unsigned.intrinsic_gas, data_floor(message.data))
    if gas < least:
        raise TransactionRejected(f"intrinsic gas too low: {gas}, at least {least} are needed")
    return cast(SignedTransactionAPI, SpoofTransaction(unsigned, from_=message.sender))


def _raise_error(computation: ComputationAPI) -> None:
    if not computation.is_error:
        return
    if isinstance(computation.error, Revert):
        data = bytes(computation.output)
        raise ExecutionReverted("execution reverted" + _reason(data), "0x" + data.hex())
    raise ExecutionFailed(f"execution failed: {type(computation.error).__name__}: {computation.error}")


def _reason(data: bytes) -> str:
    if data[:4] != _ERROR_STRING:
        return ""
    try:
        return f": {decode(['string'], data[4:])[0]}"
    except (DecodingError, UnicodeDecodeError):  # a contract may return anything
        return ""
