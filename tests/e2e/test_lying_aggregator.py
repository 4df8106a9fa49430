"""An aggregator that lies through the real contract, one lie a round, each with a manifest that fits the lie.

Nobody is hurt in silence: `fl verify` names every round that was not closed as its submissions demand.
"""

from dataclasses import replace
from functools import partial

import pytest

from aggregator import decision, deliberation
from aggregator.decision import Facts
from aggregator.types import Closed, Failed, Read, Utility
from fl import weights
from fl.documents import Manifest, Reference, Verdict
from fl.ledger.types import UNRATED, Entry
from fl.store.cid import Cid
from fl.store.layout import cid_of

pytestmark = pytest.mark.slow


def with_first_line(closed: Closed, **changes: object) -> Closed:
    """Another first line, in the manifest and in what the contract is told."""
    first, *others = closed.manifest.submissions
    lines = (first.model_copy(update=changes), *others)
    entries = tuple(Entry(line.trainer, line.share, line.quality) for line in lines)
    return replace(closed, manifest=with_changes(closed.manifest, submissions=lines), entries=entries)


def with_changes(manifest: Manifest, **changes: object) -> Manifest:
    return manifest.model_copy(update=changes)


def reference(data: bytes) -> Reference:
    return Reference.of(cid_of(data), data)


# --- the lies


def nothing(closed: Closed, facts: Facts) -> Closed:
    return closed


def a_share_made_up(closed: Closed, facts: Facts) -> Closed:
    return with_first_line(closed, share=closed.entries[0].share + 1)


def the_contract_told_otherwise(closed: Closed, facts: Facts) -> Closed:
    first, *others = closed.entries
    return replace(closed, entries=(replace(first, share=999_999), *others))


def an_honest_update_refused(closed: Closed, facts: Facts) -> Closed:
    return with_first_line(closed, verdict=Verdict.NOT_FINITE, share=0, quality=0, examples=None)


def a_quality_withheld(closed: Closed, facts: Facts) -> Closed:
    return with_first_line(closed, share=0, quality=UNRATED)


def examples_made_up(closed: Closed, facts: Facts) -> Closed:
    return with_first_line(closed, examples=closed.manifest.submissions[0].examples + 1)


def other_weights(closed: Closed, facts: Facts) -> Closed:
    arrays = weights.decode(closed.weights, facts.terms.order)
    better = weights.encode({name: array * 2 for name, array in arrays.items()})
    return replace(closed, weights=better, manifest=with_changes(closed.manifest, weights=reference(better)))


def utilities_made_up(closed: Closed, facts: Facts) -> Closed:
    """Shares, table and manifest agree: `lying` has decided with `favouring_the_first`."""
    return closed


def favouring_the_first(utility: Utility, mask: int, arrays: weights.Arrays) -> int:
    return utility(mask, arrays) + 500_000 * (mask & 1)


def one_left_out_of_the_aggregate(closed: Closed, facts: Facts) -> Closed:
    return replace(closed, manifest=with_changes(closed.manifest, aggregated=closed.manifest.aggregated[1:]))


def metrics_made_up(closed: Closed, facts: Facts) -> Closed:
    return replace(
        closed, manifest=with_changes(closed.manifest, metrics={**closed.manifest.metrics, "loss": 0.0})
    )


def one_left_out_of_the_list(closed: Closed, facts: Facts) -> Closed:
    manifest = closed.manifest
    return replace(closed, manifest=with_changes(manifest, submissions=manifest.submissions[1:]))


def a_memory_made_up(closed: Closed, facts: Facts) -> Closed:
    manifest = with_changes(closed.manifest, state=reference(b"memory"))
    return replace(closed, state=b"memory", manifest=manifest)


def failed_in_spite_of_a_quorum(closed: Closed, facts: Facts) -> Failed:
    return Failed("below_quorum")


