"""The six documents: what they say survives their bytes, and anything else is refused as a document."""

from __future__ import annotations

import hashlib
import json
import math

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from samples import ALICE, ANNOUNCEMENT, BLOB, DETAILS, HEX, PROFILE, RECEIPT, SAMPLES, TERMS

from fl.canonical import MAX_DOCUMENT_BYTES, dump, tag_float
from fl.documents import Announcement, Details, Privacy, Profile, Receipt, Reference, Terms
from fl.errors import DocumentError
from fl.store.cid import Cid
from fl.store.layout import cid_of

every_document = pytest.mark.parametrize("document", SAMPLES, ids=lambda sample: sample.type)


def refused(kind, said):
    with pytest.raises(DocumentError):
        kind.decode(said if isinstance(said, bytes) else dump(said))


def changed(document, **changes):
    return {**json.loads(document.encode()), **changes}


# --- what is written is what is read


@every_document
def test_a_document_comes_back_from_its_bytes(document):
    read = type(document).decode(document.encode())
    assert read.encode() == document.encode()
    assert read.model_dump(mode="json") == document.model_dump(mode="json")


@every_document
def test_the_id_is_the_sha256_of_the_bytes_and_gives_the_cid_without_a_look_up(document):
    data = document.encode()
    assert document.id == hashlib.sha256(data).digest()
    assert document.cid == cid_of(data) == Cid.of_document(document.id)
    assert document.cid.digest == document.id


HEX32 = st.binary(min_size=32, max_size=32).map(bytes.hex)
ADDRESS = st.binary(min_size=20, max_size=20).map(to_checksum_address)
NATURAL = st.integers(0, 2**53 - 1)
NAME = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
CLAIMS = st.dictionaries(NAME, st.floats(-(2**53) + 1, 2**53 - 1), max_size=3)
REFERENCE = st.builds(Reference, cid=st.just(str(cid_of(b""))), sha256=HEX32, size=NATURAL)


FLOAT_TEXT = st.floats(allow_nan=False, allow_infinity=False).map(tag_float)
PRIVACY = st.none() | st.builds(Privacy, epsilon=FLOAT_TEXT, delta=FLOAT_TEXT)


@given(
    st.builds(
        Details,
        examples=st.integers(-5, 2**53 - 1) | st.just(0.5),
        metrics=CLAIMS,
        privacy=PRIVACY,
        data=HEX32,
        code=HEX32,
    )
)
def test_any_details_come_back(details):
    assert Details.decode(details.encode()) == details


@given(
    st.builds(
        Receipt,
        chain_id=NATURAL.filter(bool),
        contract=ADDRESS,
        task=NATURAL.filter(bool),
        round=NATURAL.filter(bool),
        trainer=ADDRESS,
        announcement=HEX32,
        base=HEX32,
        update=REFERENCE,
        details=REFERENCE,
        commitment=HEX32,
        key=HEX32,
    )
)
def test_any_receipt_comes_back(receipt):
    assert Receipt.decode(receipt.encode()) == receipt


# --- what no document may look like


@every_document
@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(b'{"', b'{ "', 1),
        lambda data: data + b"\n",
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b'"version":1', b'"version":1.0'),
        lambda data: data.replace(b'"version":1', b'"version":1,"version":1'),
        lambda data: json.dumps(json.loads(data), separators=(",", ":"), sort_keys=False).encode()[:-1],
        lambda data: data[:-1] + b',"zz":1}',
        lambda data: b"[" + data + b"]",
        lambda data: data.replace(b'"', b"'"),
    ],
    ids=["space", "newline", "BOM", "1.0", "twice", "cut", "extra field", "in a list", "quotes"],
)
def test_another_spelling_of_a_document_is_refused(document, spoil):
    data = spoil(document.encode())
    assert data != document.encode()
    refused(type(document), data)


@every_document
def test_a_missing_field_is_refused_even_one_that_has_a_default(document):
    said = json.loads(document.encode())
    for name in said:
        refused(type(document), {key: value for key, value in said.items() if key != name})


def test_a_field_missing_inside_is_refused_even_one_that_has_a_default():
    said = changed(TERMS)
    del said["tensors"][0]["low"]
    refused(Terms, said)


def test_an_extra_field_inside_is_refused():
    refused(Receipt, changed(RECEIPT, update={**BLOB.model_dump(), "gateway": "https://example.org"}))


@every_document
def test_another_type_or_version_is_refused(document):
    kind = type(document)
    refused(kind, changed(document, type="invoice"))
    refused(kind, changed(document, version=2))
    refused(kind, changed(document, version="1"))
    refused(kind, changed(document, version=True))
    for other in SAMPLES:
        if other is not document:
            refused(kind, other.encode())


