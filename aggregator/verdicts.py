"""One submission, checked: the protocol's section 6, row after row, the first that applies.

Nothing is fetched before its reference has passed, and nothing is parsed before its size and header have.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from aggregator.types import Context, Read, Submission, Update
from fl import sealing, weights
from fl.canonical import MAX_DOCUMENT_BYTES, sha256, untag_float
from fl.documents import Details, Line, Receipt, Reference, Terms, Verdict
from fl.errors import (
    BlobMalformed,
    BlobTooLarge,
    BlobUnavailable,
    DocumentError,
    SealError,
    WeightsError,
)
from fl.ledger.types import FULL_QUALITY, REFUSED_QUALITY, UNAVAILABLE, UNRATED
from fl.store.cid import Cid


@dataclass(frozen=True)
class Yardstick:
    """What every submission of a round is held against.

    `base` is the round's base weights as stored; `earlier` holds the weights digests of updates that earlier
    rounds accepted.
    """

    context: Context
    terms: Terms
    base: bytes
    earlier: AbstractSet[bytes]
    base_arrays: weights.Arrays = field(init=False)
    base_digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_arrays", weights.decode(self.base, self.terms.order))
        object.__setattr__(self, "base_digest", sha256(self.base))


@dataclass(frozen=True)
class Checked:
    """A verdict with what it was reached on; `update` only where it is `accepted`.

    `check` gives an update whose arrays are views on what it decrypted, so holding it holds a model.
    """

    submission: Submission
    verdict: Verdict
    quality: int
    update: Update | None = None
    weights: bytes | None = None

    def line(self, share: int) -> Line:
        """The submission's line in the manifest."""
        return Line(
            trainer=self.submission.trainer,
            receipt=self.submission.receipt.hex(),
            verdict=self.verdict,
            share=share,
            quality=self.quality,
            examples=self.update.examples if self.update else None,
            weights=self.weights.hex() if self.weights else None,
        )


class _Refusal(Exception):
    def __init__(self, verdict: Verdict, quality: int = REFUSED_QUALITY) -> None:
        super().__init__(verdict)
        self.verdict = verdict
        self.quality = quality


def check(submission: Submission, yardstick: Yardstick, read: Read, seen: AbstractSet[bytes]) -> Checked:
    """Give one submission its verdict. `seen`: weights digests of earlier submissions of this round."""
    examination = _Examination(submission, yardstick, read, seen)
    try:
        update = examination.run()
    except _Refusal as refusal:
        return Checked(submission, refusal.verdict, refusal.quality, None, examination.digest)
    return Checked(submission, Verdict.ACCEPTED, FULL_QUALITY, update, examination.digest)


def possible(
    submission: Submission, yardstick: Yardstick, read: Read, seen: AbstractSet[bytes]
) -> frozenset[Verdict]:
    """Refusals that may once have been right for a submission of which some content is gone by now."""
    return _Examination(submission, yardstick, read, seen).possible()


_OF_EITHER = frozenset({Verdict.BAD_CONTENT, Verdict.UNREADABLE})
_OF_UPDATE = _OF_EITHER | {
    Verdict.BAD_TENSORS,
    Verdict.NOT_FINITE,
    Verdict.TOO_LARGE,
    Verdict.OUT_OF_RANGE,
    Verdict.NO_CHANGE,
    Verdict.REPLAYED,
    Verdict.DUPLICATE,
}
_OF_DETAILS = _OF_EITHER | {
    Verdict.BAD_DOCUMENT,
    Verdict.UNAPPROVED_CODE,
    Verdict.BAD_CLAIM,
    Verdict.OVER_BUDGET,
}
_WITHOUT_RECEIPT = _OF_UPDATE | _OF_DETAILS | {Verdict.NOT_BOUND, Verdict.BAD_REFERENCE}