def an_honest_update_denied(closed: Closed, facts: Facts) -> Closed:
    """Everything follows from the denial: `lying` has decided with `denying_the_first`."""
    return closed


def denying_the_first(facts: Facts, read: Read, cid: Cid, limit: int) -> bytes:
    """Ask for what nobody serves instead: the contract takes the verdict late only, so wait."""
    denied = Cid.of_document(facts.submissions[0].receipt)
    return read(NOWHERE if cid == denied else cid, limit)


NOWHERE = Cid.of_document(b"nobody serves this".ljust(32))

LIES = {
    a_share_made_up: "share recorded as",
    the_contract_told_otherwise: "the contract was told",
    an_honest_update_refused: "recorded not_finite, found accepted",
    a_quality_withheld: "quality recorded as 65535, found 10000",
    examples_made_up: "examples recorded as",
    other_weights: "weights: recorded",
    utilities_made_up: "utilities: coalition 1 recorded as",
    one_left_out_of_the_aggregate: "aggregated: recorded",
    metrics_made_up: "metrics: recorded",
    one_left_out_of_the_list: "is left out",
    a_memory_made_up: "state: recorded",
}
"""Lies, and what `fl verify` says of each."""

PLAN = (nothing, *LIES, an_honest_update_denied, failed_in_spite_of_a_quorum, nothing)
"""What happens in rounds 1, 2, …"""


def lying(facts: Facts, rule, utility, read, keep) -> Closed | Failed:
    """In place of the one function that decides: what it says, and the lie of the round upon it."""
    lie = PLAN[facts.context.round - 1]
    if lie is utilities_made_up:
        utility = partial(favouring_the_first, utility)
    if lie is an_honest_update_denied:
        read = partial(denying_the_first, facts, read)
    return lie(decision.decide(facts, rule, utility, read, keep), facts)


@pytest.fixture(scope="module")
def run(finish, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deliberation, "decide", lying)
        folder = tmp_path_factory.mktemp("lying") / "run"
        return finish(folder, "trainers=3", f"rounds={len(PLAN)}")


@pytest.fixture(scope="module")
def found(run, verify):
    return verify(run.folder)


def round_of(lie) -> int:
    return PLAN.index(lie) + 1


def test_the_contract_took_every_lie(run):
    outcomes = [one.outcome.partition(":")[0] for one in run.results.rounds]
    failed = round_of(failed_in_spite_of_a_quorum)
    assert outcomes == ["failed" if n == failed else "settled" for n in range(1, len(PLAN) + 1)]


def test_exactly_the_rounds_with_a_lie_are_wrong(found):
    assert found.code == 1
    assert found.wrong_rounds == set(map(round_of, LIES))


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_lie_is_named(found, lie):
    mismatches = found.texts("mismatch", round_of(lie))
    assert any(LIES[lie] in text for text in mismatches)


def test_a_made_up_share_is_named_with_its_trainer_and_the_right_one(run, found):
    number = round_of(a_share_made_up)
    closed = run.record.round(number).closed
    first = closed.entries[0]
    assert found.texts("mismatch", number) == [
        f"{first.trainer}: share recorded as {first.share}, found {first.share - 1}"
    ]


def test_what_can_only_be_told_is_told_and_is_no_mismatch(run, found):
    denied, failed = round_of(an_honest_update_denied), round_of(failed_in_spite_of_a_quorum)
    trainer = run.record.round(denied).closed.entries[0].trainer
    assert found.texts("not checked", denied) == [
        f"{trainer}: published late or denied: cannot be told apart"
    ]
    assert found.texts("note", failed) == ["failed in spite of a quorum: below_quorum"]


def test_a_good_round_stays_good_after_lies(found):
    assert found.texts("ok", len(PLAN)) == ["closed as its submissions demand"]


def test_money_and_reputation_follow_from_what_was_closed_even_where_it_was_a_lie(found):
    assert found.texts("mismatch", None) == []
    assert found.said["counts"]["mismatch"] >= len(LIES)
