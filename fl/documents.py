"""The six documents of the protocol: what each says, and how its bytes are read and written.

Digests are 64 lower-case hexadecimal digits, addresses EIP-55, money a decimal string in the token's smallest
unit, shares and utilities integers in millionths. Bare floats appear only as claims (metrics) and are finite,
below 2^53 in magnitude.
"""

from __future__ import annotations

import math
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from fl.canonical import MAX_DOCUMENT_BYTES, dump, load, sha256, untag_float
from fl.errors import DocumentError, StoreError
from fl.fields import (
    SAFE_INTEGER,
    AddressText,
    Claims,
    DataName,
    FloatText,
    Hex32,
    Money,
    Name,
    Natural,
    Positive,
    Settings,
)
from fl.messages import SERVER_ROUND
from fl.store.cid import Cid
from fl.weights import DTYPES, MAX_HEADER_BYTES


class Verdict(StrEnum):
    """What the decision says of one submission; the protocol's section 6, in its order."""

    ACCEPTED = "accepted"
    UNAVAILABLE = "unavailable"
    BAD_DOCUMENT = "bad_document"
    NOT_BOUND = "not_bound"
    NOT_INVITED = "not_invited"
    BAD_REFERENCE = "bad_reference"
    BAD_CONTENT = "bad_content"
    UNREADABLE = "unreadable"
    UNAPPROVED_CODE = "unapproved_code"
    BAD_CLAIM = "bad_claim"
    OVER_BUDGET = "over_budget"
    BAD_TENSORS = "bad_tensors"
    NOT_FINITE = "not_finite"
    TOO_LARGE = "too_large"
    OUT_OF_RANGE = "out_of_range"
    NO_CHANGE = "no_change"
    REPLAYED = "replayed"
    DUPLICATE = "duplicate"


class Part(BaseModel):
    """Fields that belong together inside a document."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Reference(Part):
    """Where a blob lies and what it is; only `sha256` is trusted. `size` is in bytes.

    `cid` is any text here: whether it is a good one is a verdict of its own (`bad_reference`).
    """

    cid: Annotated[str, Field(max_length=128)]
    sha256: Hex32
    size: Natural

    def parsed(self) -> Cid:
        """The CID; raises DocumentError when it is not in the one accepted spelling."""
        try:
            return Cid.parse(self.cid)
        except StoreError as error:
            raise DocumentError(error.message) from error

    @classmethod
    def of(cls, cid: Cid, data: bytes) -> Reference:
        """Refer to `data`, stored under `cid`."""
        return cls(cid=str(cid), sha256=sha256(data).hex(), size=len(data))


class Document(Part):
    """A document: canonical bytes, an id, and nothing that depends on who reads it."""

    @property
    def id(self) -> bytes:
        """SHA-256 of the canonical bytes: 32 bytes, as the contract holds them."""
        return sha256(self.encode())

    @property
    def cid(self) -> Cid:
        """Where the store keeps it."""
        return Cid.of_document(self.id)

    def encode(self) -> bytes:
        """The canonical bytes (RFC 8785). Raises DocumentError when they would exceed 256 KiB."""
        data = dump(self.model_dump(mode="json"))
        if len(data) > MAX_DOCUMENT_BYTES:
            raise DocumentError(
                f"This document would have {len(data)} bytes, more than {MAX_DOCUMENT_BYTES}."
            )
        return data

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the canonical bytes of this kind of document; raises DocumentError for anything else."""
        load(data)
        try:
            document = cls.model_validate_json(data)
        except ValidationError as error:
            raise DocumentError(f"This is not a valid {cls.__name__.lower()}: {_first(error)}") from error
        if document.encode() != data:
            raise DocumentError(f"This {cls.__name__.lower()} leaves out a field.")
        return document


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, detail["loc"])) or "the whole"
    shown = where if where.isprintable() else ascii(where)  # somebody else's key may be in there
    return f"{shown:.100}: {detail['msg']:.200}"


# --- terms


