"""Blocks, transactions, receipts and logs as Ethereum's JSON-RPC shows them (ethereum/execution-apis)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rlp  # type: ignore[import-untyped]  # ships no types
from eth._utils.address import generate_contract_address
from eth.abc import BlockHeaderAPI, SignedTransactionAPI

from fl.addresses import checksummed
from fl.chain.evm import base_fee
from fl.chain.logs import Log
from fl.chain.snapshot import MinedReceipt, MinedTransaction

Json = dict[str, Any]


def quantity(number: int) -> str:
    """Return the shortest 0x-hex of a number."""
    return hex(number)


def data(raw: bytes) -> str:
    """Return bytes as 0x-hex."""
    return "0x" + raw.hex()


def block(header: BlockHeaderAPI, transactions: Sequence[MinedTransaction], *, full: bool) -> Json:
    """Show a block, with whole transactions or their hashes only."""
    return {
        **_header(header),
        "hash": data(header.hash),
        "nonce": data(header.nonce),
        "size": quantity(_size(header, transactions)),
        "transactions": [
            transaction(mined) if full else data(mined.transaction.hash) for mined in transactions
        ],
    }


def pending_block(header: BlockHeaderAPI) -> Json:
    """Show the block that would be made now: it has no hash yet, and waits for no transaction."""
    return {**_header(header), "hash": None, "nonce": None, "size": quantity(0), "transactions": []}


def transaction(mined: MinedTransaction) -> Json:
    """Show a transaction and where it is."""
    tx, header = mined.transaction, mined.header
    return {
        "hash": data(tx.hash),
        "blockHash": data(header.hash),
        "blockNumber": quantity(header.block_number),
        "transactionIndex": quantity(mined.index),
        "type": quantity(_type(tx)),
        "chainId": quantity(tx.chain_id or 0),
        "nonce": quantity(tx.nonce),
        "from": checksummed(tx.sender),
        "to": _recipient(tx),
        "value": quantity(tx.value),
        "input": data(tx.data),
        "gas": quantity(tx.gas),
        "gasPrice": quantity(effective_gas_price(tx, header)),
        **_fees_and_signature(tx),
    }


def receipt(result: MinedReceipt) -> Json:
    """Show what became of a transaction."""
    tx, header = result.mined.transaction, result.mined.header
    return {
        "transactionHash": data(tx.hash),
        "transactionIndex": quantity(result.mined.index),
        "blockHash": data(header.hash),
        "blockNumber": quantity(header.block_number),
        "type": quantity(_type(tx)),
        "status": quantity(int.from_bytes(result.receipt.state_root, "big")),
        "from": checksummed(tx.sender),
        "to": _recipient(tx),
        "contractAddress": (None if tx.to else checksummed(generate_contract_address(tx.sender, tx.nonce))),
        "gasUsed": quantity(result.gas_used),
        "cumulativeGasUsed": quantity(result.receipt.gas_used),
        "effectiveGasPrice": quantity(effective_gas_price(tx, header)),
        "logs": [log(entry) for entry in result.logs],
        "logsBloom": data(result.receipt.bloom.to_bytes(256, "big")),
    }


def log(entry: Log) -> Json:
    """Show a log and where it is."""
    return {
        "address": checksummed(entry.address),
        "topics": [data(topic) for topic in entry.topics],
        "data": data(entry.data),
        "blockNumber": quantity(entry.block),
        "blockHash": data(entry.block_hash),
        "blockTimestamp": quantity(entry.time),
        "transactionHash": data(entry.transaction_hash),
        "transactionIndex": quantity(entry.transaction_index),
        "logIndex": quantity(entry.log_index),
        "removed": False,
    }


def effective_gas_price(tx: SignedTransactionAPI, header: BlockHeaderAPI) -> int:
    """Return the wei that each unit of gas cost in that block (EIP-1559)."""
    return min(tx.max_fee_per_gas, tx.max_priority_fee_per_gas + base_fee(header))


def _header(header: BlockHeaderAPI) -> Json:
    fields = header.as_dict()
    return {
        "number": quantity(header.block_number),
        "parentHash": data(header.parent_hash),
        "timestamp": quantity(header.timestamp),
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "baseFeePerGas": quantity(base_fee(header)),
        "miner": checksummed(header.coinbase),
        "mixHash": data(header.mix_hash),
        "difficulty": quantity(header.difficulty),
        "extraData": data(header.extra_data),
        "logsBloom": data(header.bloom.to_bytes(256, "big")),
        "stateRoot": data(header.state_root),
        "transactionsRoot": data(header.transaction_root),
        "receiptsRoot": data(header.receipt_root),
        "sha3Uncles": data(header.uncles_hash),
        "uncles": [],
        "withdrawals": [],
        "withdrawalsRoot": data(fields["withdrawals_root"]),
        "blobGasUsed": quantity(fields["blob_gas_used"]),
        "excessBlobGas": quantity(fields["excess_blob_gas"]),
        "parentBeaconBlockRoot": data(fields["parent_beacon_block_root"]),
        "requestsHash": data(fields["requests_hash"]),
    }


def _fees_and_signature(tx: SignedTransactionAPI) -> Json:
    """Show the fields that depend on the transaction's type."""
    signature = {"r": quantity(tx.r), "s": quantity(tx.s)}
    if _type(tx) == 0:
        return {"v": quantity(tx.v), **signature}  # type: ignore[attr-defined]  # of legacy transactions only
    signature |= {"v": quantity(tx.y_parity), "yParity": quantity(tx.y_parity)}
    shown = {"accessList": _access_list(tx), **signature}
    if _type(tx) == 2:
        shown["maxFeePerGas"] = quantity(tx.max_fee_per_gas)
        shown["maxPriorityFeePerGas"] = quantity(tx.max_priority_fee_per_gas)
    return shown


def _access_list(tx: SignedTransactionAPI) -> list[Json]:
    return [
        {
            "address": checksummed(address),
            "storageKeys": [data(key.to_bytes(32, "big")) for key in keys],
        }
        for address, keys in tx.access_list
    ]


def _type(tx: SignedTransactionAPI) -> int:
    return tx.type_id or 0


def _recipient(tx: SignedTransactionAPI) -> str | None:
    return checksummed(tx.to) if tx.to else None


def _size(header: BlockHeaderAPI, transactions: Sequence[MinedTransaction]) -> int:
    """Return the length of the block's RLP, without the few bytes of its outer list."""
    return len(rlp.encode(header)) + sum(len(mined.transaction.encode()) for mined in transactions)
