"""What a verifier knows because it comes later, when content may be gone, and what it makes of denials."""

from __future__ import annotations

import io
from collections.abc import Sequence
from copy import copy
from typing import BinaryIO

from aggregator.decision import Hindsight
from aggregator.record import Record, Round
from aggregator.types import Submission
from aggregator.verifying.findings import Findings, Kind
from fl import sealing
from fl.canonical import sha256
from fl.documents import Line, Receipt, Verdict
from fl.errors import BlobUnavailable, DocumentError, StoreError
from fl.ledger.types import Address
from fl.store.cid import Cid
from fl.store.port import BlobStore, read_bytes


class AskedOnce:
    """A store that is asked once for each blob that it does not have: such an answer can take long."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._missing: dict[tuple[Cid, int], BlobUnavailable] = {}

    def put(self, stream: BinaryIO) -> Cid:
        """See `BlobStore.put`."""
        return self._store.put(stream)

    def keep(self, cid: Cid) -> None:
        """See `BlobStore.keep`."""
        self._store.keep(cid)

    def open(self, cid: Cid, limit: int) -> BinaryIO:
        """See `BlobStore.open`; the whole blob is read at once."""
        blob = cid, limit
        if blob in self._missing:
            raise copy(self._missing[blob])
        try:
            return io.BytesIO(read_bytes(self._store, cid, limit))
        except BlobUnavailable as error:
            self._missing[blob] = copy(error)  # without the traceback, which holds what others had read
            raise


def hindsight(record: Record, round_: Round, lines: Sequence[Line]) -> Hindsight:
    """What a round's recorded lines tell that its content may not tell any more."""
    return Hindsight(_denied(lines), _proven(record, round_, lines))


def replayed(lines: Sequence[Line]) -> frozenset[bytes]:
    """Weights digests of which the aggregator said that an earlier round had accepted them."""
    said = (one.weights for one in lines if one.verdict is Verdict.REPLAYED)
    return frozenset(bytes.fromhex(digest) for digest in said if digest)


def digests(lines: Sequence[Line], known: Hindsight) -> frozenset[bytes]:
    """The weights digests of these lines, decided again, as far as anybody knows them."""
    proven = (known.proven.get(_submission(one)) for one in lines if one.verdict is Verdict.UNAVAILABLE)
    said = (bytes.fromhex(one.weights) for one in lines if one.weights)
    return frozenset(digest for digest in (*proven, *said) if digest is not None)


def _denied(lines: Sequence[Line]) -> frozenset[Submission]:
    """An `unavailable` is the aggregator's word: it stays so in a replay, and is judged on its own."""
    return frozenset(_submission(line) for line in lines if line.verdict is Verdict.UNAVAILABLE)


def _proven(record: Record, round_: Round, lines: Sequence[Line]) -> dict[Submission, bytes]:
    """Recorded weights digests that the commitments of receipts prove, though the updates may be gone."""
    recorded = [(_submission(line), bytes.fromhex(line.weights)) for line in lines if line.weights]
    return {one: digest for one, digest in recorded if _committed(record, round_, one, digest)}


def _submission(line: Line) -> Submission:
    return Submission(Address(line.trainer), bytes.fromhex(line.receipt))


def _committed(record: Record, round_: Round, submission: Submission, digest: bytes) -> bool:
    """Whether the submission's own receipt commits to these weights."""
    try:
        receipt = Receipt.decode(record.document(submission.receipt))
    except (StoreError, DocumentError):
        return False
    ledger = record.ledger
    here = (ledger.chain_id, ledger.contract, record.task, round_.number, submission.trainer)
    there = (receipt.chain_id, receipt.contract, receipt.task, receipt.round, receipt.trainer)
    committed = sealing.commitment(submission.trainer, bytes.fromhex(receipt.key), digest)
    return here == there and committed.hex() == receipt.commitment


# --- denials


def judge_denial(record: Record, round_: Round, line: Line, findings: Findings) -> None:
    """An `unavailable` is the aggregator's word: say what is there now, and what a reveal settles."""
    if _revealed_in_time(record, round_, line):
        findings.note(f"{line.trainer}: called unavailable, but its receipt was revealed in time")
    try:
        receipt = Receipt.decode(record.document(bytes.fromhex(line.receipt)))
        record.blob(receipt.update)
        record.blob(receipt.details)
    except (StoreError, DocumentError) as error:
        findings.unchecked(Kind.VERDICTS, f"{line.trainer}: called unavailable, and is: {error.message}")
    else:
        findings.unchecked(Kind.VERDICTS, f"{line.trainer}: published late or denied: cannot be told apart")


def _revealed_in_time(record: Record, round_: Round, line: Line) -> bool:
    """Whether the receipt was on the chain in the first half of the close window."""
    sealed = round_.sealed.at.time if round_.sealed else round_.opened.deadline
    half = sealed + record.created.params.close_window // 2
    return any(
        event.trainer == line.trainer
        and event.at.time <= half
        and sha256(event.receipt).hex() == line.receipt
        for event in round_.revealed
    )
