"""The one function that decides a round: the same facts give the same bytes, and nothing makes it raise."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from aggregator import scoring
from aggregator.sizes import Sizes
from aggregator.types import Aggregate, Closed, Failed
from fl import weights
from fl.canonical import sha256
from fl.documents import Manifest
from fl.errors import WeightsError
from fl.ledger.types import Entry
from fl.store.layout import cid_of


@pytest.fixture
def round_(make_case, make_terms):
    """A round of three honest sites under the given terms."""

    def make(**terms):
        case = make_case(terms=make_terms(**terms))
        for index in range(3):
            case.submit(index)
        return case

    return make


def giving(change):
    """A rule that returns the mean with its arrays changed, and no metrics."""

    def rule(base, updates, _state, _index):
        return Aggregate(change(scoring.coalition(7, updates, base)), {})

    return rule


def reason(decision):
    assert isinstance(decision, Failed)
    assert len(decision.reason.encode("ascii")) <= 31
    return decision.reason


# --- a round that closes


def test_a_closed_round_says_everything_that_has_to_be_stored(round_):
    case = round_(scoring="shapley")
    closed = case.decide()
    manifest = closed.manifest
    assert Manifest.decode(manifest.encode()) == manifest
    assert manifest.weights.sha256 == sha256(closed.weights).hex()
    assert manifest.weights.parsed() == cid_of(closed.weights)
    assert manifest.utilities.sha256 == sha256(closed.utilities).hex()
    assert manifest.state is closed.state is None
    assert (manifest.chain_id, manifest.contract, manifest.task, manifest.round) == (
        case.context.chain_id,
        case.context.contract,
        1,
        1,
    )
    assert manifest.announcement == case.announcement.id.hex()
    assert manifest.base == sha256(case.base).hex()
    assert manifest.metrics == {"loss": 1.5}


def test_entries_are_the_manifest_s_lines_in_chain_order_refused_ones_included(case):
    case.submit(2)
    case.submit(0, details={"examples": 0})
    case.submit(1, withhold=["receipt"])
    case.submit(3)
    closed = case.decide()
    trainers = [case.sites[index].address for index in (2, 0, 1, 3)]
    assert closed.entries == (
        Entry(trainers[0], 1, 10_000),
        Entry(trainers[1], 0, 0),
        Entry(trainers[2], 0, 0xFFFE),
        Entry(trainers[3], 1, 10_000),
    )
    assert [line.receipt for line in closed.manifest.submissions] == [
        submission.receipt.hex() for submission in case.submissions
    ]
    assert closed.manifest.aggregated == (trainers[0], trainers[3])


def test_the_same_facts_give_the_same_bytes(round_):
    case = round_(scoring="shapley", guard="best")
    one, other = case.decide(), case.decide()
    assert one == other
    assert one.manifest.encode() == other.manifest.encode()


def test_scoring_comes_before_aggregation_and_knows_no_rule(round_):
    case = round_(scoring="shapley")
    asked = []

    def utility(mask, _arrays):
        asked.append(mask)
        return mask

    def rule(base, updates, state, index):
        asked.append("rule")
        return Aggregate(base, {})

    case.decide(rule, utility)
    assert asked == [*range(8), "rule"]


def test_the_utility_table_is_of_every_coalition_of_accepted_trainers(case, make_terms):
    case.terms = make_terms(scoring="shapley")
    case.submit(0)
    case.submit(1, details={"examples": 0})
    case.submit(2)
    closed = case.decide(utility=lambda mask, _arrays: mask * 1000)
    assert scoring.decode_table(closed.utilities).true == {0: 0, 1: 1000, 2: 2000, 3: 3000}


@pytest.mark.parametrize("rule", ["equal", "examples"])
def test_without_shapley_and_guard_nobody_asks_for_utilities(round_, rule):
    closed = round_(scoring=rule).decide(utility=None)
    assert closed.utilities is None
    assert closed.manifest.utilities is None


# --- a round that does not


def test_fewer_accepted_than_the_quorum_fail_the_round_and_every_line_is_kept(case):
    case.submit(0)
    case.submit(1, details={"examples": 0})
    failed = case.decide()
    assert reason(failed) == "below_quorum"
    assert [(line.verdict, line.share, line.quality) for line in failed.lines] == [
        ("accepted", 0, 10_000),
        ("bad_claim", 0, 0),
    ]


def test_nobody_at_all_is_below_the_quorum(case):
    assert reason(case.decide()) == "below_quorum"


@pytest.mark.parametrize("error", [ValueError("boom"), ZeroDivisionError(), KeyError("x"), RecursionError()])
def test_an_exception_inside_a_rule_fails_the_round(round_, error):
    def rule(*_):
        raise error

    assert reason(round_().decide(rule)) == "rule_error"


def test_what_a_rule_raised_is_told_with_its_place_and_its_traceback(round_):
    def rule(*_):
        return {}["x"]

    fault = round_().decide(rule).fault
    assert re.fullmatch(r"KeyError: 'x' \(.*test_decision\.py:\d+\)", fault.said)
    assert fault.trace.startswith("Traceback")
    assert 'return {}["x"]' in fault.trace


def test_a_rule_that_returns_nothing_fails_the_round(round_):
    assert reason(round_().decide(lambda *_: None)) == "no_aggregate"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["layer.weight", "steps"])
def test_an_aggregate_that_is_not_finite_fails_the_round(round_, value, name):
    def spoil(arrays):
        return arrays | {name: np.full(arrays[name].shape, value)}

    assert reason(round_().decide(giving(spoil))) == "not_finite"


def test_an_aggregate_too_large_for_the_base_s_dtype_is_not_finite(round_):
    def grow(arrays):
        return arrays | {"layer.weight": np.full((2, 2), 1e300)}

    assert reason(round_().decide(giving(grow))) == "not_finite"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda arrays: {},
        lambda arrays: arrays | {"more": np.zeros(1)},
        lambda arrays: {name: array for name, array in arrays.items() if name != "steps"},
        lambda arrays: arrays | {"layer.weight": np.zeros(4)},
        lambda arrays: arrays | {"steps": np.zeros(1)},
    ],
)
def test_an_aggregate_of_other_tensors_fails_the_round(round_, spoil):
    assert reason(round_().decide(giving(spoil))) == "other_tensors"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda arrays: arrays | {"steps": np.array("many")},
        lambda arrays: arrays | {"steps": np.array(None)},
        lambda arrays: None,
        lambda arrays: list(arrays.values()),
    ],
)
def test_an_aggregate_that_is_no_arrays_fails_the_round(round_, spoil):
    assert reason(round_().decide(giving(spoil))) in ("rule_error", "other_tensors")


@pytest.mark.parametrize(
    "metrics",
    [{"loss": math.nan}, {"loss": math.inf}, {"loss": 1e17}, {"loss": "low"}, {"loss": None}, {"[b]": 1.0}],
)
def test_metrics_that_no_manifest_can_hold_fail_the_round(round_, metrics):
    decision = round_().decide(lambda base, *_: Aggregate(base, metrics))
    assert reason(decision) == "bad_metrics"


def test_metrics_without_end_fail_the_round_because_no_manifest_holds_them(round_):
    metrics = {f"metric {number}": 0.5 for number in range(20_000)}
    assert reason(round_().decide(lambda base, *_: Aggregate(base, metrics))) == "manifest_too_large"


def test_a_state_that_verifiers_would_refuse_to_read_fails_the_round(round_):
    case = round_()
    most = Sizes.of(case.terms).state.stop - 1

    def rule(size):
        return lambda base, *_: Aggregate(base, {}, b"x" * size)

    assert isinstance(case.decide(rule(most)), Closed)
    assert reason(case.decide(rule(most + 1))) == "state_too_large"


def test_a_table_of_utilities_that_verifiers_would_refuse_to_read_fails_the_round(round_):
    case = round_(scoring="leave_one_out", budget=8)
    assert reason(case.decide(utility=lambda *_: 10**400)) == "utilities_too_large"


def test_a_game_that_the_budget_does_not_cover_fails_the_round_before_any_evaluation(round_):
    def utility(_mask, _arrays):
        raise AssertionError("not asked")

    assert reason(round_(scoring="shapley", budget=7).decide(utility=utility)) == "scoring_budget"


def test_a_base_that_is_no_weights_of_these_terms_is_nobody_s_verdict(make_case):
    case = make_case(base=weights.encode({"other": np.zeros(2)}))
    with pytest.raises(WeightsError):
        case.decide()


# --- back to the base's dtypes


def test_the_aggregate_is_cast_back_to_the_base_s_dtypes_before_it_is_hashed(round_):
    def drift(arrays):
        floats = {name: array.astype(np.float64) for name, array in arrays.items()}
        return dict(reversed((floats | {"steps": np.array(2.5)}).items()))

    case = round_()
    closed = case.decide(giving(drift))
    assert weights.same_header(case.base, closed.weights)
    arrays = weights.decode(closed.weights, case.terms.order)
    assert arrays["steps"] == 2  # half to even
    assert list(arrays) == list(case.terms.order)


@pytest.mark.parametrize(("value", "kept"), [(1e30, 2**63 - 1), (-1e30, -(2**63)), (3.5, 4), (-0.5, 0)])
def test_integers_are_rounded_half_to_even_and_saturate(round_, value, kept):
    case = round_()
    closed = case.decide(giving(lambda arrays: arrays | {"steps": np.array(value)}))
    assert weights.decode(closed.weights, case.terms.order)["steps"] == kept


# --- guards


def test_a_guard_that_sets_somebody_aside_still_pays_and_rates_in_full(round_):
    """Set aside is not refused: the share is as scored and the quality is full."""
    table = {0: 0, 1: 9000, 2: 8000, 4: 0, 3: 20_000, 5: 9000, 6: 8000, 7: 19_000}
    case = round_(scoring="equal", guard="best")
    closed = case.decide(utility=lambda mask, _arrays: table[mask])
    assert closed.manifest.aggregated == tuple(site.address for site in case.sites[:2])
    assert [(entry.share, entry.quality) for entry in closed.entries] == [(1, 10_000)] * 3
    pair = [case.sites[i].shifted(weights.decode(case.base, case.terms.order), 1) for i in (0, 1)]
    expected = (pair[0]["norm.variance"] * 100 + pair[1]["norm.variance"] * 200) / 300
    arrays = weights.decode(closed.weights, case.terms.order)
    assert arrays["norm.variance"] == pytest.approx(expected)


@pytest.mark.parametrize("guard", ["positive", "best"])
def test_a_guard_that_sets_everybody_aside_keeps_the_base_and_the_rule_s_memory(round_, guard):
    case = round_(scoring="equal", guard=guard)
    case.state = b"memory"
    closed = case.decide(rule=None, utility=lambda mask, _arrays: -1000 * mask)
    assert closed.weights == case.base
    assert closed.state == b"memory"
    assert closed.manifest.aggregated == ()
    assert [entry.quality for entry in closed.entries] == [10_000] * 3


def test_the_quorum_counts_whom_a_guard_set_aside(round_):
    case = round_(scoring="equal", guard="best", quorum=3)
    assert isinstance(case.decide(utility=lambda mask, _arrays: 1000 * (mask == 1)), Closed)


# --- rules with memory


def test_a_rule_gets_the_last_state_and_the_number_of_closed_rounds_plus_one(round_):
    case = round_()
    case.state, case.index = b"before", 4
    told = []

    def rule(base, updates, state, index):
        told.append((state, index))
        return Aggregate(base, {}, b"after")

    closed = case.decide(rule)
    assert told == [(b"before", 4)]
    assert closed.state == b"after"
    assert closed.manifest.state.sha256 == sha256(b"after").hex()


def test_a_rule_gets_updates_in_chain_order_and_arrays_in_the_order_of_the_terms(case):
    for index in (2, 0, 1):
        case.submit(index)
    told = []

    def rule(base, updates, state, index):
        told.extend((update.trainer, list(update.arrays), update.examples) for update in updates)
        return Aggregate(base, {})

    case.decide(rule)
    order = list(case.terms.order)
    assert told == [(case.sites[i].address, order, 100 * (i + 1)) for i in (2, 0, 1)]
