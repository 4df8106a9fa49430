"""What chain and store say of a task: its rounds, its documents, and the facts of each decision.

The aggregator decides from it and a verifier decides again from it, so both see the same facts.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import cached_property
from typing import BinaryIO

from aggregator.decision import Facts
from aggregator.draw import Seating
from aggregator.heritage import Heritage, heritages
from aggregator.recent import Recent
from aggregator.sizes import Sizes
from aggregator.types import Context, Submission
from fl.canonical import sha256
from fl.documents import Announcement, Manifest, Reference, Terms
from fl.errors import DocumentError, LedgerError, StoreError
from fl.ledger import digests
from fl.ledger.port import Ledger
from fl.ledger.types import (
    Event,
    ReceiptRevealed,
    RoundClosed,
    RoundFailed,
    RoundOpened,
    RoundSealed,
    RoundSettled,
    RoundVoided,
    Stage,
    TaskCreated,
    UpdateSubmitted,
)
from fl.store.cid import Cid
from fl.store.port import BlobStore, read_bytes, read_document


@dataclass(frozen=True)
class Round:
    """Everything that the chain says of one round."""

    opened: RoundOpened
    submissions: tuple[UpdateSubmitted, ...] = ()
    revealed: tuple[ReceiptRevealed, ...] = ()
    sealed: RoundSealed | None = None
    closed: RoundClosed | None = None
    settled: RoundSettled | None = None
    voided: RoundVoided | None = None
    failed: RoundFailed | None = None

    @property
    def number(self) -> int:
        """Rounds count from 1 and no number is used twice."""
        return self.opened.round

    @property
    def stage(self) -> Stage:
        """Where it has come to; NONE while it is open."""
        if self.voided:
            return Stage.VOID
        if self.failed:
            return Stage.FAILED
        if self.settled:
            return Stage.SETTLED
        return Stage.PENDING if self.closed else Stage.NONE

    @property
    def ended(self) -> bool:
        """Closed, failed or void: the next round may open."""
        return self.stage is not Stage.NONE

    def with_event(self, event: Event) -> Round:
        """The round after one more event of it."""
        if isinstance(event, UpdateSubmitted):
            return replace(self, submissions=(*self.submissions, event))
        if isinstance(event, ReceiptRevealed):
            return replace(self, revealed=(*self.revealed, event))
        return replace(self, **{_FIELDS[type(event)]: event})  # type: ignore[arg-type]  # the table pairs them


_FIELDS: dict[type[Event], str] = {
    RoundSealed: "sealed",
    RoundClosed: "closed",
    RoundSettled: "settled",
    RoundVoided: "voided",
    RoundFailed: "failed",
}


def rounds_of(history: tuple[Event, ...]) -> tuple[Round, ...]:
    """A task's rounds, by number."""
    found: dict[int, Round] = {}
    for event in history:
        if isinstance(event, RoundOpened):
            found[event.round] = Round(event)
        elif (number := getattr(event, "round", None)) in found:
            found[number] = found[number].with_event(event)
    return tuple(found.values())


