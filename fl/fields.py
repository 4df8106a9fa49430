"""What the fields of documents are made of: each type with what its text or number must be."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from fl.addresses import is_checksummed
from fl.canonical import decode_settings, untag_float
from fl.errors import DocumentError

SAFE_INTEGER = 2**53 - 1
"""The largest integer that every reader of JSON has exactly."""

_MARKUP = re.compile(r"[<>&`\[\]{}\\|\"]")


def _label(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("a name from the data has no control characters and no space around it")
    return text


def _name(text: str) -> str:
    if not text.isprintable() or text != text.strip() or _MARKUP.search(text):
        raise ValueError("a name has no control characters, no markup and no space around it")
    return text


def _address(text: str) -> str:
    if not is_checksummed(text):
        raise ValueError("an address is written as EIP-55 says")
    return text


def _float_text(text: str) -> str:
    try:
        untag_float(text)
    except DocumentError as error:
        raise ValueError(error.message) from error
    return text


def _settings(value: dict[str, object]) -> dict[str, object]:
    try:
        decode_settings(value)
    except DocumentError as error:
        raise ValueError(error.message) from error
    return value


Name = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_name)]
DataName = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_label)]
"""A column, category or class as the data have it, such as `<=50K`: made safe where it is shown."""
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
AddressText = Annotated[str, AfterValidator(_address)]
Money = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,38})$")]
FloatText = Annotated[str, AfterValidator(_float_text)]
Natural = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
Positive = Annotated[int, Field(ge=1, le=SAFE_INTEGER)]
Settings = Annotated[dict[Name, object], AfterValidator(_settings)]
Claim = Annotated[float, Field(gt=-(2**53), lt=2**53)]  # beyond, whole numbers lose their one spelling
Claims = dict[Name, Claim]