class _Examination:
    """The steps for one submission; `digest` stays None until the update was decrypted."""

    def __init__(
        self, submission: Submission, yardstick: Yardstick, read: Read, seen: AbstractSet[bytes]
    ) -> None:
        self.submission = submission
        self.yardstick = yardstick
        self.terms = yardstick.terms
        self.read = read
        self.seen = seen
        self.digest: bytes | None = None

    def run(self) -> Update:
        receipt = self._bound_receipt()
        sealed_update, sealed_details = self._content(receipt.update), self._content(receipt.details)
        update, digest = self._opened_update(receipt, sealed_update)
        del sealed_update  # as large as a model
        details_bytes = self._opened_details(receipt, sealed_details)
        self.digest = digest
        details, examples = self._honest_details(details_bytes)
        arrays = self._sound_update(update, digest)
        listed = {metric.name: float(details.metrics[metric.name]) for metric in self.terms.metrics}
        return Update(self.submission.trainer, arrays, examples, listed)

    def possible(self) -> frozenset[Verdict]:
        """Refusals that the content which is still there does not rule out; empty when all of it is."""
        try:
            receipt = self._bound_receipt()
        except _Refusal as refusal:
            gone = refusal.verdict is Verdict.UNAVAILABLE
            return _WITHOUT_RECEIPT if gone else frozenset({refusal.verdict})
        found: set[Verdict] = set()
        for part, unknown in ((self._update_alone, _OF_UPDATE), (self._details_alone, _OF_DETAILS)):
            try:
                part(receipt)
            except _Refusal as refusal:
                found |= unknown if refusal.verdict is Verdict.UNAVAILABLE else {refusal.verdict}
        return frozenset(found - self._unheard_of())

    def _unheard_of(self) -> set[Verdict]:
        """Refusals that these terms give no reason for."""
        bounded = any(tensor.low or tensor.high for tensor in self.terms.tensors)
        never = {Verdict.OVER_BUDGET: self.terms.privacy is None, Verdict.OUT_OF_RANGE: not bounded}
        return {verdict for verdict, unheard in never.items() if unheard}

    def _update_alone(self, receipt: Receipt) -> None:
        self._sound_update(*self._opened_update(receipt, self._content(receipt.update)))

    def _details_alone(self, receipt: Receipt) -> None:
        self._honest_details(self._opened_details(receipt, self._content(receipt.details)))

    # --- the steps

    def _bound_receipt(self) -> Receipt:
        receipt = self._receipt()
        self._bound(receipt)
        self._invited()
        self._references(receipt)
        return receipt

    def _honest_details(self, data: bytes) -> tuple[Details, int]:
        details = _document(Details, data)
        self._code(details)
        examples = self._claims(details)
        self._budget(details)
        return details, examples

    def _sound_update(self, update: bytes, digest: bytes) -> weights.Arrays:
        arrays = self._tensors(update)
        self._values(arrays)
        self._originality(digest)
        return arrays

    def _receipt(self) -> Receipt:
        try:
            data = self.read(Cid.of_document(self.submission.receipt), MAX_DOCUMENT_BYTES)
        except BlobUnavailable as error:
            raise _Refusal(Verdict.UNAVAILABLE, UNAVAILABLE) from error
        except (BlobTooLarge, BlobMalformed) as error:
            raise _Refusal(Verdict.BAD_DOCUMENT) from error
        return _document(Receipt, data)

    def _bound(self, receipt: Receipt) -> None:
        context = self.yardstick.context
        here = (context.chain_id, context.contract, context.task, context.round, self.submission.trainer)
        there = (receipt.chain_id, receipt.contract, receipt.task, receipt.round, receipt.trainer)
        if here != there:
            raise _Refusal(Verdict.NOT_BOUND)
        announcement = context.announcement
        if (receipt.announcement, receipt.base) != (announcement.id.hex(), announcement.base.sha256):
            raise _Refusal(Verdict.NOT_BOUND, UNRATED)  # a reorg may be to blame

    def _invited(self) -> None:
        invited = self.yardstick.context.announcement.invited
        if invited is not None and self.submission.trainer not in invited:
            raise _Refusal(Verdict.NOT_INVITED, UNRATED)

    def _references(self, receipt: Receipt) -> None:
        sealed_size = len(self.yardstick.base) + sealing.OVERHEAD
        details_limit = MAX_DOCUMENT_BYTES + sealing.OVERHEAD
        if receipt.update.size != sealed_size or receipt.details.size > details_limit:
            raise _Refusal(Verdict.BAD_REFERENCE)
        for reference in (receipt.update, receipt.details):
            try:
                reference.parsed()
            except DocumentError as error:
                raise _Refusal(Verdict.BAD_REFERENCE) from error

    def _content(self, reference: Reference) -> bytes:
        try:
            data = self.read(reference.parsed(), reference.size)
        except BlobUnavailable as error:
            raise _Refusal(Verdict.UNAVAILABLE, UNAVAILABLE) from error
        except (BlobTooLarge, BlobMalformed) as error:
            raise _Refusal(Verdict.BAD_CONTENT) from error
        if len(data) != reference.size or sha256(data).hex() != reference.sha256:
            raise _Refusal(Verdict.BAD_CONTENT)
        return data

    def _opened_update(self, receipt: Receipt, sealed: bytes) -> tuple[bytes, bytes]:
        """The update and its digest."""
        key = bytes.fromhex(receipt.key)
        with _unreadable():
            update = sealing.open_update(key, sealed, self._additional_data())
        digest = sha256(update)
        if sealing.commitment(self.submission.trainer, key, digest).hex() != receipt.commitment:
            raise _Refusal(Verdict.UNREADABLE)
        return update, digest

    def _opened_details(self, receipt: Receipt, sealed: bytes) -> bytes:
        with _unreadable():
            return sealing.open_details(bytes.fromhex(receipt.key), sealed, self._additional_data())

    def _additional_data(self) -> bytes:
        context = self.yardstick.context
        return sealing.additional_data(
            context.chain_id, context.contract, context.task, context.round, self.submission.trainer
        )

    def _code(self, details: Details) -> None:
        if details.code != self.terms.code:
            raise _Refusal(Verdict.UNAPPROVED_CODE)

    def _claims(self, details: Details) -> int:
        examples = details.examples
        if not isinstance(examples, int) or not 1 <= examples <= self.terms.limits.examples:
            raise _Refusal(Verdict.BAD_CLAIM)
        for metric in self.terms.metrics:
            value = details.metrics.get(metric.name)
            if value is None or not untag_float(metric.low) <= value <= untag_float(metric.high):
                raise _Refusal(Verdict.BAD_CLAIM)
        return examples

    def _budget(self, details: Details) -> None:
        budget, spent = self.terms.privacy, details.privacy
        if budget is None:
            return
        if spent is None or any(
            untag_float(getattr(spent, name)) > untag_float(getattr(budget, name))
            for name in ("epsilon", "delta")
        ):
            raise _Refusal(Verdict.OVER_BUDGET)

    def _tensors(self, update: bytes) -> weights.Arrays:
        try:
            if not weights.same_header(self.yardstick.base, update):
                raise _Refusal(Verdict.BAD_TENSORS)
            return weights.decode(update, self.terms.order)
        except WeightsError as error:
            raise _Refusal(Verdict.BAD_TENSORS) from error

    def _values(self, arrays: weights.Arrays) -> None:
        if not weights.all_finite(arrays):
            raise _Refusal(Verdict.NOT_FINITE)
        base, limits = self.yardstick.base_arrays, self.terms.limits
        if weights.largest_difference(arrays, base) > untag_float(limits.element):
            raise _Refusal(Verdict.TOO_LARGE)
        if weights.difference_norm(arrays, base) > untag_float(limits.norm):
            raise _Refusal(Verdict.TOO_LARGE)
        for tensor in self.terms.tensors:
            low, high = (None if bound is None else untag_float(bound) for bound in (tensor.low, tensor.high))
            if not weights.within(arrays[tensor.name], low, high):
                raise _Refusal(Verdict.OUT_OF_RANGE)

    def _originality(self, digest: bytes) -> None:
        if digest == self.yardstick.base_digest:
            raise _Refusal(Verdict.NO_CHANGE)
        if digest in self.yardstick.earlier:
            raise _Refusal(Verdict.REPLAYED)
        if digest in self.seen:
            raise _Refusal(Verdict.DUPLICATE)


@contextmanager
def _unreadable() -> Iterator[None]:
    try:
        yield
    except SealError as error:
        raise _Refusal(Verdict.UNREADABLE) from error


_D = TypeVar("_D", Receipt, Details)


def _document(kind: type[_D], data: bytes) -> _D:
    try:
        return kind.decode(data)
    except DocumentError as error:
        raise _Refusal(Verdict.BAD_DOCUMENT) from error
