"""Mallory: goes through every motion of a site, with an update, details or a receipt of her own making."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clients.site import Site
from fl import sealing, weights
from fl.canonical import dump, sha256
from fl.documents import Announcement, Details, Privacy, Receipt, Reference
from fl.store.cid import Cid
from fl.store.port import put_bytes, read_document

PARTS = ("receipt", "update", "details")
SPENT = Privacy(epsilon="float:0.5", delta="float:1e-05")


class Forger:
    """What Mallory has when her app is done, and the means to make something else of it."""

    def __init__(self, site: Mallory, announcement: Announcement, update: bytes, details: Details) -> None:
        self.site = site
        self.announcement = announcement
        self.update = update
        self.details = details
        self.key = sha256(b"key of round %d" % announcement.round)

    @property
    def round(self) -> int:
        return self.announcement.round

    @property
    def place(self) -> dict[str, Any]:
        """What everything of hers is bound to."""
        said = self.announcement
        where = {"chain_id": said.chain_id, "contract": said.contract, "task": said.task, "round": said.round}
        return {**where, "trainer": self.site.account}

    def receipt(self, file: bytes | None = None, claims: bytes | None = None, **fields: Any) -> bytes:
        """An honest receipt's bytes; or one of another file or other details, or with other fields."""
        file = self.update if file is None else file
        usual = {
            **self.place,
            "announcement": self.announcement.id.hex(),
            "base": self.announcement.base.sha256,
            "update": self.stored(self.sealed("update", file)),
            "details": self.stored(self.sealed("details", claims)),
            "commitment": sealing.commitment(self.site.account, self.key, sha256(file)).hex(),
            "key": self.key.hex(),
        }
        return Receipt(**(usual | fields)).encode()

    # --- other contents

    def of(self, name: str) -> bytes:
        """Somebody's update of this round, as it left the app; or the base."""
        if name == "base":
            return weights.encode(self.site.base(self.announcement))
        return self.site.stage.trained[name, self.round]

    def earlier(self, name: str) -> bytes:
        """Somebody's update of the round before."""
        return self.site.stage.trained[name, self.round - 1]

    def changed(self, name: str, *values: object) -> bytes:
        """Her update with other values in one tensor, from its first element on."""
        arrays = weights.decode(self.update, self.site.terms.order)
        array = arrays[name].copy()
        array.reshape(-1)[: len(values)] = values
        return weights.encode({**arrays, name: array})

    def claiming(self, **fields: object) -> bytes:
        """Her details with other fields; nothing checks them."""
        return dump(self.details.model_dump(mode="json") | fields)

    def receipt_of(self, name: str) -> bytes:
        """Somebody's receipt. She cannot know it yet, but its digest is on the chain."""
        (receipt,) = self.site.stage.site(name).outbox.receipts()
        return receipt.encode()

    # --- other blobs

    def sealed(self, part: str, data: bytes | None = None, key: bytes = b"", **elsewhere: Any) -> bytes:
        """Her update or details, or other data, sealed as such: with her key for this round, or otherwise."""
        honest = {"update": self.update, "details": self.details.encode()}[part]
        seal = {"update": sealing.seal_update, "details": sealing.seal_details}[part]
        where = sealing.additional_data(*(self.place | elsewhere).values())
        return seal(key or self.key, honest if data is None else data, where)

    def stored(self, blob: bytes, **said: Any) -> Reference:
        """Put a blob into the store; its reference, or one that says something else of it."""
        return Reference.of(put_bytes(self.site.store, blob), blob).model_copy(update=said)

    def planted(self, cid: Cid, block: bytes, content: bytes) -> Reference:
        """Put one block under a name, and refer to it as if it led to the content."""
        self.site.store.plant(cid, block)
        return Reference.of(cid, content)


Forge = Callable[[Forger], bytes]
"""Makes what Mallory commits to: the bytes of a receipt, or of something else."""

Deliver = Callable[["Mallory"], None]
"""What she does once the round is sealed."""


def publish(mallory: Mallory) -> None:
    """As an honest site does."""
    put_bytes(mallory.store, mallory.written[max(mallory.written)])


