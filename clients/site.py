"""The site: one member's own process in one task. What it does not check and sign does not leave it.

Its order of work is join, announced, base, prepare, submit_due, publish_due. Each step done twice is
harmless, and a process killed between any two is followed by one that goes on from chain and outbox.
What the site trains on, opens or gives up is decided by what the chain has confirmed; what it merely sends
again, by what a transaction sent now would see.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from functools import cached_property

from clients import consent
from clients.kept import Kept
from clients.opening import opened_with, opening, running
from clients.outbox import Outbox
from clients.standing import Standing
from fl import sealing, weights
from fl.canonical import Setting, sha256
from fl.documents import Announcement, Details, Manifest, Privacy, Receipt, Reference, Terms
from fl.errors import ConsentError, Refused, StoreError, StoreUnavailable, UsageError
from fl.ledger.port import Ledger
from fl.ledger.types import Address, RoundClosed, Transaction
from fl.store.port import BlobStore, put_bytes, read_bytes, read_document
from fl.waiting import Wait, polling
from fl.weights import Arrays

_log = logging.getLogger("fedledger.site")

_LINGER_POLL_SECONDS = 0.2

Keys = Callable[[int], bytes]
"""A round's sealing key: 32 bytes that no other round and no other update has."""


def fresh_key(_round: int) -> bytes:
    """A random key, never used before."""
    return secrets.token_bytes(sealing.KEY_BYTES)


def policy_digest(policy: bytes, salt: bytes) -> bytes:
    """What `join` puts on the chain: SHA-256 of salt (32 bytes) ‖ policy, so that nobody can guess it."""
    if len(salt) != 32:
        raise UsageError(f"The salt of a policy has 32 bytes, not {len(salt)}.")
    return sha256(salt + policy)


