"""What a contract reverts with, read back by name."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from fl.ledger.abi import FEDERATION, TOKEN, artifact, refusal

SOMEBODY = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def reverted(signature, *arguments):
    types = signature[signature.index("(") + 1 : -1]
    return keccak(text=signature)[:4] + encode(types.split(",") if types else [], arguments)


@pytest.mark.parametrize(
    ("signature", "arguments"),
    [
        ("TooEarly()", ()),
        ("BadEntry(uint256)", (3,)),
        ("OwnableUnauthorizedAccount(address)", (SOMEBODY,)),
        ("ERC20InsufficientAllowance(address,uint256,uint256)", (SOMEBODY, 5, 6)),
        ("ERC20InsufficientBalance(address,uint256,uint256)", (SOMEBODY, 0, 2**255)),
        ("SafeERC20FailedOperation(address)", (SOMEBODY,)),
        ("Panic(uint256)", (0x11,)),
        ("Error(string)", ("no reason at all",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_revert_becomes_a_refusal_with_name_and_arguments(signature, arguments):
    said = refusal(reverted(signature, *arguments), call="closeRound")
    assert (said.name, said.arguments, said.call) == (signature.partition("(")[0], arguments, "closeRound")
    assert "The contract refused closeRound" in said.message


def test_an_error_that_no_abi_names_is_shown_as_it_came():
    assert refusal(bytes.fromhex("deadbeef01")).arguments == ("0xdeadbeef01",)


def test_a_revert_without_a_reason_is_an_unknown_error():
    assert refusal(b"").name == "UnknownError"


@given(st.binary(max_size=200))
def test_no_revert_data_is_too_odd_to_be_reported(data):
    assert refusal(reverted("BadEntry(uint256)", 1)[:4] + data).name == "BadEntry"
    assert refusal(reverted("Error(string)", "")[:4] + data).name == "Error"


def test_every_custom_error_of_both_contracts_is_known():
    errors = [item for name in (FEDERATION, TOKEN) for item in artifact(name).abi if item["type"] == "error"]
    for error in errors:
        signature = f"{error['name']}({','.join(item['type'] for item in error['inputs'])})"
        assert refusal(keccak(text=signature)[:4] + bytes(32 * len(error["inputs"]))).name == error["name"]
