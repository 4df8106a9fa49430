"""The aggregator on a chain that takes things back: it decides from what is confirmed, repeats the rest."""

from __future__ import annotations

import pytest
from lagging import LaggingFederation

from aggregator.verifying.findings import mismatches
from fl.errors import LedgerUnavailable, Refused
from fl.ledger.types import RoundClosed, RoundFailed, RoundOpened, RoundSettled, Stage


@pytest.fixture
def federation(found):
    """Everybody has joined, and that is confirmed; blocks follow while somebody waits."""
    federation = found(kind=LaggingFederation)
    federation.chain.confirm()
    federation.wait = confirming(federation)
    return federation


@pytest.fixture
def chain(federation):
    return federation.chain


def confirming(federation):
    """First what is there gets its confirmations; when that is not enough, time passes."""

    def wait(until, done):
        if done():
            return
        federation.chain.confirm()
        if not done():
            federation.chain.set_time(max(until, federation.now()))
            federation.chain.confirm()

    return wait


def kinds(federation, *kinds_):
    history = federation.ledger().history(federation.task)
    return [type(event) for event in history if isinstance(event, kinds_)]


# --- what is not confirmed decides nothing


def test_a_draw_is_over_confirmed_seats_and_stays_right_when_what_was_not_is_taken_back(federation, chain):
    (*_, last) = (site.address for site in federation.sites)
    block = federation.ledger().confirmed().history(federation.task)[-1].at.block
    before = chain.mark()
    federation.ledger(federation.owner).remove(last)
    federation.ledger(federation.owner).unseat(federation.task, last)
    first = federation.rounds().open(count=2)
    assert first.drawn_at == block
    chain.take_back(before)  # with the opening
    assert federation.rounds().open(count=2) == first
    for site in federation.sites:
        if site.address in first.invited:
            federation.submit(site, first)
    federation.rounds().finish()
    chain.confirm()
    assert mismatches(federation.verify()) == []


def test_a_seal_counts_once_it_is_confirmed(federation, chain):
    federation.begin()
    assert federation.ledger().task(federation.task).sealed(federation.now())
    rounds = federation.rounds()
    assert not rounds.over()
    chain.confirm()
    assert rounds.over()


def test_a_deadline_counts_once_a_confirmed_block_is_later(federation, chain):
    federation.rounds().open()
    chain.confirm()
    chain.set_time(federation.ledger().task(federation.task).deadline + 1)
    assert not federation.rounds().over()
    chain.confirm()
    assert federation.rounds().over()


def test_a_round_is_decided_from_the_submissions_that_were_confirmed_with_the_seal(federation, chain):
    """The third submission was only in the mempool, made the round look sealed, and went as it came."""
    announcement = federation.rounds().open()
    for site in federation.sites[:2]:
        federation.submit(site, announcement)
    chain.confirm()
    before = chain.mark()
    federation.submit(federation.sites[2], announcement)
    assert not federation.rounds().over()
    chain.take_back(before)
    end = federation.rounds().finish()
    assert end.closed
    assert [line.trainer for line in end.lines] == [site.address for site in federation.sites[:2]]


# --- an aggregator whose predecessor was killed a moment ago


def test_an_opening_of_a_predecessor_is_gone_on_with_once_it_is_confirmed(federation):
    announcement = federation.rounds().open()
    assert federation.rounds().open() == announcement
    assert kinds(federation, RoundOpened) == [RoundOpened]


def test_a_close_of_a_predecessor_is_counted_once_it_is_confirmed(federation):
    federation.begin()
    assert federation.rounds().finish().closed
    assert [one.closed for one in federation.record().rounds] != [None]
    assert federation.rounds().record().rounds[0].closed is None  # not confirmed yet
    assert federation.rounds().ended() == 1
    assert federation.rounds().open().round == 2


def test_a_round_that_another_aggregator_opens_first_is_gone_on_with(federation, chain):
    class Rival:
        """Opens the round just before we do."""

        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def open_round(self, *arguments):
            federation.rounds().open({"server-round": 9})
            return self.inner.open_round(*arguments)

    announcement = federation.rounds(ledger=Rival(federation.ledger(federation.operator))).open()
    assert announcement.settings == {"server-round": 1}  # the chain's number; ours would say none
    assert kinds(federation, RoundOpened) == [RoundOpened]


