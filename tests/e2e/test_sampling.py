"""Rounds that ask two of four sites, through Flower and on a real chain, with Mallory among the four.

She is an honest trainer when she is drawn, and comes all the same when she is not.
"""

from __future__ import annotations

from itertools import count

import pytest
from mallory import Misdeed
from stage import BASE, FOUR, MALLORY, REWARD, Stage, address, make_terms

from aggregator.draw import draw
from aggregator.verifying.findings import mismatches
from fl import weights
from fl.documents import Verdict
from fl.ledger.types import FULL_QUALITY, INITIAL_REPUTATION, UNRATED

pytestmark = pytest.mark.slow

SEATS = dict(enumerate(FOUR, 1))
ROUNDS = 3


def draws_of(purpose: str) -> list[tuple[str, ...]]:
    """Who is drawn in each round of a task with this purpose."""
    terms = make_terms(BASE, purpose=purpose)
    return [draw(terms.id, round_, SEATS, 2) for round_ in range(1, ROUNDS + 1)]


def tells_much(purpose: str) -> bool:
    """She is drawn and left out, and everybody is drawn at some time."""
    drawn = draws_of(purpose)
    return {name for names in drawn for name in names} == set(FOUR) and MALLORY not in drawn[-1]


PURPOSE = next(filter(tells_much, map("Agree, {}.".format, count())))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage.build(tmp_path_factory.mktemp("four"), FOUR)


@pytest.fixture(scope="module")
def played(before, tmp_path_factory):
    """Three rounds of two, honest but for Mallory's coming uninvited."""
    stage = before.copied_to(tmp_path_factory.mktemp("played") / "stage")
    stage.play(Misdeed(count=2, rounds=ROUNDS, begin={"purpose": PURPOSE}))
    return stage


def lines(stage: Stage, round_):
    return {line.trainer: line for line in stage.record().manifest(round_).submissions}


def test_each_round_asks_those_whom_the_chain_drew_and_nobody_else_trains(played):
    for drawn, round_ in zip(draws_of(PURPOSE), played.record().rounds, strict=True):
        assert played.record().announcement(round_).invited == tuple(map(address, drawn))
        assert {name for name, number in played.trained if number == round_.number} == set(drawn)


def test_only_those_who_were_asked_are_in_the_model_and_are_paid(played):
    for drawn, round_ in zip(draws_of(PURPOSE), played.record().rounds, strict=True):
        assert played.record().manifest(round_).aggregated == tuple(map(address, drawn))
        trainers = [entry.trainer for entry in round_.closed.entries]
        paid = dict(zip(trainers, (credit.amount for credit in round_.settled.credits), strict=True))
        assert all(paid[address(name)] > 0 for name in drawn)
        assert sum(paid[address(name)] for name in drawn) == round_.settled.paid > REWARD - 2


def test_who_comes_uninvited_is_not_invited_unrated_and_unpaid(played):
    left_out = [number for number, drawn in enumerate(draws_of(PURPOSE), 1) if MALLORY not in drawn]
    assert left_out
    for number in left_out:
        round_ = played.record().round(number)
        line = lines(played, round_)[address(MALLORY)]
        assert (line.verdict, line.quality, line.share) == (Verdict.NOT_INVITED, UNRATED, 0)
    reputation = INITIAL_REPUTATION
    for _ in range(ROUNDS - len(left_out)):
        reputation += FULL_QUALITY // 8 - reputation // 8
    assert played.record().ledger.member(address(MALLORY)).reputation == reputation


def test_a_round_that_asks_only_some_ends_at_its_deadline(played):
    for round_ in played.record().rounds:
        assert round_.sealed is None
        assert round_.closed.at.time > round_.opened.deadline


def test_everybody_can_check_every_draw(played):
    assert mismatches(played.verify()) == []


def test_an_aggregator_that_asks_its_friends_pays_them_and_is_named_by_every_verifier(before, tmp_path):
    stage = before.copied_to(tmp_path / "stage")
    friends = tuple(name for name in FOUR if name not in draws_of(PURPOSE)[0])
    lie = {"invited": tuple(map(address, friends))}
    record = stage.play(Misdeed(count=2, begin={"purpose": PURPOSE}), lambda *_: lie)
    assert record.manifest(record.rounds[0]).aggregated == lie["invited"]
    (found,) = mismatches(stage.verify())
    assert (found.round, found.subject) == (1, "announcement")
    for name in draws_of(PURPOSE)[0]:
        assert f"{address(name)} was drawn and is left out" in found.text
    for name in friends:
        assert f"{address(name)} was not drawn" in found.text


def test_settings_that_a_round_may_not_choose_end_it_without_an_update(before, tmp_path):
    """Every honest site refuses, so there is nothing to aggregate and nobody to pay."""
    stage = before.copied_to(tmp_path / "stage")
    stage.play(Misdeed(), lambda *_: {"settings": {"epochs": 1000}})
    (round_,) = stage.record().rounds
    honest = {address(name) for name in FOUR if name != MALLORY}
    assert not honest & {event.trainer for event in round_.submissions}
    assert stage.trained == {}
    assert weights.digest(weights.encode(BASE)) == stage.record().ledger.task(stage.task).weights
    (found,) = mismatches(stage.verify())
    assert "sets epochs to 1000, the terms do not name it" in found.text
