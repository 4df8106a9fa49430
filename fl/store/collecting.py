"""Which blocks stay: what a store must know before it lets go of anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fl.errors import BlobDamaged, BlobUnavailable, StoreError
from fl.store import node
from fl.store.cid import DAG_PB, Cid
from fl.store.reader import Fetch, fetch_checked


@dataclass(frozen=True)
class Named:
    """The blobs that tasks name.

    Nobody can replay a task without those `needed`; those `spared` are kept where they are, and not missed.
    """

    needed: frozenset[Cid]
    spared: frozenset[Cid]


@dataclass(frozen=True)
class Collected:
    """What a store keeps, and what nothing names: blocks of a folder (`size`: their bytes), pins of a node.

    `missing` are blobs that are needed and not there.
    """

    kept: int
    unnamed: int
    size: int
    missing: tuple[Cid, ...]


class Collectable(Protocol):
    """A store that can let go of what no task names."""

    def collect(self, named: Named, before: float, remove: bool) -> Collected:
        """Keep what is named, and (if `remove`) let go of everything else put `before` that Unix time.

        What was put later stays: nobody names what is being put, or an update that is not submitted yet.
        Raises BlobDamaged, and lets go of nothing, when it cannot tell what belongs to a named blob.
        """
        ...


def reachable(fetch: Fetch, root: Cid) -> set[Cid]:
    """The blocks of a blob, its root included, as far as they are there.

    Raises BlobDamaged for a node that came with other bytes: what is below it cannot be told.
    """
    found, waiting = {root}, [root]
    while waiting:
        below = set(_children(fetch, waiting.pop())) - found
        found |= below
        waiting += below
    return found


def _children(fetch: Fetch, cid: Cid) -> list[Cid]:
    if cid.codec != DAG_PB:
        return []
    try:
        return [link.cid for link in node.decode(fetch_checked(fetch, cid))]
    except BlobDamaged as error:
        raise BlobDamaged(error.message, "Put the blob again, or remove the block's file.") from error
    except (BlobUnavailable, ValueError, StoreError):
        return []  # not there, or no node of a file: nothing is read through it
