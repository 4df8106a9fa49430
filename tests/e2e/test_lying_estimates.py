"""An aggregator that lies about estimated shares, through the real contract, under a guard and a robust rule.

`fl verify` names every altered utility, true or mixed, and every choice of other coalitions.
"""

from dataclasses import replace

import pytest

from aggregator import decision, deliberation
from aggregator.decision import Facts
from aggregator.scoring import Table, decode_table, encode_table
from aggregator.types import Closed, Failed
from fl.documents import Reference
from fl.store.layout import cid_of

pytestmark = pytest.mark.slow


class Lifting:
    """A utility that favours some coalitions."""

    def __init__(self, utility, true=frozenset(), mixed=frozenset()):
        self.utility, self.true, self.mixed = utility, true, mixed

    def __call__(self, coalition, arrays):
        return self.utility(coalition, arrays) + 50_000 * (coalition in self.true)

    def outputs(self, coalition, arrays):
        utility, outputs = self.utility.outputs(coalition, arrays)
        return utility + 50_000 * (coalition in self.true), outputs

    def of_outputs(self, coalition, outputs):
        return self.utility.of_outputs(coalition, outputs) + 50_000 * (coalition in self.mixed)


# --- the lies: what is decided from other facts, or with another utility, fits together


def nothing(facts, utility):
    return facts, utility


def a_true_utility_made_up(facts, utility):
    return facts, Lifting(utility, true={0b1})


def a_mixed_utility_made_up(facts, utility):
    return facts, Lifting(utility, mixed={0b111})


def other_coalitions_chosen(facts, utility):
    """Fewer than the budget allows."""
    chosen = facts.terms.scoring.model_copy(update={"budget": facts.terms.scoring.budget - 1})
    return replace(facts, terms=facts.terms.model_copy(update={"scoring": chosen})), utility


def another_seed(facts, utility):
    return replace(facts, context=replace(facts.context, accumulator=b"\7" * 32)), utility


def a_line_left_out(closed: Closed) -> Closed:
    table = decode_table(closed.utilities)
    data = encode_table(Table(table.true, dict(list(table.surrogate.items())[1:])))
    manifest = closed.manifest.model_copy(update={"utilities": Reference.of(cid_of(data), data)})
    return replace(closed, utilities=data, manifest=manifest)


PAIRED = (nothing, a_true_utility_made_up, a_mixed_utility_made_up, other_coalitions_chosen, a_line_left_out)
GUIDED = (nothing, another_seed)


def deciding(plan):
    def lying(facts: Facts, rule, utility, read, keep) -> Closed | Failed:
        lie = plan[facts.context.round - 1]
        if lie is a_line_left_out:
            return lie(decision.decide(facts, rule, utility, read, keep))
        return decision.decide(*_told(lie, facts, rule, utility), read, keep)

    return lying


def _told(lie, facts, rule, utility):
    facts, utility = lie(facts, utility)
    return facts, rule, utility


@pytest.fixture(scope="module")
def run(finish, tmp_path_factory):
    def run(plan, *changes):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(deliberation, "decide", deciding(plan))
            return finish(tmp_path_factory.mktemp("lying") / "run", f"rounds={len(plan)}", *changes)

    return run


@pytest.fixture(scope="module")
def paired(run):
    """Five trainers from 19 of 32 evaluations: seven of the ten pairs."""
    return run(PAIRED, "trainers=5", "scoring.budget=19", "scoring.guard=positive", "rule.name=FedMedian")


@pytest.fixture(scope="module")
def found(paired, verify):
    return verify(paired.folder)


def named(found, plan, lie, *words):
    texts = found.texts("mismatch", plan.index(lie) + 1)
    return any(all(word in text for word in words) for text in texts)


def test_exactly_the_rounds_with_a_lie_are_wrong(found):
    assert found.code == 1
    assert found.wrong_rounds == {2, 3, 4, 5}


def test_an_altered_true_utility_is_named(found):
    assert named(found, PAIRED, a_true_utility_made_up, "utilities: coalition 1 recorded as")


def test_an_altered_mixed_utility_is_named(found):
    assert named(
        found, PAIRED, a_mixed_utility_made_up, "utilities: mixed outputs of coalition 7 recorded as"
    )


def test_other_coalitions_than_the_budget_demands_are_a_mismatch(found):
    assert named(found, PAIRED, other_coalitions_chosen, "is not in the table")


def test_a_missing_line_is_a_mismatch(found):
    assert named(found, PAIRED, a_line_left_out, "mixed outputs of coalition 1 is not in the table")


def test_the_honest_round_is_estimated_and_its_table_small(paired):
    table = decode_table(paired.record.blob(paired.record.manifest(paired.record.round(1)).utilities))
    assert len(table.true) == 19
    assert len(table.surrogate) == 31


def test_orders_of_another_seed_than_the_round_s_are_a_mismatch(run, verify):
    settings = ("trainers=6", "scoring.rule=gtg", "scoring.budget=16", "scoring.guard=best", "rule.name=Krum")
    found = verify(run(GUIDED, *settings).folder)
    assert found.wrong_rounds == {2}
    assert named(found, GUIDED, another_seed, "utilities: coalition", "is not in the table")