class Tensor(Part):
    """One array of the model, in the app's own order; `low` and `high` bound every element."""

    name: Name
    dtype: Literal["F16", "F32", "F64", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "BOOL"]
    shape: Annotated[tuple[Natural, ...], Field(max_length=32)]  # as many axes as any numpy has
    low: FloatText | None = None
    high: FloatText | None = None


class Model(Part):
    """How to build the model: the name of an installed builder and its settings."""

    builder: Name
    settings: Settings


class Column(Part):
    """One input column: numbers are centred and scaled, categories one-hot encoded in this order."""

    name: DataName
    kind: Literal["number", "boolean", "category"]
    center: FloatText | None = None
    scale: FloatText | None = None
    categories: tuple[DataName, ...] = ()


class Data(Part):
    """What a row looks like at every site, so that all sites turn rows into the same numbers."""

    label: DataName
    classes: Annotated[tuple[DataName, ...], Field(min_length=2)]
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]


class Adjustable(Part):
    """A setting that a round may choose: a number from `low` to `high`, or anything where both are None."""

    name: Name
    low: FloatText | None = None
    high: FloatText | None = None

    @model_validator(mode="after")
    def _allows_something(self) -> Self:
        if self.name == SERVER_ROUND:
            raise ValueError(f"{SERVER_ROUND} is the round's number, which nobody chooses")
        low, high = self.bounds
        if low > high:
            raise ValueError(f"low {low} is above high {high}")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest number allowed; infinite where there is no bound."""
        low = -math.inf if self.low is None else untag_float(self.low)
        high = math.inf if self.high is None else untag_float(self.high)
        return low, high


class Rule(Part):
    """The aggregation rule: a supported strategy's class name and its arguments."""

    name: Name
    arguments: Settings


class Metric(Part):
    """A number that every site reports with its update, and the bounds of an honest one."""

    name: Name
    low: FloatText
    high: FloatText


class Scoring(Part):
    """How a share comes about; `budget` bounds model evaluations, `validation` is the public set."""

    rule: Literal["shapley", "gtg", "leave_one_out", "equal", "examples"]
    utility: Literal["log_loss", "auc", "accuracy"]
    budget: Annotated[int, Field(ge=1, le=2**20)]
    validation: Reference | None


class Limits(Part):
    """What one update may be at most: element and norm of its difference to the base, examples claimed."""

    element: FloatText
    norm: FloatText
    examples: Positive


class Privacy(Part):
    """A differential-privacy guarantee: spent so far in details, the budget in terms."""

    epsilon: FloatText
    delta: FloatText


class Terms(Document):
    """What an institution consents to by joining; written once, never changed.

    A round trains with the settings of `training`, but for those that are `adjustable`, whether `training`
    has a value for them or not. `tolerance` and `minimum_gain` are in millionths of the utility.
    """

    type: Literal["terms"] = "terms"
    version: Literal[1] = 1
    purpose: Annotated[str, Field(min_length=1, max_length=2000)]
    tensors: Annotated[tuple[Tensor, ...], Field(min_length=1)]
    model: Model | None
    data: Data | None
    code: Hex32
    weights: Reference
    training: Settings
    adjustable: tuple[Adjustable, ...] = ()
    rule: Rule
    metrics: tuple[Metric, ...]
    scoring: Scoring
    guard: Literal["none", "positive", "best"]
    limits: Limits
    tolerance: Natural
    minimum_gain: Natural
    privacy: Privacy | None
    recipients: Annotated[tuple[Name, ...], Field(max_length=0)]
    reward: Money
    quorum: Positive
    window: Positive
    close_window: Annotated[int, Field(ge=2, le=2**32 - 1)]
    settle_delay: Annotated[int, Field(ge=0, le=2**32 - 1)]

    @classmethod
    @lru_cache(maxsize=8)
    def decode(cls, data: bytes) -> Self:
        """As every document; the same bytes are read for every message."""
        return super().decode(data)

    @model_validator(mode="after")
    def _gain_beats_tolerance(self) -> Self:
        if self.minimum_gain < 100 * self.tolerance:
            raise ValueError("minimum_gain must be at least 100 tolerances")
        return self

    @model_validator(mode="after")
    def _adjusts_nothing_twice(self) -> Self:
        if len({setting.name for setting in self.adjustable}) < len(self.adjustable):
            raise ValueError("adjustable lists a setting twice")
        return self

    @model_validator(mode="after")
    def _fits_into_a_file(self) -> Self:
        if self.weights_sizes.stop > SAFE_INTEGER:
            raise ValueError("the tensors have more elements than a file can hold")
        return self

    @property
    def order(self) -> tuple[str, ...]:
        """Tensor names in the app's own order."""
        return tuple(tensor.name for tensor in self.tensors)

    @property
    def weights_sizes(self) -> range:
        """How many bytes weights of these tensors may have: their elements, and a header with its size."""
        content = sum(math.prod(tensor.shape) * DTYPES[tensor.dtype].itemsize for tensor in self.tensors)
        return range(content + 8, content + 8 + MAX_HEADER_BYTES + 1)


