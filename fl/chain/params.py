"""From what a JSON-RPC client sends to what Python works with; every fault is InvalidParams.

Values come as JSON, or, from web3 in the same process, also as bytes and integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eth_typing import Address

from fl.chain.errors import InvalidParams
from fl.chain.execution import AccessList, Message
from fl.chain.logs import LogFilter
from fl.chain.snapshot import BlockId, Snapshot

_HEADS = ("latest", "safe", "finalized")
"""One and the same here: nothing that is on this chain ever leaves it."""

_LARGEST_NUMBER = 2**63 - 1
_LARGEST_CHOICE = 1000
"""Addresses or topics that one position of a log filter may list."""


def to_bytes(value: object) -> bytes:
    """Accept 0x-hex of any even length."""
    if isinstance(value, bytes):
        return bytes(value)
    if not isinstance(value, str) or not value.startswith("0x"):
        raise InvalidParams(f"0x-prefixed hexadecimal expected, not {value!r:.80}")
    try:
        return bytes.fromhex(value[2:])
    except ValueError:
        raise InvalidParams(f"not hexadecimal, or half a byte: {value!r:.80}") from None


def to_word(value: object) -> bytes:
    """Accept 32 bytes."""
    return _sized(value, 32)


def to_address(value: object) -> Address:
    """Accept 20 bytes."""
    return Address(_sized(value, 20))


def to_int(value: object) -> int:
    """Accept a quantity below 2^256, as 0x-hex."""
    try:
        number = int(value, 16) if isinstance(value, str) and value.startswith("0x") else value
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**256:
        raise InvalidParams(f"0x-prefixed quantity expected, not {value!r:.80}")
    return number


def to_bool(value: object) -> bool:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise InvalidParams(f"true or false expected, not {value!r:.80}")
    return value


def to_block(value: object) -> BlockId:
    """Accept a tag, a number, a hash, or the object of EIP-1898."""
    if isinstance(value, Mapping):
        return to_word(value["blockHash"]) if "blockHash" in value else to_block(value.get("blockNumber"))
    if value in _HEADS:
        return "latest"
    if value == "pending":
        return "pending"
    if value == "earliest":
        return 0
    if isinstance(value, bytes) or (isinstance(value, str) and len(value) == 66):
        return to_word(value)
    return min(to_int(value), _LARGEST_NUMBER)


def to_message(value: object) -> Message:
    """Accept the transaction object of `eth_call`. Fees and nonce are not looked at: nobody pays."""
    fields = _fields(value)
    return Message(
        sender=to_address(fields.get("from", bytes(20))),
        to=to_address(fields["to"]) if fields.get("to") else b"",
        value=to_int(fields.get("value", 0)),
        data=to_bytes(fields.get("input", fields.get("data", b""))),
        gas=to_int(fields["gas"]) if "gas" in fields else None,
        access_list=_access_list(fields.get("accessList", ())),
    )


def to_log_filter(value: object, snapshot: Snapshot) -> LogFilter:
    """Accept the object of `eth_getLogs`. Raises BlockNotFound for a hash that no block has."""
    fields = _fields(value)
    addresses = tuple(to_address(address) for address in _choice(fields.get("address")))
    topics = [tuple(to_word(word) for word in _choice(position)) for position in _list(fields.get("topics"))]
    if len(topics) > 4:
        raise InvalidParams("a log has at most four topics")
    if "blockHash" in fields:
        if "fromBlock" in fields or "toBlock" in fields:
            raise InvalidParams("blockHash goes with neither fromBlock nor toBlock")
        number = snapshot.header(to_word(fields["blockHash"])).block_number
        return LogFilter(number, number, addresses, tuple(topics))
    first, last = (_number(fields.get(end, "latest"), snapshot) for end in ("fromBlock", "toBlock"))
    return LogFilter(first, last, addresses, tuple(topics))


def _number(value: object, snapshot: Snapshot) -> int:
    """Return a block's number; one that is still to come is a number too."""
    block = to_block(value)
    return block if isinstance(block, int) else snapshot.header(block).block_number


def _access_list(value: object) -> AccessList:
    entries = [_fields(entry) for entry in _list(value)]
    return tuple(
        (to_address(entry.get("address")), tuple(to_int(key) for key in _list(entry.get("storageKeys"))))
        for entry in entries
    )


def _choice(value: object) -> Sequence[object]:
    """Return what may stand at one position of a filter: nothing, one value or several."""
    values = [value] if isinstance(value, str | bytes) else _list(value)
    if len(values) > _LARGEST_CHOICE:
        raise InvalidParams(f"more than {_LARGEST_CHOICE} alternatives in a filter")
    return values


def _fields(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidParams(f"an object expected, not {value!r:.80}")
    return {name: field for name, field in value.items() if field is not None}


def _list(value: object) -> Sequence[object]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise InvalidParams(f"a list expected, not {value!r:.80}")
    return value


def _sized(value: object, size: int) -> bytes:
    data = to_bytes(value)
    if len(data) != size:
        raise InvalidParams(f"{size} bytes expected, not {len(data)}")
    return data