def test_a_document_of_more_than_256_kib_is_neither_read_nor_written():
    metrics = {f"metric {number}": 0.5 for number in range(20_000)}
    with pytest.raises(DocumentError, match=f"more than {MAX_DOCUMENT_BYTES}"):
        DETAILS.model_copy(update={"metrics": metrics}).encode()
    refused(Details, changed(DETAILS, metrics=metrics))


@pytest.mark.parametrize("depth", [17, 100_000])
def test_a_document_nested_too_deep_is_refused(depth):
    data = ANNOUNCEMENT.encode().replace(b'"float:0.1"', b"[" * depth + b"]" * depth)
    refused(Announcement, data[:MAX_DOCUMENT_BYTES])


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " left",
        "right ",
        "a\nb",
        "tab\there",
        "bell\x07",
        "null\x00",
        "delete\x7f",
        "next line\x85",
        "\u202etxt.exe",
        "left\u200emark",
        "isolate\u2066x",
        "zero\u200bwidth",
        "\ufeffmark",
        "no-break\u00a0space",
        "line\u2028separator",
        "<b>bold</b>",
        "[red]alert[/red]",
        "a & b",
        "`code`",
        "{field}",
        'quoted"',
        "back\\slash",
        "pi|pe",
        "\ue000private",
        "x" * 129,
    ],
)
def test_a_name_with_control_characters_markup_or_bidi_marks_is_refused(name):
    refused(Profile, changed(PROFILE, name=name))
    refused(Details, changed(DETAILS, metrics={name: 0.5}))
    refused(Announcement, changed(ANNOUNCEMENT, settings={name: 1}))


def with_label(label):
    """The terms' own data description, but for one name that comes from somebody's table."""
    data = json.loads(TERMS.encode())["data"]
    yield {**data, "label": label}
    yield {**data, "classes": ["benign", label]}
    yield {**data, "columns": [{**data["columns"][0], "name": label}]}
    yield {**data, "columns": [{**data["columns"][1], "categories": ["f", label]}]}


@pytest.mark.parametrize("label", ["", "a\nb", " left", "bell\x07", "\u202etxt", "zero\u200bwidth"])
def test_a_name_from_a_table_with_control_characters_or_bidi_marks_is_refused(label):
    for data in with_label(label):
        refused(Terms, changed(TERMS, data=data))


@pytest.mark.parametrize("label", ["<50", ">=50K", "A&E", "pH [mol/l]", "5\\6"])
def test_a_name_from_a_table_may_have_signs_that_are_markup_elsewhere(label):
    for data in with_label(label):
        terms = Terms.decode(dump(changed(TERMS, data=data)))
        assert label in str(terms.model_dump(mode="json")["data"]).replace("\\\\", "\\")


@pytest.mark.parametrize("name", ["Hôpital Saint-Louis", "東京大学病院", "Klinik Nr. 5 (Süd)", "O'Hara"])
def test_an_ordinary_name_in_any_script_is_read(name):
    assert Profile.decode(dump(changed(PROFILE, name=name))).name == name


@pytest.mark.parametrize(
    "address",
    [
        ALICE.lower(),
        ALICE.upper(),
        "0x" + ALICE[2:].upper(),
        ALICE.replace("aA", "Aa"),
        ALICE[2:],
        ALICE[:-1],
        ALICE + "0",
        ALICE + "\n",
        "",
        1,
    ],
)
def test_an_address_without_its_right_checksum_is_refused(address):
    refused(Receipt, changed(RECEIPT, trainer=address))
    refused(Announcement, changed(ANNOUNCEMENT, invited=[address]))


@pytest.mark.parametrize(
    "money", ["", "01", "-1", "+1", "1.0", "1e18", " 1", "1\n", "0x10", "1_000", "١", "1" * 40, 1, 1.5]
)
def test_money_that_is_no_plain_decimal_is_refused(money):
    refused(Terms, changed(TERMS, reward=money))


@given(st.integers(0, 2**128 - 1))
def test_any_amount_below_2_to_the_128_can_be_said(amount):
    assert Terms.decode(dump(changed(TERMS, reward=str(amount)))).reward == str(amount)


@pytest.mark.parametrize(
    "text", ["0.1", "float:1", "float:0.10", "float:nan", "float:1e999", "float:", 0.5, 1]
)
def test_a_float_setting_spelled_oddly_is_refused(text):
    refused(Terms, changed(TERMS, limits={"element": text, "norm": "float:1.0", "examples": 1}))


@pytest.mark.parametrize("value", [0.5, None, "float:0.10", "float:inf", {"a": 1}, [[1]]])
def test_what_is_no_setting_is_refused(value):
    refused(Announcement, changed(ANNOUNCEMENT, settings={"rate": value}))


