"""The weights that were made or read last, and all manifests: who drives rounds needs them again."""

from __future__ import annotations

from collections.abc import Callable

from fl.documents import Manifest, Reference


class Recent:
    """Holds one weights file: the next round's base, which a decision counts among what it holds.

    And `manifests`, by the digest that the chain has of each.
    """

    def __init__(self) -> None:
        self.manifests: dict[bytes, Manifest] = {}
        self._reference: Reference | None = None
        self._data = b""

    def put(self, reference: Reference, data: bytes) -> None:
        """Remember `data`, which is what `reference` says, in place of what was remembered."""
        self._reference, self._data = reference, data

    def get(self, reference: Reference, read: Callable[[], bytes]) -> bytes:
        """What `reference` refers to: what is remembered, or what `read` gives, which is remembered then.

        Only the very same reference will do: with another CID, others may read nothing, or something else.
        """
        if reference != self._reference:
            self._reference, self._data = None, b""  # so that there are never two
            self.put(reference, read())
        return self._data
