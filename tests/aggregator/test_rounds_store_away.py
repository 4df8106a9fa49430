"""The aggregator's own store: away, it decides nothing; there, it holds what sites may take back."""

from __future__ import annotations

from io import BytesIO

import pytest

from fl.errors import StoreUnavailable
from fl.ledger.types import Stage
from fl.store.memory import MemoryStore
from fl.store.port import put_bytes, read_bytes


class Away(MemoryStore):
    """Gives no answer from its `after`-th block on, until it is `back`."""

    def __init__(self, blocks, after):
        super().__init__(blocks)
        self.left, self.back = after, False

    def _fetch(self, cid):
        self.left -= 1
        if self.left < 0 and not self.back:
            raise StoreUnavailable("The store gives no answer.")
        return super()._fetch(cid)


@pytest.mark.parametrize("after", range(0, 12, 2))
def test_nobody_is_judged_and_no_round_fails_because_the_aggregators_own_store_is_away(federation, after):
    federation.begin()
    store = Away(federation.blocks, after)
    with pytest.raises(StoreUnavailable):
        federation.rounds(store=store).finish()
    assert federation.record().rounds[0].stage is Stage.NONE
    store.back = True
    end = federation.rounds(store=store).finish()
    assert end.closed
    assert {str(line.verdict) for line in end.lines} == {"accepted"}


class Joined(MemoryStore):
    """The aggregator's own blocks, and behind them those of the sites, as an IPFS node has them."""

    def __init__(self, own, sites):
        super().__init__(own)
        self._own, self._sites = own, sites

    def _fetch(self, cid):
        return MemoryStore(self._own if cid.digest in self._own else self._sites)._fetch(cid)

    def keep(self, cid):
        put_bytes(MemoryStore(self._own), read_bytes(self, cid, limit=1 << 20))


def test_after_a_close_a_verifier_needs_nothing_that_only_sites_store(federation):
    own = dict(federation.blocks)
    packages = federation.begin({0: {"details": {"examples": 0}}})
    put_bytes(MemoryStore(own), federation.record().announcement(federation.record().rounds[0]).encode())
    federation.rounds(store=Joined(own, federation.blocks)).finish()
    federation.rounds().settle_all()
    federation.blocks.clear()
    federation.blocks.update(own)
    found = federation.verify()
    assert not [one.text for one in found if one.level == "mismatch"]
    assert packages[1].update in own.values()
    assert packages[0].receipt in own.values()
    assert packages[0].update not in own.values(), "nobody pays for keeping what was refused"


def test_whoever_is_killed_right_after_the_close_has_kept_what_was_accepted(federation):
    own = dict(federation.blocks)
    packages = federation.begin()
    put_bytes(MemoryStore(own), federation.record().announcement(federation.record().rounds[0]).encode())
    rounds = federation.rounds(store=Joined(own, federation.blocks))
    rounds.ledger = Dying(rounds.ledger)
    with pytest.raises(KeyboardInterrupt):
        rounds.finish()
    assert federation.record().rounds[0].stage is Stage.PENDING
    assert all(package.update in own.values() for package in packages)


class Noting(MemoryStore):
    """Notes what is put."""

    def __init__(self, blocks):
        super().__init__(blocks)
        self.taken = []

    def put(self, stream):
        self.taken.append(stream.read())
        return super().put(BytesIO(self.taken[-1]))


def test_what_was_accepted_is_kept_without_moving_it_again(federation):
    packages = federation.begin()
    store = Noting(federation.blocks)
    assert federation.rounds(store=store).finish().closed
    assert not [package for package in packages if package.update in store.taken]


class Losing(MemoryStore):
    """Has lost, by the time that it is to keep an update, what it has given of it."""

    def keep(self, cid):
        self._blocks.pop(cid.digest)
        super().keep(cid)


def test_what_the_store_has_lost_since_it_was_read_is_put_again(federation):
    packages = federation.begin()
    federation.rounds(store=Losing(federation.blocks)).finish()
    assert all(package.update in federation.blocks.values() for package in packages)


class Dying:
    """A ledger whose caller is killed as soon as a round is closed."""

    def __init__(self, ledger):
        self._ledger = ledger

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def close_round(self, *arguments):
        self._ledger.close_round(*arguments)
        raise KeyboardInterrupt
