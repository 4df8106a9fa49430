"""Section 6 of the protocol, a test a row: one thing is wrong with one update, and it is refused by name.

Each bad update is sent by site 1 between two honest ones, which must be accepted beside it.
"""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from aggregator.types import Closed
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


@pytest.fixture
def judge(case):
    """Sally's verdict; the round around it closes with the honest updates only."""

    def judge(**faults):
        case.submit(0)
        case.submit(SALLY, **faults)
        case.submit(2)
        first, sally, last = case.verdicts()
        assert (first, last) == (HONEST, HONEST)
        decision = case.decide()
        assert isinstance(decision, Closed)
        honest = tuple(case.sites[index].address for index in (0, 2))
        if sally != HONEST:
            assert decision.manifest.aggregated == honest
            assert decision.entries[1].share == 0
        return sally

    return judge


def base_arrays(case):
    return weights.decode(case.base, case.terms.order)


def with_values(case, name, values):
    """An honest update but for one tensor."""
    arrays = case.sites[SALLY].shifted(base_arrays(case), 1)
    return weights.encode(arrays | {name: np.array(values, arrays[name].dtype)})


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
    arrays = case.sites[SALLY].shifted(base_arrays(case), 1)
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


# --- bad_tensors


def same_size(data, size):
    assert len(data) <= size, "the fault must not show in the size"
    return data.ljust(size, b"\0")


def zipped(size):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x", b"")
    return same_size(stream.getvalue(), size)


def renamed(case):
    return case.base.replace(b'"steps"', b'"Steps"')


def pickled(case):
    return same_size(pickle.dumps(b"x" * (len(case.base) - 64)), len(case.base))


def of_another_dtype(case):
    return case.base.replace(b'"I64"', b'"F64"')


def with_metadata(case):
    arrays = {"a": np.zeros(2, np.float32)}
    return same_size(save(arrays, metadata={"by": "x"}), len(case.base))


def transposed(case):
    return case.base.replace(b'"shape":[2,2]', b'"shape":[4,1]')


def with_a_hole(case):
    start = case.base.index(b'"data_offsets":[0,')
    return case.base[:start] + case.base[start:].replace(b"[0,", b"[1,", 1)


@pytest.mark.parametrize(
    "forge",
    [
        renamed,
        of_another_dtype,
        with_metadata,
        transposed,
        with_a_hole,
        pickled,
        lambda case: zipped(len(case.base)),
        lambda case: b"\0" * len(case.base),
        lambda case: b"\xff" * len(case.base),
    ],
    ids=["renamed", "dtype", "metadata", "shape", "hole", "pickle", "zip", "zeros", "huge header"],
)
def test_the_right_size_under_another_header_is_bad_tensors(judge, case, forge):
    forged = forge(case)
    assert len(forged) == len(case.base)
    assert not forged.startswith(weights.header(case.base))
    assert judge(data=forged) == ("bad_tensors", 0)


# --- not_finite, too_large, out_of_range


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_not_finite(judge, case, value):
    assert judge(data=with_values(case, "norm.variance", [1.0, value])) == ("not_finite", 0)


def test_one_element_too_far_from_the_base_is_too_large(judge, case):
    assert judge(data=with_values(case, "norm.variance", [1.0, 12.5])) == ("too_large", 0)


def test_many_elements_whose_norm_is_beyond_the_terms_are_too_large(judge, case):
    assert judge(data=with_values(case, "layer.weight", np.full((2, 2), 9.0))) == ("too_large", 0)


def test_an_element_exactly_at_the_bound_is_fine(judge, case):
    assert judge(data=with_values(case, "norm.variance", [1.0, 12.0])) == HONEST


def test_integer_tensors_have_the_same_bounds(judge, case):
    assert judge(data=with_values(case, "steps", 2**62)) == ("too_large", 0)


def test_a_negative_variance_is_out_of_range(judge, case):
    assert judge(data=with_values(case, "norm.variance", [1.0, -0.5])) == ("out_of_range", 0)


# --- no_change, replayed, duplicate


def test_the_base_itself_is_no_change(judge, case):
    assert judge(data=case.base) == ("no_change", 0)


def test_an_update_that_an_earlier_round_accepted_is_replayed(case):
    package = case.submit(SALLY)
    case.earlier = frozenset({sha256(package.weights)})
    assert case.verdicts() == [("replayed", 0)]


def test_the_weights_of_an_earlier_submission_are_a_duplicate(case):
    first = case.submit(0)
    case.submit(SALLY, data=first.weights)
    case.submit(2)
    assert case.verdicts() == [HONEST, ("duplicate", 0), HONEST]


def test_the_weights_of_a_refused_submission_that_was_read_are_a_duplicate_too(case):
    first = case.submit(0, details={"examples": 0})
    case.submit(SALLY, data=first.weights)
    assert case.verdicts() == [("bad_claim", 0), ("duplicate", 0)]


def test_a_submission_that_could_not_be_read_makes_nobody_a_duplicate(case):
    first = case.submit(0, withhold=["update"])
    case.submit(SALLY, data=first.weights)
    assert case.verdicts() == [("unavailable", UNAVAILABLE), HONEST]


def test_a_line_says_the_digest_of_what_was_decrypted_whatever_the_verdict(case):
    case.submit(0, withhold=["update"])
    refused = case.submit(SALLY, details={"examples": 0})
    accepted = case.submit(2)
    lines = [one.line(0) for one in case.check()]
    digests = [None, sha256(refused.weights).hex(), sha256(accepted.weights).hex()]
    assert [line.weights for line in lines] == digests
    assert [line.examples for line in lines] == [None, None, 300]


def test_metrics_that_the_terms_do_not_list_never_reach_the_rule(case):
    case.submit(0)
    [checked] = case.check()
    assert checked.update.metrics == {"loss": 0.5}
    assert list(checked.update.arrays) == list(case.terms.order)
