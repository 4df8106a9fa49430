"""Others act while the aggregator works: the owner voids, outsiders settle, a predecessor left a mess."""

from __future__ import annotations

from fl.canonical import sha256
from fl.ledger.types import RoundFailed, Stage


class Interrupted:
    """A ledger on which somebody else acts just before one verb is called."""

    def __init__(self, inner, verb, act):
        self._inner, self._verb, self._act = inner, verb, act

    def __getattr__(self, name):
        if name == self._verb:
            self._act()
        return getattr(self._inner, name)


def interrupted(federation, verb, act):
    return federation.rounds(ledger=Interrupted(federation.ledger(federation.operator), verb, act))


def test_a_round_that_the_owner_voids_while_it_is_decided_has_ended(federation):
    federation.begin()
    owner = federation.ledger(federation.owner)
    end = interrupted(
        federation, "close_round", lambda: owner.void_round(federation.task, 1, bytes(32))
    ).finish()
    assert (end.round, end.closed, end.reason) == (1, False, "ended_by_others")
    assert federation.rounds().open().round == 2


def test_a_round_that_an_outsider_settles_first_is_settled_once(federation):
    federation.begin()
    rounds = federation.rounds()
    rounds.finish()
    [pending] = rounds.pending()
    closed = pending.closed
    federation.wait(closed.settle_after, lambda: False)

    def settle():
        federation.ledger(federation.owner).settle_round(
            federation.task, 1, closed.settle_after, closed.entries
        )

    interrupted(federation, "settle_round", settle).settle_due()
    assert federation.ledger().outcome(federation.task, 1).stage is Stage.SETTLED


def test_a_round_whose_announcement_nobody_has_is_failed_and_the_next_one_opens(federation):
    aggregator = federation.ledger(federation.operator)
    base = federation.ledger().task(federation.task).weights
    aggregator.open_round(federation.task, 1, base, sha256(b"never stored"))
    announcement = federation.rounds().open()
    [failed] = [one for one in federation.ledger().history(federation.task) if isinstance(one, RoundFailed)]
    assert (failed.round, failed.reason.rstrip(b"\0")) == (1, b"no_announcement")
    assert announcement.round == 2
