"""The compiled contracts: their ABI and bytecode, what calls and events say, and reverts by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from eth_abi.abi import decode, encode, is_encodable
from eth_abi.exceptions import DecodingError
from eth_utils.abi import get_abi_input_types, get_abi_output_types, get_aligned_abi_inputs
from eth_utils.crypto import keccak

from fl.addresses import checksummed, is_checksummed
from fl.errors import Refused, UsageError
from fl.ledger.types import Entry, Result, TaskParams

FEDERATION = "Federation"
TOKEN = "FederationToken"  # noqa: S105 - a contract's name, no secret

# What the compiler itself can make a contract revert with.
BUILT_IN_ERRORS = (
    {"type": "error", "name": "Error", "inputs": [{"name": "reason", "type": "string"}]},
    {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
)


@dataclass(frozen=True)
class Artifact:
    """A compiled contract: its ABI as solc writes it, and its creation bytecode in hex."""

    abi: list[dict[str, Any]]
    bytecode: str


@cache
def artifact(name: str) -> Artifact:
    """The compiled contract of that name."""
    text = files("fl.ledger").joinpath("artifacts", f"{name}.json").read_text(encoding="utf-8")
    compiled = json.loads(text)
    return Artifact(compiled["abi"], compiled["bytecode"])


# --- calls
#
# web3 looks for a function by hashing the signatures of all, twice with every call.


def checked(function: str, arguments: Sequence[object]) -> tuple[Any, ...]:
    """A call's arguments in the form that the ABI takes, in order.

    Raises UsageError for one that does not fit its type: a number out of range, a digest that is not
    32 bytes, an address without its EIP-55 checksum.
    """
    abi = _function(function).abi
    _, aligned = get_aligned_abi_inputs(abi, tuple(to_abi(argument) for argument in arguments))
    for expected, value in zip(abi["inputs"], aligned, strict=True):
        if not _fits(expected, value):
            raise UsageError(f"{function}: {value!r} is no {expected['name']} ({expected['type']}).")
    return tuple(aligned)


def call_data(function: str, arguments: Sequence[object] = ()) -> bytes:
    """What a transaction carries to call a function. Raises UsageError as `checked` does."""
    known = _function(function)
    return known.selector + encode(known.inputs, checked(function, arguments))


@lru_cache(maxsize=1024)  # between two blocks everybody asks the same
def returned(function: str, data: bytes) -> Any:
    """What a call gave back: a value, or several; structs as mappings, not to be changed.

    Raises DecodingError.
    """
    known = _function(function)
    values = decode(known.outputs, data)
    named = [_named(item, value) for item, value in zip(known.abi["outputs"], values, strict=True)]
    return named[0] if len(named) == 1 else named


def creation_data(name: str, *arguments: object) -> bytes:
    """What a transaction carries to create the contract of that name."""
    compiled = artifact(name)
    items: Any = (item for item in compiled.abi if item["type"] == "constructor")
    types = [kind for item in items for kind in get_abi_input_types(item)]
    return bytes.fromhex(compiled.bytecode.removeprefix("0x")) + encode(types, arguments)


def _fits(expected: Mapping[str, Any], value: Any) -> bool:
    kind: str = expected["type"]
    if kind.endswith("[]"):
        return all(_fits({**expected, "type": kind[:-2]}, item) for item in value)
    match kind:
        case "tuple":
            return all(map(_fits, expected["components"], value))
        case "address":
            return isinstance(value, str) and is_checksummed(value)
        case "bytes32":  # eth_abi would pad a shorter one
            return isinstance(value, bytes) and len(value) == 32
        case _:
            return is_encodable(kind, value)


def to_abi(value: object) -> object:
    """Our dataclasses as the contract's structs and words; anything else as it is."""
    match value:
        case TaskParams():
            return {_camel(name): field for name, field in asdict(value).items()}
        case Result():
            return {
                "announcement": value.announcement,
                "weights": value.weights,
                "manifest": value.manifest,
                "entries": to_abi(value.entries),
                "receipts": list(value.receipts),
            }
        case Entry():
            return value.pack()
        case list() | tuple():
            return [to_abi(item) for item in value]
        case _:
            return value


def fields_of(struct: Mapping[str, Any]) -> dict[str, Any]:
    """A struct that came from the contract, with its fields named as our dataclasses name them."""
    return {_snake(name): value for name, value in struct.items()}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


@cache
def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


@dataclass(frozen=True)
class _Function:
    abi: Any
    selector: bytes
    inputs: list[str]
    outputs: list[str]


@cache
def _function(name: str) -> _Function:
    """A function of either contract; those that both have are the same."""
    items: list[Any] = artifact(TOKEN).abi + artifact(FEDERATION).abi
    abi = next(item for item in items if item["type"] == "function" and item["name"] == name)
    return _Function(abi, _selector(abi), get_abi_input_types(abi), get_abi_output_types(abi))


# --- events


def event_arguments(name: str, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
    """What one of the federation's logs says, by the arguments' names; structs as mappings.

    web3's own decoder takes ten times as long, which a history of thousands of events feels.
    Raises DecodingError for a log that is no such event.
    """
    indexed, plain = _event_inputs(name)
    if len(topics) != 1 + len(indexed):
        raise DecodingError(f"{name} has {1 + len(indexed)} topics, not {len(topics)}.")
    words = [decode([kind], topic)[0] for (_, kind), topic in zip(indexed, topics[1:], strict=True)]
    values = (*words, *decode([kind for _, kind in plain], data))
    pairs = zip((*indexed, *plain), values, strict=True)
    return {item["name"]: _named(item, value) for (item, _), value in pairs}


def _named(item: Mapping[str, Any], value: Any) -> Any:
    if item["type"] != "tuple":
        return _readable(item["type"], value)
    return {part["name"]: _named(part, field) for part, field in zip(item["components"], value, strict=True)}


@cache
def _event_inputs(name: str) -> tuple[list[tuple[Any, str]], list[tuple[Any, str]]]:
    """An event's inputs and their types: those in topics, those in the data."""
    items: list[Any] = artifact(FEDERATION).abi
    event = next(item for item in items if item["type"] == "event" and item["name"] == name)
    typed = list(zip(event["inputs"], get_abi_input_types(event), strict=True))
    return [one for one in typed if one[0]["indexed"]], [one for one in typed if not one[0]["indexed"]]


# --- refusals


def refusal(data: bytes, call: str = "") -> Refused:
    """What a contract reverted with, by the name of its custom error and with its arguments."""
    abi = _errors().get(data[:4])
    if abi is None:
        return Refused("UnknownError", "0x" + data.hex(), call=call)
    try:
        arguments = decode(get_abi_input_types(abi), data[4:])
    except DecodingError:
        return Refused(abi["name"], "0x" + data[4:].hex(), call=call)
    shown = zip(abi["inputs"], arguments, strict=True)
    return Refused(abi["name"], *(_readable(item["type"], value) for item, value in shown), call=call)


def _readable(kind: str, value: object) -> object:
    return checksummed(str(value)) if kind == "address" else value


@cache
def _errors() -> dict[bytes, Any]:
    """Custom errors by their selector, the first four bytes of the hashed signature (Solidity ABI spec)."""
    items = (*BUILT_IN_ERRORS, *artifact(TOKEN).abi, *artifact(FEDERATION).abi)
    return {_selector(item): item for item in items if item["type"] == "error"}


def _selector(abi: Any) -> bytes:
    return keccak(text=f"{abi['name']}({','.join(get_abi_input_types(abi))})")[:4]
