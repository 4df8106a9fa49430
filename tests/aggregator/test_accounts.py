"""Money and reputation worked out again: what must have been paid, and ledgers that differ."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.record import Record
from aggregator.verifying import accounts
from aggregator.verifying.findings import Findings
from fl.ledger.accounts import account_from_seed
from fl.ledger.types import (
    FULL_QUALITY,
    REFUSED_QUALITY,
    UNAVAILABLE,
    UNRATED,
    Credit,
    Entry,
    Funded,
    RoundSettled,
    Withdrawn,
)

SHARES = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=8)
MONEY = st.integers(0, 2**128 - 1)


class Retelling:
    """A ledger whose answers are changed on their way to the reader."""

    def __init__(self, inner, **changes):
        self._inner, self._changes = inner, changes

    def __getattr__(self, name):
        answer = getattr(self._inner, name)
        if name not in self._changes:
            return answer
        return lambda *arguments: self._changes[name](answer(*arguments))


def check(federation, **changes):
    ledger = Retelling(federation.ledger(), **changes)
    findings = Findings()
    accounts.check(Record(ledger, federation.store, federation.task), findings)
    return [finding.text for finding in findings.all()]


def retold(kind, **changes):
    """A history in which every event of one kind says something else."""
    return lambda events: tuple(
        replace(event, **changes) if isinstance(event, kind) else event for event in events
    )


@pytest.fixture
def settled(federation):
    """Three rounds: one honest, one with a refusal, one void; then a withdrawal."""
    federation.play()
    federation.play({1: {"details": {"examples": 0}}})
    federation.begin()
    federation.rounds().finish()
    federation.ledger(federation.owner).void_round(federation.task, 3, bytes(32))
    federation.ledger(federation.owner).withdraw(federation.sites[0].address)
    return federation


# --- the arithmetic


@given(MONEY, SHARES)
def test_payments_are_floors_in_proportion_to_shares_and_never_more_than_the_reward(reward, shares):
    paid = accounts.payments(reward, tuple(Entry("0x", share, FULL_QUALITY) for share in shares))
    assert sum(paid) <= reward
    if sum(shares):
        assert reward - sum(paid) < len(shares)
        assert paid == [reward * share // sum(shares) for share in shares]
    else:
        assert set(paid) == {0}


@given(st.integers(7, 10_000))
def test_a_reputation_moves_an_eighth_of_the_way_and_stays_within_bounds(reputation):
    up, down = accounts.rate(reputation, FULL_QUALITY), accounts.rate(reputation, REFUSED_QUALITY)
    assert up == reputation - reputation // 8 + 1250
    assert down == reputation - reputation // 8
    assert 7 <= down <= reputation
    assert min(reputation, 9_000) <= up <= 10_000
    assert accounts.rate(reputation, UNAVAILABLE) == down
    assert accounts.rate(reputation, UNRATED) == reputation


# --- what the ledger says


def test_an_honest_ledger_agrees(settled):
    assert check(settled) == []


def test_a_new_round_that_is_open_or_pending_keeps_its_reward_reserved(settled):
    settled.begin()
    assert check(settled) == []
    settled.rounds().finish()
    assert check(settled) == []


def test_every_task_of_the_federation_counts_towards_balance_and_reputation(settled):
    settled.task = settled.create_task()
    settled.play()
    assert check(settled) == []


def test_a_reputation_follows_its_owner_to_a_new_key(settled):
    site, new = settled.sites[1], account_from_seed(b"tests", "new key")
    signature = settled.ledger(site.account).sign_replacement(site.address, new.address, bytes(32))
    settled.ledger(settled.owner).replace(site.address, new.address, bytes(32), signature)
    settled.ledger(settled.owner).unseat(settled.task, site.address)
    settled.ledger(new).join_task(settled.task, settled.terms.id, bytes(32))
    site.account, site.address = new, new.address
    settled.play()
    assert check(settled) == []


def test_a_balance_that_no_event_explains_is_named(settled):
    texts = check(settled, member=lambda member: replace(member, balance=member.balance + 1))
    assert [text.split(":")[1].split()[0] for text in texts] == ["balance"] * 3


def test_a_reputation_that_no_event_explains_is_named(settled):
    texts = check(settled, member=lambda member: replace(member, reputation=10_000))
    assert [text.split(":")[1].split()[0] for text in texts] == ["reputation"] * 3


def test_a_pool_that_no_event_explains_is_named(settled):
    assert any(text.startswith("pool:") for text in check(settled, task=lambda task: replace(task, pool=1)))


@pytest.mark.parametrize(
    ("kind", "changes", "named"),
    [
        (RoundSettled, {"paid": 1}, "round 1: paid 1"),
        (RoundSettled, {"credits": (Credit(1, 1),) * 3}, "credited 1 and rated 1"),
        (Funded, {"amount": 1}, "pool:"),
    ],
)
def test_an_event_that_says_something_else_is_named(settled, kind, changes, named):
    assert any(named in text for text in check(settled, history=retold(kind, **changes)))


def test_a_settlement_that_credits_too_few_is_named(settled):
    texts = check(settled, history=retold(RoundSettled, credits=(Credit(1, 1),)))
    assert any("credits 1 of 3" in text for text in texts)


def test_a_withdrawal_of_another_amount_is_named(settled):
    texts = check(settled, member_history=retold(Withdrawn, amount=1))
    assert any("balance" in text for text in texts)


# --- a federation that goes on meanwhile


class Lively:
    """A ledger on which something happens whenever somebody reads a member."""

    def __init__(self, inner, happen):
        self._inner, self._happen = inner, happen

    def __getattr__(self, name):
        if name == "member":
            self._happen()
        return getattr(self._inner, name)


def test_rounds_that_were_settled_since_the_record_was_read_are_no_difference(settled):
    record, findings = settled.record(), Findings()
    settled.play()
    accounts.check(record, findings)
    assert findings.all() == ()


@pytest.mark.parametrize("happenings", [1, 2])
def test_what_happens_while_accounts_are_compared_is_no_difference(settled, happenings):
    left = [settled.sites[0], settled.sites[2]][:happenings]
    settled.play()

    def withdraw():
        if left:
            settled.ledger(settled.owner).withdraw(left.pop().address)

    findings = Findings()
    ledger = Lively(settled.ledger(), withdraw)
    accounts.check(Record(ledger, settled.store, settled.task), findings)
    assert (findings.all(), left) == ((), [])


def test_a_federation_that_never_rests_does_not_keep_the_verifier_for_ever(settled):
    funds = []

    def fund():
        owner = settled.ledger(settled.owner)
        owner.fund(settled.task, 1)
        funds.append(1)

    findings = Findings()
    ledger = Lively(settled.ledger(), fund)
    accounts.check(Record(ledger, settled.store, settled.task), findings)
    assert len(funds) == accounts.TRIES * len(settled.sites)
    assert any(finding.text.startswith("pool:") for finding in findings.all())


def test_a_difference_in_a_federation_at_rest_is_named_once(settled):
    texts = check(settled, member=lambda member: replace(member, balance=member.balance + 1))
    assert len(texts) == len(set(texts)) == 3