def reveal(mallory: Mallory) -> None:
    """Say it on the chain, and nowhere else; once."""
    round_, written = max(mallory.written.items())
    if not mallory.stage.record().round(round_).revealed:
        mallory.ledger.reveal(mallory.task, round_, mallory.account, written)


def withhold(part: str) -> Deliver:
    """Take a part away again before anybody has asked for it."""

    def deliver(mallory: Mallory) -> None:
        publish(mallory)
        mallory.store.path(mallory.last[part]).unlink()

    return deliver


def damage(part: str) -> Deliver:
    """Leave a part with a byte that its CID does not vouch for."""

    def deliver(mallory: Mallory) -> None:
        publish(mallory)
        path = mallory.store.path(mallory.last[part])
        path.write_bytes(b"x" + path.read_bytes()[1:])

    return deliver


def silence(part: str) -> Deliver:
    """Have the store find a part, and never get on with it."""

    def deliver(mallory: Mallory) -> None:
        publish(mallory)
        mallory.store.silent.add(mallory.last[part])

    return deliver


def drip(part: str) -> Deliver:
    """Have the store give a part a block at a time, with minutes between them."""

    def deliver(mallory: Mallory) -> None:
        publish(mallory)
        mallory.store.dripping.add(mallory.last[part])

    return deliver


@dataclass(frozen=True)
class Misdeed:
    """What is wrong with what she sends, or how she delivers it.

    `begin` is how its task differs (see `Stage.begin`), `count` is how many a round asks (None: all); where
    she is not asked, she comes all the same. It is done in the last of `rounds`.
    """

    forge: Forge = Forger.receipt
    deliver: Deliver = publish
    begin: Mapping[str, Any] = field(default_factory=dict)
    count: int | None = None
    rounds: int = 1


class Mallory(Site):
    """One process from the first round to the last. `stage` is where she is: see `stage.Stage`."""

    store: Any

    def mean(self, misdeed: Misdeed, stage: Any) -> None:
        self.misdeed, self.stage = misdeed, stage
        self.written: dict[int, bytes] = {}

    def announced(self, id_: bytes) -> Announcement:
        """Whoever is invited, she comes."""
        return Announcement.decode(read_document(self.store, id_))

    def prepare(self, announcement, arrays, examples, metrics, privacy=SPENT) -> Receipt:
        """Answer Flower with an honest receipt, and commit to another."""
        details = self._details(examples, metrics, privacy)
        forger = Forger(self, announcement, weights.encode(arrays), details)
        due = announcement.round == self.misdeed.rounds
        self.written[announcement.round] = self.misdeed.forge(forger) if due else forger.receipt()
        return super().prepare(announcement, arrays, examples, metrics, privacy)

    def submit_due(self) -> None:
        self._come_uninvited()
        for round_, written in self.written.items():
            if self.ledger.task(self.task).round == round_ and not self.submitted(round_):
                self.ledger.submit_update(self.task, round_, sha256(written))

    def _come_uninvited(self) -> None:
        """Make an update for a round that does not ask for one."""
        if self.misdeed.count is None:
            return
        newest = self.stage.record().rounds[-1]
        announcement = self.announced(newest.opened.announcement)
        left_out = announcement.invited is not None and self.account not in announcement.invited
        if left_out and not newest.ended and newest.number not in self.written:
            arrays = {name: array + array.dtype.type(1) for name, array in self.base(announcement).items()}
            self.prepare(announcement, arrays, 20, {"loss": 0.5})

    def publish_due(self) -> None:
        task = self.ledger.task(self.task)
        if task.sealed(self.ledger.now()):
            (self.misdeed.deliver if task.round == self.misdeed.rounds else publish)(self)

    @property
    def last(self) -> dict[str, Cid]:
        """Where the parts of what she sent last lie."""
        receipt = Receipt.decode(self.written[max(self.written)])
        return dict(zip(PARTS, (receipt.cid, receipt.update.parsed(), receipt.details.parsed()), strict=True))