def test_an_opening_that_the_contract_refuses_for_good_is_an_error(federation):
    federation.ledger(federation.owner).set_paused(True)
    with pytest.raises(Refused, match="IsPaused"):
        federation.rounds().open()


def test_a_chain_that_stands_still_is_said_to(federation):
    federation.rounds().open()
    federation.wait = lambda _until, _done: None
    with pytest.raises(LedgerUnavailable, match="confirmed"):
        federation.rounds().ended()


# --- reorgs: the same step again


def test_an_opening_that_was_taken_back_is_made_again_with_the_same_announcement(federation, chain):
    announcement = federation.rounds().open()
    chain.take_back()
    assert federation.rounds().open() == announcement
    assert kinds(federation, RoundOpened) == [RoundOpened]


def test_a_round_whose_opening_is_taken_back_before_it_is_finished_has_not_ended(federation, chain):
    federation.rounds().open()
    chain.take_back()
    end = federation.rounds().finish()
    assert (end.closed, end.reason) == (False, "ended_by_others")
    assert federation.rounds().ended() == 0
    assert federation.play().closed


@pytest.mark.parametrize("faults", [{}, {index: {"details": {"examples": 0}} for index in range(2)}])
def test_an_end_that_was_taken_back_is_made_again_with_the_same_bytes(federation, chain, faults):
    federation.begin(faults)
    chain.confirm()
    first = federation.rounds().finish()
    blocks = dict(federation.blocks)
    chain.take_back()
    assert kinds(federation, RoundClosed, RoundFailed) == []
    assert federation.rounds().ended() == 0
    assert federation.rounds().finish() == first
    assert federation.blocks == blocks
    chain.confirm()
    assert federation.rounds().ended() == 1
    assert federation.play({}).closed


def test_a_settlement_that_was_taken_back_is_made_again(federation, chain):
    federation.begin()
    federation.rounds().finish()
    chain.confirm()
    chain.set_time(federation.now() + federation.terms.settle_delay)
    federation.rounds().settle_due()
    assert kinds(federation, RoundSettled) == [RoundSettled]
    chain.take_back()
    federation.rounds().settle_due()
    federation.rounds().settle_due()  # refused: somebody has, unconfirmed
    chain.confirm()
    assert federation.ledger().outcome(federation.task, 1).stage is Stage.SETTLED
    assert mismatches(federation.verify()) == []


def test_submissions_that_change_after_the_decision_are_decided_on_again(federation, chain):
    """A reorg deeper than the confirmations: the same submissions, in another order."""

    class Reordered:
        """The reorg comes just before the close."""

        def __init__(self, inner):
            self.inner, self.happened = inner, False

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def close_round(self, *arguments):
            if not self.happened:
                self.happened = True
                chain.take_back(sealed)
            return self.inner.close_round(*arguments)

    announcement = federation.rounds().open()
    opened = chain.mark()
    federation.submit_all(announcement)
    sealed = chain.mark()
    chain.take_back(opened)
    for site in reversed(federation.sites):
        federation.submit(site, announcement)
    chain.confirm()
    end = federation.rounds(ledger=Reordered(federation.ledger(federation.operator))).finish()
    assert end.closed
    assert [line.trainer for line in end.lines] == [site.address for site in federation.sites]


def test_a_close_that_comes_too_late_fails_the_round(federation, chain):
    """It was mined in time, taken back, and is mined again when the window is over: refused as late."""

    class Late:
        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def close_round(self, *arguments):
            chain.set_time(federation.ledger().task(federation.task).close_by() + 1)
            return self.inner.close_round(*arguments)

    federation.begin()
    end = federation.rounds(ledger=Late(federation.ledger(federation.operator))).finish()
    assert (end.closed, end.reason) == (False, "close_window_missed")
    chain.confirm()
    assert federation.play().closed
