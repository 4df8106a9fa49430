"""Section 6 of the protocol, a test a row: one thing is wrong with one update, and it is refused by name.

Each bad update is sent by Sally (site 1) between two honest ones, which must be accepted beside it. This
file goes as far as the details; the weights themselves are in test_verdicts_on_weights.py.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from fl import weights
from fl.canonical import sha256
from fl.documents import Reference
from fl.ledger.types import FULL_QUALITY, UNAVAILABLE, UNRATED
from fl.store import node
from fl.store.cid import Cid
from fl.store.layout import cid_of
from fl.store.node import Link
from fl.store.port import put_bytes

HONEST = ("accepted", FULL_QUALITY)
SALLY = 1


def test_an_honest_update_is_accepted(judge):
    assert judge() == HONEST


# --- unavailable


@pytest.mark.parametrize("part", ["receipt", "update", "details"])
def test_what_is_not_served_is_unavailable(judge, part):
    assert judge(withhold=[part]) == ("unavailable", UNAVAILABLE)


def test_bytes_that_do_not_match_their_cid_are_the_store_s_fault_and_count_as_not_served(case):
    package = case.submit(SALLY)
    digest = cid_of(package.update).digest
    case.blocks[digest] = b"x" + case.blocks[digest][1:]
    assert case.verdicts() == [("unavailable", UNAVAILABLE)]


# --- bad_document

BAD_DOCUMENTS = {
    "too large": lambda data: b'"' + b"x" * 300_000 + b'"',
    "not UTF-8": lambda data: b'"\xff"',
    "a lone surrogate": lambda data: b'"\\ud800"',
    "not canonical": lambda data: data + b"\n",
    "a key twice": lambda data: data.replace(b'"version":1', b'"version":1,"version":1'),
    "a float out of place": lambda data: data.replace(b'"version":1', b'"version":1.5'),
    "a large integer": lambda data: data.replace(b'"version":1', b'"version":9007199254740992'),
    "another type": lambda data: data.replace(b'"type":"', b'"type":"x'),
    "another version": lambda data: data.replace(b'"version":1', b'"version":2'),
    "a field missing": lambda data: data.replace(b',"version":1', b""),
    "a field too many": lambda data: data[:-1] + b',"zz":1}',
    "nested too deep": lambda data: b"[" * 100_000,
    "empty": lambda data: b"",
    "pickle": lambda data: pickle.dumps({"a": 1}),
}


@pytest.mark.parametrize("spoil", BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS.keys())
def test_a_receipt_that_is_no_receipt_is_a_bad_document(judge, case, spoil):
    honest = case.sites[SALLY].make(case.terms, case.base, case.announcement).receipt
    assert judge(receipt_bytes=spoil(honest)) == ("bad_document", 0)


def test_a_receipt_in_one_block_larger_than_a_chunk_is_a_bad_document(case):
    package = case.submit(SALLY, receipt_bytes=b"x" * 1_500_000)
    case.blocks[sha256(package.receipt)] = package.receipt
    assert case.verdicts() == [("bad_document", 0)]


@pytest.mark.parametrize("spoil", BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS.keys())
def test_details_that_are_no_details_are_refused(judge, case, spoil):
    details = spoil(case.sites[SALLY].details(None))
    too_large = len(details) > 256 * 1024  # said by the reference already
    assert judge(details_bytes=details) == ("bad_reference" if too_large else "bad_document", 0)


def test_markup_or_control_characters_in_a_metric_s_name_are_a_bad_document(judge, case):
    details = case.sites[SALLY].details(None).replace(b"unlisted", b"[red]x[/red]")
    assert judge(details_bytes=details) == ("bad_document", 0)


# --- not_bound, not_invited


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"chain_id": 1},
        {"contract": "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"},
        {"task": 2},
        {"round": 2},
        {"trainer": "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_receipt_for_something_else_is_not_bound(judge, elsewhere):
    assert judge(receipt=elsewhere) == ("not_bound", 0)


@pytest.mark.parametrize("field", ["announcement", "base"])
def test_another_announcement_or_base_is_unrated_because_a_reorg_may_be_to_blame(judge, field):
    assert judge(receipt={field: "ab" * 32}) == ("not_bound", UNRATED)


def test_a_copied_receipt_is_bound_to_the_one_who_wrote_it(case):
    package = case.submit(0)
    case.list(package, trainer=case.sites[SALLY].address)
    assert case.verdicts() == [HONEST, ("not_bound", 0)]


def test_who_was_not_invited_is_unrated(make_case):
    case = make_case()
    case.invited = (case.sites[0].address,)
    case.submit(0)
    case.submit(SALLY)
    assert case.verdicts() == [HONEST, ("not_invited", UNRATED)]


# --- bad_reference, bad_content


def other_cids(case):
    package = case.sites[SALLY].make(case.terms, case.base, case.announcement)
    good = str(cid_of(package.update))
    identity = "bafkqaaa"
    return (
        package,
        [
            "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPBdG",  # version 0
            "bafyreigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",  # dag-cbor
            identity,
            good.upper(),
            "z" + good[1:],
            f"/ipfs/{good}",
            f"{good}/model",
            good + "=",
            " " + good,
            "",
        ],
    )


@pytest.mark.parametrize("which", range(10))
@pytest.mark.parametrize("part", ["update", "details"])
def test_a_cid_in_any_other_spelling_is_a_bad_reference(judge, case, which, part):
    package, cids = other_cids(case)
    data = getattr(package, part)
    named = Reference(cid=cids[which], sha256=sha256(data).hex(), size=len(data))
    assert judge(receipt={part: named}) == ("bad_reference", 0)


@pytest.mark.parametrize("spoil", [lambda data: data + b"\0", lambda data: data[:-1], lambda data: b""])
def test_an_update_of_another_size_than_the_base_is_a_bad_reference(judge, case, spoil):
    assert judge(data=spoil(case.base)) == ("bad_reference", 0)


def test_missing_or_additional_tensors_are_a_bad_reference_since_the_size_gives_them_away(judge, case):
    arrays = case.sites[SALLY].shifted(weights.decode(case.base, case.terms.order), 1)
    assert judge(data=weights.encode(arrays | {"more": np.zeros(1)})) == ("bad_reference", 0)


def test_details_above_256_kib_are_a_bad_reference(judge):
    huge = Reference(cid=str(cid_of(b"")), sha256="ab" * 32, size=256 * 1024 + 17)
    assert judge(receipt={"details": huge}) == ("bad_reference", 0)


@pytest.mark.parametrize("part", ["update", "details"])
def test_content_that_is_not_what_its_sha256_says_is_bad(judge, case, part):
    data = getattr(case.sites[SALLY].make(case.terms, case.base, case.announcement), part)
    said = Reference(cid=str(cid_of(data)), sha256="ab" * 32, size=len(data))
    assert judge(receipt={part: said}) == ("bad_content", 0)


@pytest.mark.parametrize("more", [1, -1, -100])
def test_content_of_another_size_than_declared_is_bad(judge, case, more):
    data = case.sites[SALLY].make(case.terms, case.base, case.announcement).details
    said = Reference(cid=str(cid_of(data)), sha256=sha256(data).hex(), size=len(data) + more)
    assert judge(receipt={"details": said}) == ("bad_content", 0)


def test_content_laid_out_deeper_than_its_size_needs_is_bad(judge, case):
    data = case.sites[SALLY].make(case.terms, case.base, case.announcement).update
    leaf = cid_of(data)
    above = node.encode([Link(leaf, len(data), len(data))])
    case.blocks[leaf.digest], case.blocks[sha256(above)] = data, above
    said = Reference(cid=str(Cid.dag(sha256(above))), sha256=sha256(data).hex(), size=len(data))
    assert judge(receipt={"update": said}) == ("bad_content", 0)


# --- unreadable


def test_an_update_that_does_not_open_with_the_key_is_unreadable(judge, case):
    assert judge(update=b"\0" * (len(case.base) + 16)) == ("unreadable", 0)


def test_another_key_than_the_update_was_sealed_with_is_unreadable(judge):
    assert judge(receipt={"key": "cd" * 32}) == ("unreadable", 0)


def test_a_commitment_to_something_else_is_unreadable(judge):
    assert judge(receipt={"commitment": "cd" * 32}) == ("unreadable", 0)


def test_details_that_do_not_open_are_unreadable(judge, case):
    blob = b"\1" * 40
    put_bytes(case.store, blob)
    assert judge(receipt={"details": Reference.of(cid_of(blob), blob)}) == ("unreadable", 0)


def test_somebody_else_s_sealed_update_does_not_open_for_the_copyist(case):
    package = case.submit(0)
    copied = Reference.of(cid_of(package.update), package.update)
    key = sha256(b"key 0 1").hex()
    case.submit(SALLY, receipt={"update": copied, "key": key})
    assert case.verdicts() == [HONEST, ("unreadable", 0)]


# --- unapproved_code, bad_claim, over_budget


def test_other_code_than_the_terms_approve_is_refused(judge):
    assert judge(details={"code": "ab" * 32}) == ("unapproved_code", 0)


@pytest.mark.parametrize("examples", [0, -1, 0.5, 1e300, 10_001, 2**53 - 1])
def test_examples_that_are_no_positive_integer_within_the_cap_are_a_bad_claim(judge, examples):
    assert judge(details={"examples": examples}) == ("bad_claim", 0)


@pytest.mark.parametrize("metrics", [{}, {"loss": -0.1}, {"loss": 10.5}, {"Loss": 1.0}])
def test_a_listed_metric_that_is_missing_or_out_of_bounds_is_a_bad_claim(judge, metrics):
    assert judge(details={"metrics": metrics}) == ("bad_claim", 0)


@pytest.mark.parametrize("loss", [0.0, 10.0])
def test_a_metric_at_its_bound_is_fine(judge, loss):
    assert judge(details={"metrics": {"loss": loss}}) == HONEST


@pytest.mark.parametrize(
    "spent",
    [
        None,
        {"epsilon": "float:1.1", "delta": "float:1e-05"},
        {"epsilon": "float:0.5", "delta": "float:1e-04"},
    ],
)
def test_privacy_spent_beyond_the_terms_or_not_accounted_for_is_over_budget(judge, spent):
    if spent:
        spent = {name: text.replace("1e-04", "0.0001") for name, text in spent.items()}
    assert judge(details={"privacy": spent}) == ("over_budget", 0)


def test_where_the_terms_have_no_privacy_budget_none_is_needed(make_case, make_terms):
    case = make_case(terms=make_terms(privacy=None))
    case.submit(0, details={"privacy": None})
    assert case.verdicts() == [HONEST]