class Record:
    """A task as chain and store have it, read once.

    `recent` has weights and manifests that need not be read. Raises BlobUnavailable, StoreError or
    DocumentError where a document is asked for that cannot be had.
    """

    def __init__(self, ledger: Ledger, store: BlobStore, task: int, recent: Recent | None = None) -> None:
        self.ledger = ledger
        self.store = store
        self.task = task
        self._recent = recent
        self.history = ledger.history(task)
        self.rounds = rounds_of(self.history)
        self._revealed = {
            Cid.of_document(sha256(event.receipt)): event.receipt
            for event in self.history
            if isinstance(event, ReceiptRevealed)
        }
        self._manifests: dict[bytes, Manifest] = recent.manifests if recent else {}

    def open(self, cid: Cid, limit: int) -> BinaryIO:
        """Open a blob as a store does; a receipt that was revealed on the chain counts as served."""
        if len(revealed := self._revealed.get(cid, b"")) in range(1, limit + 1):
            return io.BytesIO(revealed)
        return self.store.open(cid, limit)

    def read(self, cid: Cid, limit: int) -> bytes:
        """Read a whole blob of at most `limit` bytes; this method is the decision's `Read`."""
        return read_bytes(self, cid, limit)

    def document(self, id_: bytes) -> bytes:
        """A document's bytes by its id; a store that gives other bytes has not served it."""
        return read_document(self, id_)

    def blob(self, reference: Reference, sizes: range | None = None) -> bytes:
        """A referenced blob's bytes: CID, size and SHA-256 all hold, or StoreError.

        Nothing is read of a blob whose size is not in `sizes`, one of `self.sizes` (None: any of them).
        """
        allowed = self.sizes.any if sizes is None else sizes
        if reference.size not in allowed:
            raise StoreError(
                f"Blob {reference.cid} would have {reference.size} bytes; "
                f"the terms allow {allowed.start} to {allowed.stop - 1}."
            )
        data = self.read(reference.parsed(), reference.size)
        if len(data) != reference.size or sha256(data).hex() != reference.sha256:
            raise StoreError(f"Blob {reference.cid} is not what its reference says.")
        return data

    def weights(self, reference: Reference) -> bytes:
        """The bytes of a weights file, as `blob` reads them."""

        def read() -> bytes:
            return self.blob(reference, self.sizes.weights)

        return self._recent.get(reference, read) if self._recent else read()

    @property
    def created(self) -> TaskCreated:
        """The task's creation, with its final numbers. Raises LedgerError if the node leaves it out."""
        for event in self.history:
            if isinstance(event, TaskCreated):
                return event
        raise LedgerError(f"The node's events of task {self.task} lack its creation.")

    def terms(self) -> Terms:
        """The terms that the task was created with."""
        return self._terms

    @cached_property
    def _terms(self) -> Terms:
        return Terms.decode(self.document(self.created.params.terms))

    @cached_property
    def sizes(self) -> Sizes:
        """How large the blobs that documents of this task name may be."""
        return Sizes.of(self.terms())

    @cached_property
    def seating(self) -> Seating:
        """Who had a seat when."""
        return Seating(self.history)

    def round(self, number: int) -> Round:
        """One round; KeyError if it was never opened."""
        for round_ in self.rounds:
            if round_.number == number:
                return round_
        raise KeyError(number)

    def announcement(self, round_: Round) -> Announcement:
        """What the round was opened with."""
        return Announcement.decode(self.document(round_.opened.announcement))

    def manifest(self, round_: Round) -> Manifest:
        """What the round was closed with."""
        assert round_.closed is not None, "only a closed round has a manifest"
        return self._manifest(round_.closed)

    def _manifest(self, closed: RoundClosed) -> Manifest:
        if closed.manifest not in self._manifests:
            self._manifests[closed.manifest] = Manifest.decode(self.document(closed.manifest))
        return self._manifests[closed.manifest]

    def heritage(self, until: int | None = None) -> Heritage:
        """What round `until` inherited (None: what the next round will).

        Raises what reading the manifest of a round raised that was closed since the last reset: without it
        nobody knows which updates were accepted before.
        """
        heritage = self.inherited(until)
        if heritage.trouble:
            raise heritage.trouble.with_traceback(None)
        return heritage

    def inherited(self, until: int | None = None) -> Heritage:
        """As `heritage`, as far as it can be had: a verifier goes on where nobody could have decided."""
        return self._heritages[until]

    @cached_property
    def _heritages(self) -> dict[int | None, Heritage]:
        return heritages(self.history, self.terms().weights, self._manifest)

    def facts(self, round_: Round, heritage: Heritage | None = None) -> Facts:
        """Everything that this round is decided from; `heritage` in place of what it inherited."""
        heritage = heritage or self.heritage(round_.number)
        announcement = self.announcement(round_)
        if announcement.base.sha256 != round_.opened.weights.hex():
            raise DocumentError(
                f"Round {round_.number} was announced on other weights than it was opened on."
            )
        return Facts(
            self._context(round_, announcement),
            self.terms(),
            self.weights(announcement.base),
            self.blob(heritage.state, self.sizes.state) if heritage.state else None,
            heritage.closed + 1,
            heritage.earlier,
            tuple(Submission(event.trainer, event.receipt) for event in round_.submissions),
        )

    def _context(self, round_: Round, announcement: Announcement) -> Context:
        ledger, opened = self.ledger, round_.opened
        seed = digests.seed(ledger.chain_id, ledger.contract, self.task, opened.round, opened.announcement)
        submissions = ((event.trainer, event.receipt) for event in round_.submissions)
        return Context(
            ledger.chain_id,
            ledger.contract,
            self.task,
            opened.round,
            announcement,
            digests.accumulate(seed, submissions),
        )
