"""An aggregator killed between any two steps, and started again elsewhere, comes to the same end."""

from __future__ import annotations

from itertools import count

import pytest


class KilledError(Exception):
    """Not an error of ours, so nothing may catch it."""


class Mortal:
    """Passes calls on to a ledger or a store, and dies before the n-th call, counted together.

    Between two calls nothing leaves the process, so that is every moment there is.
    """

    def __init__(self, inner, clock):
        self._inner, self._clock = inner, clock

    def __getattr__(self, name):
        if name == "confirmed":  # reading goes through here too
            return lambda: self
        attribute = getattr(self._inner, name)
        if not callable(attribute):
            return attribute

        def call(*arguments):
            self._clock.tick()
            return attribute(*arguments)

        return call


class Clock:
    """Ticks before every call; the n-th tick kills."""

    def __init__(self, dies_at):
        self.left = dies_at

    def tick(self):
        self.left -= 1
        if self.left == 0:
            raise KilledError


def aggregate_until(federation, rounds, ended, faults, asked):
    """What an aggregator's process does from its start to its end, whatever went before."""
    while rounds.ended() < ended:
        announcement = rounds.open(count=asked)
        federation.submit_all(announcement, faults)
        rounds.finish()
    rounds.settle_all()


def end_state(federation):
    ledger = federation.ledger()
    return (
        ledger.task(federation.task),
        [event.facts() for event in ledger.history(federation.task)],
        [ledger.member(site.address) for site in federation.sites],
        federation.blocks,
    )


def run(found, rule, rounds, faults, asked, dies_at=None):
    """So many rounds of so many sites, with one death on the way; says whether it came to that."""
    federation = found(rule=rule, scoring="shapley")
    clock = Clock(dies_at or 0)
    mortal = federation.rounds(
        Mortal(federation.ledger(federation.operator), clock), Mortal(federation.store, clock)
    )
    try:
        aggregate_until(federation, mortal, rounds, faults, asked)
    except KilledError:
        aggregate_until(federation, federation.rounds(), rounds, faults, asked)
        return federation, True
    return federation, False


RUNS = {
    "two closed": (2, {}, None),
    "a bad update": (1, {1: {"details": {"examples": 0}}}, None),
    "something not served": (1, {1: {"withhold": ["update"]}}, None),
    "a failed one": (1, {index: {"details": {"examples": 0}} for index in range(3)}, None),
    "one that asks two of three": (1, {}, 2),
}


@pytest.mark.parametrize(("rounds", "faults", "asked"), RUNS.values(), ids=RUNS.keys())
def test_a_death_at_any_call_changes_nothing_in_the_end(found, momentum, rounds, faults, asked):
    undisturbed = end_state(run(found, momentum, rounds, faults, asked)[0])
    for dies_at in count(1):
        federation, died = run(found, momentum, rounds, faults, asked, dies_at)
        assert end_state(federation) == undisturbed, f"died before call {dies_at}"
        if not died:
            break
    assert dies_at > 20


def test_another_aggregator_with_its_own_key_goes_on_where_the_first_was_killed(federation):
    federation.begin()
    next_one = federation.sites[0].account  # any account will do
    federation.ledger(federation.owner).set_aggregator(federation.task, next_one.address)
    end = federation.rounds(ledger=federation.ledger(next_one)).finish()
    assert end.closed
