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

    `digest` is what the contract holds as base, as 64 hexadecimal digits; None after a reset to weights that
    no round produced. `weights` is its reference, None if no document that can be read names it. `state` is
    the rule's memory, `forgotten` that it is lost with the manifest that named it.
    `closed` counts closed rounds, later voided ones included. `earlier` holds weights digests of updates
    that rounds accepted since the last reset, `lost` the numbers of rounds closed since then whose manifests
    cannot be read: without them `earlier` is not known, nothing can be decided, and `trouble` says why.
    """

    weights: Reference | None
    digest: str | None
    state: Reference | None = None
    forgotten: bool = False
    closed: int = 0
    earlier: AbstractSet[bytes] = frozenset()
    lost: tuple[int, ...] = ()
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
        self.heritage = Heritage(initial, initial.sha256)
        self._manifest = manifest
        self._known = {initial.sha256: initial}
        self._produced = {initial.sha256}
        self._accepted: dict[bytes, int] = {}  # weights digest → number of the close that accepted it first

    def close(self, event: RoundClosed) -> None:
        before, digest = self.heritage, event.weights.hex()
        self._produced.add(digest)
        after = replace(before, digest=digest, closed=before.closed + 1)
        try:
            manifest = self._manifest(event)
        except (StoreError, DocumentError) as error:
            self.heritage = _bereft(after, event.round, error)
            return
        for accepted in _accepted(manifest):
            self._accepted.setdefault(accepted, after.closed)
        # who named weights first is believed: a later manifest cannot make them unreachable
        self._known.setdefault(manifest.weights.sha256, manifest.weights)
        self.heritage = replace(
            after,
            weights=self._known.get(digest),
            state=manifest.state,
            forgotten=False,
            earlier=_Earlier(self._accepted, after.closed),
        )

    def reset(self, weights: str) -> None:
        """Governance went back: the rule starts without memory, and no update has been accepted yet."""
        self._accepted = {}
        produced = weights if weights in self._produced else None
        self.heritage = Heritage(self._known.get(weights), produced, closed=self.heritage.closed)


_WAY_BACK = (
    "Serve it again, or have the owner reset the weights, to those in force if a manifest that is left names "
    "them: what was accepted before a reset no longer counts."
)


def _bereft(heritage: Heritage, round_: int, error: StoreError | DocumentError) -> Heritage:
    """The heritage after a round whose manifest cannot be read."""
    text = f"The manifest of round {round_} cannot be had: {error.message}"
    return replace(
        heritage,
        weights=None,
        state=None,
        forgotten=True,
        lost=(*heritage.lost, round_),
        trouble=heritage.trouble or type(error)(text, _WAY_BACK),
    )


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
