"""What each round inherits from the rounds before it, found in one walk over a task's history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from fl.documents import Manifest, Reference, Verdict
from fl.errors import DocumentError, FedledgerError, StoreError
from fl.ledger.types import Event, RoundClosed, RoundOpened, WeightsReset


@dataclass(frozen=True)
class Heritage:
    """What a round inherits from the rounds before it.

    `weights` is the reference of what the contract holds as base, None if no document names it; `state` is
    the rule's memory. `closed` counts closed rounds, later voided ones included; `earlier` holds weights
    digests of accepted updates. `lost` has the ids of manifests that could not be read, of rounds closed
    since the last reset: what they accepted is not in `earlier`. `trouble` is why, when the last of them is
    what weights and state come from.
    """

    weights: Reference | None
    state: Reference | None = None
    closed: int = 0
    earlier: AbstractSet[bytes] = frozenset()
    lost: tuple[bytes, ...] = ()
    trouble: FedledgerError | None = None


ReadManifest = Callable[[RoundClosed], Manifest]
"""Raises StoreError or DocumentError for a manifest that cannot be had."""


def heritages(
    history: Iterable[Event], initial: Reference, manifest: ReadManifest
) -> dict[int | None, Heritage]:
    """What every round inherited when it opened, by number; under None what the next one will."""
    walk = _Walk(initial, manifest)
    found: dict[int | None, Heritage] = {}
    for event in history:
        if isinstance(event, RoundOpened):
            found[event.round] = walk.heritage
        elif isinstance(event, RoundClosed):
            walk.close(event)
        elif isinstance(event, WeightsReset):
            walk.reset(event.weights.hex())
    return {**found, None: walk.heritage}


class _Walk:
    """The way through a task's history; `heritage` is what a round opened now would inherit."""

    def __init__(self, initial: Reference, manifest: ReadManifest) -> None:
        self.heritage = Heritage(initial)
        self._manifest = manifest
        self._known = {initial.sha256: initial}
        self._accepted: dict[bytes, int] = {}  # weights digest → number of the close that accepted it first

    def close(self, event: RoundClosed) -> None:
        before = self.heritage
        closed = before.closed + 1
        try:
            manifest = self._manifest(event)
        except (StoreError, DocumentError) as error:
            lost = (*before.lost, event.manifest)
            self.heritage = replace(before, weights=None, state=None, closed=closed, lost=lost, trouble=error)
            return
        for digest in _accepted(manifest):
            self._accepted.setdefault(digest, closed)
        # who named weights first is believed: a later manifest cannot make them unreachable
        weights = self._known.setdefault(manifest.weights.sha256, manifest.weights)
        earlier = _Earlier(self._accepted, closed)
        self.heritage = Heritage(weights, manifest.state, closed, earlier, before.lost)

    def reset(self, weights: str) -> None:
        """Governance went back: the rule starts without memory, and what was lost stays lost."""
        known = self._known.get(weights)
        self.heritage = replace(self.heritage, weights=known, state=None, lost=(), trouble=None)


def _accepted(manifest: Manifest) -> Iterator[bytes]:
    for line in manifest.submissions:
        if line.weights and line.verdict is Verdict.ACCEPTED:
            yield bytes.fromhex(line.weights)


class _Earlier(AbstractSet[bytes]):
    """What the first `closed` closes accepted: all rounds share one table, so that a walk stays linear."""

    def __init__(self, accepted: Mapping[bytes, int], closed: int) -> None:
        self._accepted = accepted
        self._closed = closed

    def __contains__(self, digest: object) -> bool:
        found = self._accepted.get(digest) if isinstance(digest, bytes) else None
        return found is not None and found <= self._closed

    def __iter__(self) -> Iterator[bytes]:
        return (digest for digest, closed in self._accepted.items() if closed <= self._closed)

    def __len__(self) -> int:
        return sum(1 for _ in self)