class Site:
    """A member's site in one task.

    `ledger` calls in the member's name; `code` is the digest of the code that trains here, `data` the salted
    commitment to the rows (32 bytes each). `wait` is for confirmations (None: look once a second), `kept`
    where weights stay that were fetched (None: nowhere).
    Raises UsageError for a ledger that only reads.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: BlobStore,
        task: int,
        outbox: Outbox,
        *,
        code: bytes,
        data: bytes | Callable[[], bytes],
        keys: Keys = fresh_key,
        wait: Wait | None = None,
        kept: Kept | None = None,
    ) -> None:
        if ledger.account is None:
            raise UsageError("A site needs a ledger with its own account.")
        self.account: Address = ledger.account
        self.ledger = ledger
        self.store = store
        self.task = task
        self.outbox = outbox
        self.code = code
        self._data = data
        self.keys = keys
        self.wait = wait or polling(ledger)
        self.kept = kept

    @cached_property
    def data(self) -> bytes:
        """The commitment to the rows: worked out when it is needed, for there may be many."""
        return self._data if isinstance(self._data, bytes) else self._data()

    # --- consent

    def join(self, terms: Terms, policy: bytes) -> Transaction:
        """Consent to `terms` by joining the task; `policy` is the site's own policy's salted digest.

        Raises ConsentError when the contract's task differs from the terms in anything, and for terms by
        which nobody could check who is paid.
        """
        task = self.ledger.task(self.task)
        consent.check_terms(terms, task)
        self._check_code(terms)
        return self.ledger.join_task(self.task, terms.id, policy)

    @cached_property
    def terms(self) -> Terms:
        """The task's terms, to which this site consented by joining; they never change."""
        return Terms.decode(read_document(self.store, self.ledger.confirmed().task(self.task).terms))

    def _check_code(self, terms: Terms) -> None:
        if terms.code != self.code.hex():
            raise ConsentError(
                f"The terms approve the code {terms.code}; the code at this site is {self.code.hex()}.",
                "Install the version of the code that the terms name.",
            )

    def introduction(self, run: int, node: int) -> bytes:
        """This account's signed word that the node is its own in a run of Flower's."""
        return self.ledger.sign_introduction(self.task, run, node)

    # --- what to train on

    def announced(self, id_: bytes) -> Announcement:
        """The announcement `id_`, if the round that is open on the chain was opened with it.

        An opening that lacks confirmations is waited for, at most to the round's deadline. Raises
        ConsentError when another round is open, or none, or when the round is not for this site.
        """
        try:
            opened = opened_with(self.ledger.confirmed(), self.task, id_, self.account)
        except ConsentError:
            self._await_confirmations()
            opened = opened_with(self.ledger.confirmed(), self.task, id_, self.account)
        announcement = Announcement.decode(read_document(self.store, id_))
        consent.check_announcement(
            announcement, opened, self.ledger.chain_id, self.ledger.contract, self.account
        )
        return announcement

    def _await_confirmations(self) -> None:
        """Wait until the newest round is confirmed, at most to its deadline."""
        task = self.ledger.task(self.task)

        def confirmed() -> bool:
            known, newest = (chain.task(self.task) for chain in (self.ledger.confirmed(), self.ledger))
            return known.round >= newest.round

        self.wait(task.deadline + 1, confirmed)

    def base(self, announcement: Announcement) -> Arrays:
        """The base weights of an announced round, in the terms' order.

        Raises ConsentError when they are not exactly what chain and terms say; StoreError without them.
        """
        return self._weights(announcement.base)

    def _weights(self, reference: Reference) -> Arrays:
        terms = self.terms
        self._check_code(terms)
        consent.check_base_size(reference, terms)
        found = self.kept.get(reference.sha256) if self.kept else None
        data = found or read_bytes(self.store, reference.parsed(), reference.size)
        arrays = consent.read_base(data, reference, terms)
        if self.kept and not found:
            self.kept.put(reference.sha256, data)
        return arrays

    def made_by(self, round_: int, seconds: float) -> Reference:
        """Where the weights lie that the close of a round made; waits for it, at most `seconds`.

        Raises ConsentError for a round that has not closed by then, and at once for one in which this site
        has not submitted.
        """
        until = time.monotonic() + seconds
        while (closed := self._closing(round_)) is None:
            if time.monotonic() >= until or not self.submitted(round_):
                raise ConsentError(f"Round {round_} has not closed.")
            time.sleep(_LINGER_POLL_SECONDS)
        return Manifest.decode(read_document(self.store, closed.manifest)).weights

    def _closing(self, round_: int) -> RoundClosed | None:
        """The confirmed close of a round."""
        chain = self.ledger.confirmed()
        task = chain.task(self.task)
        since = task.opened_at if task.round == round_ else task.created_at
        history = () if task.open and task.round == round_ else chain.history(self.task, since)
        closes = (event for event in history if isinstance(event, RoundClosed) and event.round == round_)
        return next(closes, None)

    def in_force(self, reference: Reference) -> Arrays:
        """The weights that the contract holds, of which `reference` says where they lie; in the terms' order.

        Raises ConsentError for other weights, StoreError without them.
        """
        held = self._held(reference)
        if reference.sha256 != held.hex():
            raise ConsentError(f"The contract holds the weights {held.hex()}, not {reference.sha256}.")
        return self._weights(reference)

    def _held(self, reference: Reference) -> bytes:
        """What the contract holds; these very weights are waited for until they are confirmed."""
        held = self._confirmed_weights()
        if held.hex() != reference.sha256 == self.ledger.task(self.task).weights.hex():
            until = self.ledger.now() + self.terms.window
            self.wait(until, lambda: self._confirmed_weights().hex() == reference.sha256)
            held = self._confirmed_weights()
        return held

    def _confirmed_weights(self) -> bytes:
        return self.ledger.confirmed().task(self.task).weights

    def settings(self, announcement: Announcement) -> dict[str, Setting]:
        """What to train with in this round. Raises ConsentError when it contradicts the terms."""
        return consent.settings(self.terms, announcement)

    # --- the update

    def submitted(self, round_: int) -> bool:
        """Whether the chain has an update of this site for the round, confirmed or not."""
        return self.ledger.seat(self.task, self.account).last == round_

    def prepared(self, announcement: Announcement) -> Receipt | None:
        """The receipt in the outbox for this announcement, if there is one: train once, whatever happens."""
        id_ = announcement.id.hex()
        return next((receipt for receipt in self._receipts() if receipt.announcement == id_), None)

    def prepare(
        self,
        announcement: Announcement,
        arrays: Arrays,
        examples: int,
        metrics: Mapping[str, float],
        privacy: Privacy | None = None,
    ) -> Receipt:
        """Check an update, store it sealed, and put its receipt into the outbox; nothing is published.

        A receipt that the announcement has already stays the one. Raises ConsentError for an update that the
        terms do not allow.
        """
        prepared = self.prepared(announcement)
        if prepared is not None:
            return prepared
        details = self._details(examples, metrics, privacy)
        return self.outbox.put(self._sealed(announcement, self._content(arrays), details))

    def _content(self, arrays: Arrays) -> bytes:
        """The update's bytes, checked against the terms."""
        consent.check_tensors("The trained weights", arrays, self.terms)
        return weights.encode(arrays)

    def _details(self, examples: int, metrics: Mapping[str, float], privacy: Privacy | None) -> Details:
        """What is claimed of the update: of the metrics, only those that the terms list."""
        terms = self.terms
        consent.check_claims(examples, metrics, privacy, terms)
        return Details(
            examples=examples,
            metrics={metric.name: float(metrics[metric.name]) for metric in terms.metrics},
            privacy=privacy,
            data=self.data.hex(),
            code=self.code.hex(),
        )

    def _sealed(self, announcement: Announcement, update: bytes, details: Details) -> Receipt:
        """Store update and details sealed; the receipt that opens them."""
        key = self._key(announcement.round)
        additional = sealing.additional_data(
            announcement.chain_id, announcement.contract, self.task, announcement.round, self.account
        )
        return Receipt(
            chain_id=announcement.chain_id,
            contract=announcement.contract,
            task=self.task,
            round=announcement.round,
            trainer=self.account,
            announcement=announcement.id.hex(),
            base=announcement.base.sha256,
            update=self._stored(sealing.seal_update(key, update, additional)),
            details=self._stored(sealing.seal_details(key, details.encode(), additional)),
            commitment=sealing.commitment(self.account, key, sha256(update)).hex(),
            key=key.hex(),
        )

    def _key(self, round_: int) -> bytes:
        """A key that seals nothing else: a round that a reorg opened twice has two updates."""
        used = any(receipt.round == round_ for receipt in self._receipts())
        return fresh_key(round_) if used else self.keys(round_)

    def _stored(self, sealed: bytes) -> Reference:
        return Reference.of(put_bytes(self.store, sealed), sealed)

    # --- delivering

    def submit_due(self) -> None:
        """Put the digest of the open round's receipt on the chain, unless it is there already.

        A submission that a reorg took back is sent again. A receipt for another announcement than the one
        that the round was opened with is not: it would count, and be refused.
        """
        receipts = self._receipts()
        if not receipts:
            return
        task, now = self.ledger.task(self.task), self.ledger.now()
        for receipt in receipts:
            if running(task, receipt.round, now) and not self.submitted(receipt.round):
                opened = opening(self.ledger, self.task, task)
                if opened and opened.announcement.hex() == receipt.announcement:
                    self._submit(receipt)

    def _submit(self, receipt: Receipt) -> None:
        try:
            self.ledger.submit_update(self.task, receipt.round, receipt.id)
        except Refused as refused:
            if refused.name not in ("AlreadySubmitted", "Late"):  # the other two ways to be done
                raise

    def publish_due(self) -> None:
        """Publish every receipt that the chain holds and whose round is sealed; drop those of ended rounds.

        All of that once it is confirmed: what is published before can be copied by whoever may still submit.
        The store must give a published receipt back. Until the round is settled, one that it does not give
        back is revealed on the chain, once: that costs gas, and nobody can deny it. (A store that serves this
        site and nobody else looks the same as a good one from here.) Nor is it dropped before others can have
        it: it proves a false refusal wrong at any time. A round that failed or is void pays nothing, and its
        update stays with the site.
        """
        receipts = self._receipts()
        if not receipts:
            return
        chain = self.ledger.confirmed()
        task, now = chain.task(self.task), chain.now()
        for receipt in receipts:
            if not running(task, receipt.round, now):
                since = task.opened_at if task.round == receipt.round else task.created_at
                standing = Standing.of(receipt, chain.history(self.task, since))
                if standing.ended or (task.open and task.round == receipt.round):
                    self._publish(receipt, standing)
                # else a node behind the same address has not seen the end yet: the next time it may

    def publish_soon(self, round_: int, seconds: float) -> bool:
        """Publish as soon as the round is sealed; whether that came within `seconds` of the wall clock."""
        until = time.monotonic() + seconds
        while not self._is_sealed(round_):
            if time.monotonic() >= until:
                return False
            time.sleep(_LINGER_POLL_SECONDS)
        self.publish_due()
        return True

    def _is_sealed(self, round_: int) -> bool:
        chain = self.ledger.confirmed()
        task = chain.task(self.task)
        return task.round > round_ or (task.round == round_ and not running(task, round_, chain.now()))

    def _publish(self, receipt: Receipt, standing: Standing) -> None:
        served = standing.revealed or (standing.wanted and self._served(receipt))
        if standing.wanted and not served and not standing.settled:
            self.ledger.reveal(self.task, receipt.round, self.account, receipt.encode())
        if standing.is_over(served):
            self.outbox.drop(receipt)

    def _served(self, receipt: Receipt) -> bool:
        """Put a receipt into the store, and say whether the store gives it back."""
        try:
            put_bytes(self.store, receipt.encode())
            read_document(self.store, receipt.id)
        except (StoreError, StoreUnavailable) as error:
            _log.warning("the store does not serve the receipt of round %s: %s", receipt.round, error.message)
            return False
        return True

    # --- reading

    def _receipts(self) -> tuple[Receipt, ...]:
        """The outbox's receipts of this site in this task."""
        return self.outbox.receipts_of(self.ledger, self.task)
