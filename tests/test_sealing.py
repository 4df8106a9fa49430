import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.errors import SealError
from fl.sealing import (
    OVERHEAD,
    additional_data,
    commitment,
    open_details,
    open_update,
    seal_details,
    seal_update,
)

KEY = bytes(range(32))
CONTRACT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
WHERE = additional_data(31337, CONTRACT, 1, 2, ALICE)


@given(st.binary(max_size=200))
def test_what_was_sealed_opens_and_is_longer_by_the_tag(data):
    for seal, unseal in ((seal_update, open_update), (seal_details, open_details)):
        sealed = seal(KEY, data, WHERE)
        assert len(sealed) == len(data) + OVERHEAD
        assert unseal(KEY, sealed, WHERE) == data


def test_the_cipher_is_aes_256_gcm():
    # test case 14 of the GCM specification (McGrew and Viega): zero key, zero nonce, zero block
    sealed = seal_update(bytes(32), bytes(16), b"")
    assert sealed.hex() == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"


def test_update_and_details_have_nonces_of_their_own():
    assert seal_update(KEY, b"same", WHERE) != seal_details(KEY, b"same", WHERE)
    with pytest.raises(SealError):
        open_details(KEY, seal_update(KEY, b"same", WHERE), WHERE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        additional_data(1, CONTRACT, 1, 2, ALICE),
        additional_data(31337, BOB, 1, 2, ALICE),
        additional_data(31337, CONTRACT, 2, 2, ALICE),
        additional_data(31337, CONTRACT, 1, 1, ALICE),
        additional_data(31337, CONTRACT, 1, 2, BOB),
    ],
)
def test_an_update_of_another_place_does_not_open(elsewhere):
    with pytest.raises(SealError):
        open_update(KEY, seal_update(KEY, b"weights", elsewhere), WHERE)


@pytest.mark.parametrize("place", [0, 6, 7, -1])
def test_one_flipped_bit_does_not_open(place):
    sealed = bytearray(seal_update(KEY, b"weights", WHERE))
    sealed[place] ^= 1
    with pytest.raises(SealError):
        open_update(KEY, bytes(sealed), WHERE)


@pytest.mark.parametrize("sealed", [b"", b"\0" * 15, b"\0" * 16])
def test_a_blob_too_short_to_be_sealed_does_not_open(sealed):
    with pytest.raises(SealError):
        open_update(KEY, sealed, WHERE)


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33])
def test_only_keys_of_32_bytes_seal_open_and_commit(size):
    key = bytes(size)
    for call in (seal_update, open_update, seal_details, open_details):
        with pytest.raises(SealError, match="32 bytes"):
            call(key, bytes(32), WHERE)
    with pytest.raises(SealError, match="32 bytes"):
        commitment(ALICE, key, bytes(32))


def test_the_additional_data_has_fixed_widths():
    numbers = [number.to_bytes(32, "big") for number in (31337, 1, 2)]
    contract, alice = bytes.fromhex(CONTRACT[2:]), bytes.fromhex(ALICE[2:])
    parts = [numbers[0], contract, numbers[1], numbers[2], alice]
    assert WHERE.hex() == "".join(part.hex() for part in parts)


@pytest.mark.parametrize(
    "where",
    [
        (-1, CONTRACT, 1, 2, ALICE),
        (2**256, CONTRACT, 1, 2, ALICE),
        (1, "0x00", 1, 2, ALICE),
        (1, CONTRACT, 1, 2, "alice"),
    ],
)
def test_what_has_no_fixed_width_is_no_place(where):
    with pytest.raises(SealError):
        additional_data(*where)


def test_the_commitment_binds_trainer_key_and_weights():
    weights = hashlib.sha256(b"weights").digest()
    expected = hashlib.sha256(bytes.fromhex(ALICE[2:]) + KEY + weights).digest()
    assert commitment(ALICE, KEY, weights) == expected
    assert commitment(BOB, KEY, weights) != expected
    with pytest.raises(SealError):
        commitment(ALICE, KEY, b"short")
