"""The rows of section 6 are steps: the first that applies is the verdict, and later steps are not taken."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from fl import weights
from fl.canonical import sha256
from fl.documents import Reference, Verdict
from fl.store.layout import cid_of
from fl.store.port import put_bytes

BLOB = b"some blob in the store"
BAD_CID = Reference(cid="", sha256="ab" * 32, size=40)
BAD_DIGEST = Reference(cid=str(cid_of(BLOB)), sha256="ab" * 32, size=len(BLOB))

# A fault for each step, which stops there and nowhere before. `values` are elements of the weights:
# (tensor, flat index) → value; no two faults touch the same place, so any two can be in one update.
STEPS = [
    ("bad_document", {"receipt_bytes": b"{}"}),
    ("not_bound", {"receipt": {"round": 9}}),
    ("not_invited", {"invited": False}),
    ("bad_reference", {"receipt": {"details": BAD_CID}}),
    ("bad_content", {"receipt": {"details": BAD_DIGEST}}),
    ("unreadable", {"receipt": {"key": "cd" * 32}}),
    ("bad_document", {"details_bytes": b"{}"}),
    ("unapproved_code", {"details": {"code": "ab" * 32}}),
    ("bad_claim", {"details": {"examples": 0}}),
    ("over_budget", {"details": {"privacy": None}}),
    ("bad_tensors", {"dtype": "F64"}),
    ("not_finite", {"values": {("layer.weight", 0): np.nan}}),
    ("too_large", {"values": {("norm.variance", 0): 99}}),
    ("out_of_range", {"values": {("norm.variance", 1): -0.5}}),
    ("no_change", {"changed": False}),
]
IN_THE_BASE = {"not_finite", "too_large", "out_of_range", "bad_tensors"}  # the base has none of these


def submit(case, *faults):
    """Site 0 sends one update with all these faults."""
    put_bytes(case.store, BLOB)
    together = {}
    for fault in reversed(faults):
        for part, change in fault.items():
            together[part] = {**together.get(part, {}), **change} if isinstance(change, dict) else change
    if not together.pop("invited", True):
        case.invited = ()
    data = spoiled(
        case, together.pop("changed", True), together.pop("values", {}), together.pop("dtype", "I64")
    )
    return case.submit(0, data=data, **together)


def spoiled(case, changed, values, dtype):
    arrays = weights.decode(case.base, case.terms.order)
    if changed:
        arrays = case.sites[0].shifted(arrays, 1)
    for (name, index), value in values.items():
        arrays[name].reshape(-1)[index] = value
    return weights.encode(arrays).replace(b'"I64"', f'"{dtype}"'.encode())


@pytest.mark.parametrize(
    ("verdict", "fault"), STEPS, ids=[f"{i} {name}" for i, (name, _) in enumerate(STEPS)]
)
def test_each_fault_alone_gives_its_own_verdict(case, verdict, fault):
    submit(case, fault)
    assert case.verdicts()[0][0] == verdict


PAIRS = [
    (earlier, later)
    for earlier, later in combinations(STEPS, 2)
    if not (earlier[0] in IN_THE_BASE and later[0] == "no_change")
]


@pytest.mark.parametrize(("earlier", "later"), PAIRS, ids=[f"{a[0]}-{b[0]}" for a, b in PAIRS])
def test_of_two_faults_the_earlier_row_wins(case, earlier, later):
    submit(case, earlier[1], later[1])
    assert case.verdicts()[0][0] == earlier[0]


# --- originality comes last, in its own order


def test_the_base_sent_again_after_it_was_once_accepted_is_no_change_and_not_replayed(case):
    case.earlier = frozenset({sha256(case.base)})
    case.submit(0, data=case.base)
    case.submit(1, data=case.base)
    assert [verdict for verdict, _ in case.verdicts()] == ["no_change", "no_change"]


def test_an_earlier_round_s_update_sent_twice_is_replayed_twice_and_not_a_duplicate(case):
    old = case.submit(0)
    case.submit(1, data=old.weights)
    case.earlier = frozenset({sha256(old.weights)})
    assert [verdict for verdict, _ in case.verdicts()] == ["replayed", "replayed"]


def test_copied_weights_with_a_bad_claim_are_a_bad_claim(case):
    honest = case.submit(0)
    case.submit(1, data=honest.weights, details={"examples": 0})
    assert [verdict for verdict, _ in case.verdicts()] == ["accepted", "bad_claim"]


# --- nothing is fetched before its reference has passed


def test_a_good_update_takes_three_readings_in_this_order(case):
    case.submit(0)
    case.check()
    assert case.reads == ["receipt", "update", "details"]


@pytest.mark.parametrize("step", STEPS[:4], ids=[name for name, _ in STEPS[:4]])
def test_nothing_but_the_receipt_is_fetched_until_its_references_have_passed(case, step):
    submit(case, step[1])
    case.check()
    assert case.reads == ["receipt"]


def test_neither_blob_is_fetched_when_only_one_reference_is_bad(case):
    case.submit(0, receipt={"update": Reference(cid="Qm", sha256="ab" * 32, size=len(case.base) + 16)})
    case.submit(1, receipt={"details": BAD_CID})
    case.check()
    assert case.reads == ["receipt", "receipt"]


def test_details_are_not_fetched_once_the_update_is_bad(case):
    data = case.sites[0].make(case.terms, case.base, case.announcement).update
    said = Reference(cid=str(cid_of(data)), sha256="ab" * 32, size=len(data))
    case.submit(0, receipt={"update": said})
    case.check()
    assert case.reads == ["receipt", "update"]


def test_nobody_reads_more_than_a_reference_declares(case):
    limits = []
    package = case.submit(0)

    def read(cid, limit):
        limits.append(limit)
        return type(case).read(case, cid, limit)

    case.read = read
    case.check()
    assert limits == [256 * 1024, len(package.update), len(package.details)]


def test_an_unavailable_receipt_ends_the_examination(case):
    case.submit(0, withhold=["receipt"])
    case.check()
    assert case.reads == ["receipt"]


def test_the_steps_here_are_in_the_order_of_the_verdicts():
    order = list(Verdict)
    names = [name for i, (name, _) in enumerate(STEPS) if i != 6]  # details repeat the receipt's verdict
    assert all(order.index(a) < order.index(b) for a, b in pairwise(names))
