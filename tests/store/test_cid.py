"""CIDs have one spelling, and documents are named by their id."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.errors import StoreError
from fl.store.cid import DAG_PB, RAW, Cid

DIGEST = hashlib.sha256(b"").digest()
EMPTY = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"

cids = st.builds(Cid, st.sampled_from([RAW, DAG_PB]), st.binary(min_size=32, max_size=32))


def spelled(data: bytes) -> str:
    return "b" + base64.b32encode(data).decode().rstrip("=").lower()


def test_the_empty_blob_has_the_name_that_everybody_on_ipfs_knows() -> None:
    assert str(Cid.raw(DIGEST)) == EMPTY


@given(cids)
def test_spelling_and_bytes_give_the_cid_back(cid: Cid) -> None:
    assert Cid.parse(str(cid)) == cid
    assert Cid.from_bytes(bytes(cid)) == cid


@given(st.binary(min_size=32, max_size=32))
def test_the_id_of_a_document_and_its_cid_convert_without_a_lookup(id: bytes) -> None:
    cid = Cid.of_document(id)
    assert (cid.codec, cid.digest) == (RAW, id)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH", id="CIDv0"),
        pytest.param("zb2rhmy65F3REf8SZp7De11gxtECBGgUKaLdiDj7MCGCHxbDW", id="base58"),
        pytest.param("f01551220" + DIGEST.hex(), id="base16"),
        pytest.param(EMPTY.upper(), id="upper case"),
        pytest.param("b" + EMPTY[1:].upper(), id="upper-case digits"),
        pytest.param(EMPTY[1:], id="no multibase letter"),
        pytest.param("b" + EMPTY, id="two multibase letters"),
        pytest.param(EMPTY + "======", id="padding"),
        pytest.param(EMPTY[:-1] + "v", id="bits behind the last byte"),
        pytest.param("/ipfs/" + EMPTY, id="path"),
        pytest.param("ipfs://" + EMPTY, id="address"),
        pytest.param(EMPTY + "/file", id="path below"),
        pytest.param(" " + EMPTY, id="blank before"),
        pytest.param(EMPTY + "\n", id="line end behind"),
        pytest.param("", id="nothing"),
        pytest.param("b", id="no bytes"),
        pytest.param("bä" + EMPTY[2:], id="not ASCII"),
        pytest.param(spelled(b"\x01\x55\x00\x05hello"), id="identity hash"),
        pytest.param(spelled(b"\x01\x71\x12\x20" + DIGEST), id="dag-cbor"),
        pytest.param(spelled(b"\x01\x55\x16\x20" + DIGEST), id="sha3-256"),
        pytest.param(spelled(b"\x01\x55\x13\x40" + DIGEST * 2), id="sha2-512"),
        pytest.param(spelled(b"\x01\x55\x12\x14" + DIGEST[:20]), id="truncated hash"),
        pytest.param(spelled(b"\x02\x55\x12\x20" + DIGEST), id="version 2"),
        pytest.param(spelled(b"\x01\x55\x12\x20" + DIGEST[:-1]), id="a byte short"),
        pytest.param(spelled(b"\x01\x55\x12\x20" + DIGEST + b"\x00"), id="a byte behind"),
        pytest.param(spelled(b"\x81\x00\x55\x12\x20" + DIGEST), id="version not minimal"),
        pytest.param(spelled(b"\x01\xd5\x00\x12\x20" + DIGEST), id="codec not minimal"),
        pytest.param(spelled(b"\x01\x55\x12\xa0\x00" + DIGEST), id="length not minimal"),
    ],
)
def test_every_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match="CID in use here"):
        Cid.parse(text)


@pytest.mark.parametrize(("codec", "digest"), [(0x71, DIGEST), (RAW, DIGEST[:31]), (DAG_PB, DIGEST + b"0")])
def test_no_cid_of_another_kind_can_be_made(codec: int, digest: bytes) -> None:
    with pytest.raises(StoreError):
        Cid(codec, digest)
