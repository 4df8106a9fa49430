"""Canonical bytes: JSON in the one spelling of RFC 8785, and the identifiers that follow from it.

A document's id is the SHA-256 of its bytes; the same 32 bytes are its name on the chain and the digest of
its CID (CIDv1, raw, sha2-256), so neither needs a look-up.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import NoReturn

import rfc8785

from fl.errors import DocumentError

MAX_DOCUMENT_BYTES = 256 * 1024
MAX_DEPTH = 16

Scalar = bool | int | float | str
Setting = Scalar | tuple[Scalar, ...]

_FLOAT_TAG = "float:"
# a string, even one that never ends (to look for its end from every quote would be quadratic), or a bracket
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def sha256(data: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def dump(value: object) -> bytes:
    """Write a JSON value in RFC 8785 form. Raises DocumentError for what that form cannot say."""
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # checked by the library while it writes
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as error:
        raise DocumentError(f"This cannot be written as canonical JSON: {error!s:.100}") from error


def load(data: bytes) -> object:
    """Read canonical JSON; whatever would be written in other bytes is refused.

    Raises DocumentError: more than 256 KiB, not UTF-8, nested deeper than 16, a duplicate key, an integer
    of 2^53 or more, or any spelling but the canonical one.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DocumentError(f"A document has at most {MAX_DOCUMENT_BYTES} bytes; this one has {len(data)}.")
    check_depth(data)
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # bad UTF-8, bad JSON, an absurdly long number
        raise DocumentError(f"This is not JSON: {error}") from error
    if dump(value) != data:
        raise DocumentError("This JSON is not in its canonical form (RFC 8785).")
    return value


def check_depth(data: bytes) -> None:
    """Refuse JSON that is nested deeper than 16 levels before a recursive parser sees it.

    py-evm raises Python's recursion limit so far that a parser would crash the process instead of raising.
    """
    depth = 0
    for token in _TOKEN.finditer(data):
        depth += _STEPS.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise DocumentError(f"This document is nested deeper than {MAX_DEPTH} levels.")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DocumentError("This JSON names one key twice.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise DocumentError(f"{name} is not a JSON number.")


# --- floats as settings


def tag_float(value: float) -> str:
    """Spell a finite float so that it comes back exactly: `float:` and its shortest digits."""
    if not math.isfinite(value):
        raise DocumentError(f"{value} cannot be a setting: it is not finite.")
    return _FLOAT_TAG + repr(float(value))


def untag_float(text: str) -> float:
    """Read what `tag_float` wrote; any other spelling raises DocumentError."""
    try:
        value = float(text.removeprefix(_FLOAT_TAG))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or text != tag_float(value):
        raise DocumentError(f"{text[:100]!r} is not a float setting such as 'float:0.1'.")
    return value


def encode_settings(settings: Mapping[str, Setting]) -> dict[str, object]:
    """Settings as a document holds them: floats tagged, tuples as lists."""
    return {name: _encode_setting(value) for name, value in settings.items()}


def _encode_setting(value: Setting) -> object:
    if isinstance(value, tuple):
        return [_encode_setting(item) for item in value]
    if isinstance(value, float):
        return tag_float(value)
    if isinstance(value, str) and value.startswith(_FLOAT_TAG):
        raise DocumentError(f"A text setting may not begin with {_FLOAT_TAG!r}: {value!r:.100}.")
    return value


def decode_settings(settings: Mapping[str, object]) -> dict[str, Setting]:
    """Read what `encode_settings` wrote."""
    return {name: _decode_setting(value) for name, value in settings.items()}


def _decode_setting(value: object) -> Setting:
    if isinstance(value, list | tuple):
        return tuple(_decode_scalar(item) for item in value)
    return _decode_scalar(value)


def _decode_scalar(value: object) -> Scalar:
    if isinstance(value, str):
        return untag_float(value) if value.startswith(_FLOAT_TAG) else value
    if isinstance(value, bool | int):
        return value
    raise DocumentError(f"{value!r:.100} is not a setting.")