@pytest.mark.parametrize(
    "digest", ["", "ab" * 31, "ab" * 33, "AB" * 32, "0x" + "ab" * 31, "zz" * 32, HEX + "\n"]
)
def test_a_digest_that_is_not_64_lower_case_digits_is_refused(digest):
    refused(Receipt, changed(RECEIPT, commitment=digest))


@pytest.mark.parametrize("number", [0, -1, 1.5, "1", True, None])
def test_a_round_that_is_no_positive_integer_is_refused(number):
    refused(Receipt, changed(RECEIPT, round=number))


@pytest.mark.parametrize("value", ["0.5", True, None, [0.5], 2**53 - 0.0, 1e300, -1e20])
def test_a_claim_that_is_no_number_below_2_to_the_53_is_refused(value):
    data = DETAILS.encode().replace(b'"log_loss":0.5', b'"log_loss":' + json.dumps(value).encode())
    refused(Details, data)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e17, 2.0**53])
def test_a_claim_that_could_not_be_read_back_is_not_written(value):
    with pytest.raises(ValidationError):
        Details(examples=1, metrics={"loss": value}, privacy=None, data=HEX, code=HEX)


@pytest.mark.parametrize("examples", [True, "120", None, [120]])
def test_examples_that_are_no_number_are_refused(examples):
    refused(Details, changed(DETAILS, examples=examples))


@pytest.mark.parametrize("examples", [0, -3, 0.5, 1e300])
def test_examples_that_are_any_number_can_be_said_so_that_the_verdict_is_bad_claim(examples):
    assert Details.decode(dump(changed(DETAILS, examples=examples))).examples == examples


@pytest.mark.parametrize("shape", [[1] * 33, [2**53 - 1] * 2, [2**30, 2**20, 8]])
def test_tensors_that_no_file_could_hold_are_refused(shape):
    tensor = {"name": "a", "dtype": "F32", "shape": shape, "low": None, "high": None}
    refused(Terms, changed(TERMS, tensors=[tensor]))


def test_a_minimum_gain_below_100_tolerances_is_refused():
    assert Terms.decode(dump(changed(TERMS, tolerance=10, minimum_gain=1000)))
    refused(Terms, changed(TERMS, tolerance=10, minimum_gain=999))


@pytest.mark.parametrize(
    "adjustable",
    [
        [{"name": "rate", "low": None, "high": None}] * 2,
        [{"name": "server-round", "low": None, "high": None}],
        [{"name": "rate", "low": "float:0.2", "high": "float:0.1"}],
        [{"name": "rate", "low": 0.1, "high": None}],
        [{"name": "rate", "low": "0.1", "high": None}],
        [{"name": "rate", "low": None}],
        [{"name": "<b>", "low": None, "high": None}],
        None,
    ],
    ids=[
        "twice",
        "the round's number",
        "low above high",
        "a bare float",
        "no float",
        "no high",
        "markup",
        "none",
    ],
)
def test_adjustable_settings_that_make_no_sense_are_refused(adjustable):
    refused(Terms, changed(TERMS, adjustable=adjustable))


def test_an_adjustable_setting_may_have_both_bounds_one_or_none_and_need_not_be_in_training():
    bounds = [("float:0.1", "float:0.1"), ("float:0.1", None), (None, "float:0.1"), (None, None)]
    said = [{"name": f"s{n}", "low": low, "high": high} for n, (low, high) in enumerate(bounds)]
    assert [one.bounds for one in Terms.decode(dump(changed(TERMS, adjustable=said))).adjustable] == [
        (0.1, 0.1),
        (0.1, math.inf),
        (-math.inf, 0.1),
        (-math.inf, math.inf),
    ]


@pytest.mark.parametrize(("invited", "drawn_at"), [(None, 7), ([ALICE], None), ([ALICE], -1), ([ALICE], 1.5)])
def test_an_announcement_names_a_block_exactly_when_it_invites_only_some(invited, drawn_at):
    refused(Announcement, changed(ANNOUNCEMENT, invited=invited, drawn_at=drawn_at))
    assert Announcement.decode(dump(changed(ANNOUNCEMENT, invited=None, drawn_at=None)))


# --- references


def test_a_reference_names_bytes_by_cid_digest_and_size():
    assert (BLOB.parsed(), BLOB.sha256, BLOB.size) == (
        cid_of(b"blob"),
        hashlib.sha256(b"blob").hexdigest(),
        4,
    )


@pytest.mark.parametrize(
    "cid",
    ["", "b", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPBdG", str(cid_of(b"")).upper(), f"{cid_of(b'')}/x"],
)
def test_a_cid_in_another_spelling_can_be_said_but_not_parsed(cid):
    reference = Reference(cid=cid, sha256=HEX, size=4)
    with pytest.raises(DocumentError):
        reference.parsed()
