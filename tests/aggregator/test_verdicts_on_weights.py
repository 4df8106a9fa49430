"""Section 6 of the protocol, the rows about weights: their header, their values, their originality.

Each bad update is sent by Sally (site 1) between two honest ones, which must be accepted beside it.
"""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from fl import weights
from fl.canonical import sha256
from fl.ledger.types import FULL_QUALITY, UNAVAILABLE

HONEST = ("accepted", FULL_QUALITY)
SALLY = 1


def base_arrays(case):
    return weights.decode(case.base, case.terms.order)


def with_values(case, name, values):
    """An honest update but for one tensor."""
    arrays = case.sites[SALLY].shifted(base_arrays(case), 1)
    return weights.encode(arrays | {name: np.array(values, arrays[name].dtype)})


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
