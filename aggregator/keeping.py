"""What tasks name in a store: what nobody can replay them without, and what else belongs to them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from aggregator.record import Record, Round
from fl.documents import Line, Receipt, Reference, Verdict
from fl.errors import DocumentError, FedledgerError, StoreError
from fl.ledger.types import Admitted, Replaced
from fl.store.cid import Cid
from fl.store.collecting import Named


def records_of(record: Record) -> tuple[Record, ...]:
    """Every task of the federation."""
    ledger, store = record.ledger, record.store
    return tuple(Record(ledger, store, task) for task in range(1, ledger.task_count() + 1))


def named(records: Iterable[Record]) -> Named:
    """What these tasks, and the members' profiles, name.

    Raises FedledgerError when terms, a manifest or an accepted receipt cannot be read: what they name is
    unknown then.
    """
    needed, spared = set[Cid](), set[Cid]()
    for record in records:
        try:
            needed.update(_needed(record))
        except (StoreError, DocumentError) as error:
            raise FedledgerError(
                f"What task {record.task} names cannot be told: {error.message}",
                "Nothing was removed. Have it put again by whoever has it.",
            ) from error
        spared.update(_spared(record))
    return Named(frozenset(needed), frozenset(spared - needed))


def opened_since(records: Iterable[Record]) -> float:
    """When the oldest round that is open now was opened (Unix time); infinity if none is.

    Updates in the store since then may be named by receipts that are not published yet.
    """
    opened = (round_.opened.at.time for record in records for round_ in record.rounds if not round_.ended)
    return min(opened, default=math.inf)


# --- what a replay reads


def _needed(record: Record) -> Iterator[Cid]:
    terms = record.terms()
    yield Cid.of_document(record.created.params.terms)
    yield from _parsed(terms.weights, terms.scoring.validation)
    for round_ in record.rounds:
        yield Cid.of_document(round_.opened.announcement)
        if round_.closed:
            yield from _of_closed(record, round_)


def _of_closed(record: Record, round_: Round) -> Iterator[Cid]:
    assert round_.closed is not None, "called for closed rounds"
    manifest = record.manifest(round_)
    yield Cid.of_document(round_.closed.manifest)
    yield from _parsed(manifest.weights, manifest.state, manifest.utilities)
    for line in manifest.submissions:
        yield from _of_line(record, line)


def _of_line(record: Record, line: Line) -> Iterator[Cid]:
    """A receipt that was read; what it names only if that was accepted: a refused one may name anything."""
    receipt = bytes.fromhex(line.receipt)
    if line.verdict is not Verdict.UNAVAILABLE:
        yield Cid.of_document(receipt)
    if line.verdict is Verdict.ACCEPTED:
        said = Receipt.decode(record.document(receipt))
        yield from _parsed(said.update, said.details)


def _parsed(*references: Reference | None) -> Iterator[Cid]:
    return (reference.parsed() for reference in references if reference)


# --- what else the chain names, for whoever looks closer


def _spared(record: Record) -> Iterator[Cid]:
    for event in record.ledger.member_history():
        if isinstance(event, Admitted | Replaced):
            yield Cid.of_document(event.profile)
    for round_ in record.rounds:
        for submission in round_.submissions:
            yield Cid.of_document(submission.receipt)
            yield from _of_receipt(record, submission.receipt)


def _of_receipt(record: Record, receipt: bytes) -> list[Cid]:
    try:
        said = Receipt.decode(record.document(receipt))
        return list(_parsed(said.update, said.details))
    except (StoreError, DocumentError):
        return []  # not published, or no good receipt: it names nothing that anybody reads
