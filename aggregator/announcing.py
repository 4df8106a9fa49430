"""What a round may ask for, and whom: checked by the aggregator before it opens what sites would refuse."""

from __future__ import annotations

from collections.abc import Mapping

from aggregator.draw import Seats, draw
from aggregator.record import Record
from fl import agreement
from fl.canonical import Setting, decode_settings, dump, encode_settings
from fl.documents import Terms
from fl.errors import DocumentError, UsageError
from fl.ledger.types import Address
from fl.messages import SERVER_ROUND

_ADJUSTABLE = "The terms list what a round may choose, and within which bounds, under `adjustable`."


def allowed(settings: Mapping[str, Setting], terms: Terms, round_: int) -> dict[str, object]:
    """Settings as an announcement holds them. Raises UsageError for one that sites would refuse.

    Where they say the round's number it is the chain's, which no other round has: a site that trains again
    after a failed round, whose updates are known by then, must not come to the same update.
    """
    encoded = {name: _encoded(name, value) for name, value in settings.items()}
    if SERVER_ROUND in encoded:
        encoded[SERVER_ROUND] = round_
    for difference in agreement.settings_and_terms(encoded, terms):
        raise UsageError(f"No site would train: {difference}.", _ADJUSTABLE)
    return encoded


def _encoded(name: str, value: Setting) -> object:
    try:
        encoded = encode_settings({name: value})
        dump(encoded)
        decode_settings(encoded)
    except DocumentError as error:
        raise UsageError(f"The setting {name!r} cannot be announced: {error.message}") from error
    return encoded[name]


def invitation(
    record: Record, round_: int, count: int | None
) -> tuple[tuple[Address, ...] | None, int | None]:
    """`invited` and `drawn_at` of a round that asks `count` trainers; None and None if those are all.

    Drawn over the block of the task's newest event, which a confirmed record has from a confirmed block: a
    reorganisation that spares it leaves the draw right. Raises UsageError for fewer trainers than the terms'
    quorum, or more than have a seat.
    """
    block = record.history[-1].at.block
    seats = record.seating.seats(block, round_)
    if count is None or count == len(seats):
        return None, None
    _check_count(count, seats, record.terms())
    return draw(record.terms().id, round_, seats, count), block


def _check_count(count: int, seats: Seats, terms: Terms) -> None:
    if count > len(seats):
        raise UsageError(f"The round would ask {count} trainers, and {len(seats)} have a seat.")
    if count < terms.quorum:
        message = (
            f"The round would ask {count} of {len(seats)} trainers, and it needs {terms.quorum} to close."
        )
        raise UsageError(message, "Sample at least as many as the terms' quorum.")