# --- the other five


class Profile(Document):
    """Who a member is. `encryption_key` is needed by private tasks only."""

    type: Literal["profile"] = "profile"
    version: Literal[1] = 1
    name: Name
    did: Annotated[str, Field(pattern=r"^did:pkh:eip155:[1-9][0-9]*:0x[0-9a-fA-F]{40}$")]
    encryption_key: Name | None


class Announcement(Document):
    """What a round asks for.

    `invited` is None when every seated trainer is asked to train; else it lists those who were drawn, over
    the seats as block `drawn_at` left them (`aggregator.draw`).
    """

    type: Literal["announcement"] = "announcement"
    version: Literal[1] = 1
    chain_id: Positive
    contract: AddressText
    task: Positive
    round: Positive
    base: Reference
    settings: Settings
    invited: tuple[AddressText, ...] | None
    drawn_at: Natural | None = None

    @model_validator(mode="after")
    def _says_what_was_drawn_over(self) -> Self:
        if (self.invited is None) != (self.drawn_at is None):
            raise ValueError(
                "a round that invites only some names the block they were drawn at, no other does"
            )
        return self


class Receipt(Document):
    """One trainer's claim to one update; its id is what the contract holds, its key opens the update.

    `commitment` is sha256(trainer ‖ key ‖ sha256(weights)), so a key cannot be swapped afterwards.
    """

    type: Literal["receipt"] = "receipt"
    version: Literal[1] = 1
    chain_id: Positive
    contract: AddressText
    task: Positive
    round: Positive
    trainer: AddressText
    announcement: Hex32
    base: Hex32
    update: Reference
    details: Reference
    commitment: Hex32
    key: Hex32


class Details(Document):
    """What a trainer says of its update; sealed with the update's key. `data` is a salted commitment.

    `examples` that are no positive integer are a verdict of their own (`bad_claim`), so any number parses.
    """

    type: Literal["details"] = "details"
    version: Literal[1] = 1
    examples: int | FiniteFloat
    metrics: Claims
    privacy: Privacy | None
    data: Hex32
    code: Hex32


class Line(Part):
    """One submission in a manifest. `share` is in millionths (1 in an equal share)."""

    trainer: AddressText
    receipt: Hex32
    verdict: Verdict
    share: Annotated[int, Field(ge=0, le=2**32 - 1)]
    quality: Annotated[int, Field(ge=0, le=0xFFFF)]
    examples: Natural | None
    weights: Hex32 | None


class Manifest(Document):
    """Everything that was decided in a round, in chain order."""

    type: Literal["manifest"] = "manifest"
    version: Literal[1] = 1
    chain_id: Positive
    contract: AddressText
    task: Positive
    round: Positive
    announcement: Hex32
    base: Hex32
    submissions: tuple[Line, ...]
    aggregated: tuple[AddressText, ...]
    utilities: Reference | None
    weights: Reference
    state: Reference | None
    metrics: Claims
