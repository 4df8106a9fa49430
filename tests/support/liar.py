"""An aggregator that announces what it likes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aggregator.record import Record
from aggregator.rounds import Rounds
from fl.documents import Announcement

Lie = Callable[[Announcement, Record], Mapping[str, Any]]
"""Fields of an announcement that are made up, from the right one and what everybody can know."""


def _nothing(_announcement: Announcement, _record: Record) -> Mapping[str, Any]:
    return {}


class Liar(Rounds):
    """As honest as any, but for what `lie` puts into its announcements; nothing checks that."""

    lie: Lie = staticmethod(_nothing)

    def _announcement(self, record: Record, *asked: Any) -> Announcement:
        right = super()._announcement(record, *asked)
        return right.model_copy(update=self.lie(right, record))
