"""What has to hold of terms before their task is created: afterwards nothing of them can be changed."""

from __future__ import annotations

import json
from pathlib import Path

from aggregator import utilities
from aggregator.sizes import Sizes
from fl import weights
from fl.agreement import needs_utilities, terms_and_scoring
from fl.canonical import check_depth, dump, sha256
from fl.documents import Reference, Terms
from fl.errors import DocumentError, StoreError, UsageError, WeightsError
from fl.store.port import BlobStore, read_bytes
from fl.weights import Arrays


def read_terms(file: Path) -> Terms:
    """Terms in a file, in any spelling of JSON, because people edit them. Raises UsageError for no terms."""
    try:
        data = file.read_bytes()
        check_depth(data)
        return Terms.decode(dump(json.loads(data)))
    except OSError as error:
        raise UsageError(f"The terms in {file} cannot be read: {error.strerror}.") from error
    except DocumentError as error:
        raise UsageError(f"{file} holds no terms. {error.message}", _DRAFT) from error
    except ValueError as error:  # no JSON, no UTF-8
        raise UsageError(f"{file} is no JSON: {error}.", _DRAFT) from error


_DRAFT = "`fl task draft` writes the terms of a Flower app into a file."


def check(terms: Terms, store: BlobStore) -> None:
    """Raise UsageError for terms by which no round could be trained, decided or checked.

    What they name has to be in the store; StoreUnavailable is raised while that does not answer.
    """
    for lack in terms_and_scoring(terms):
        raise UsageError(f"{lack[0].upper()}{lack[1:]}.")
    _check_rule(terms)
    sizes = Sizes.of(terms)
    _check_weights(terms, _blob(store, terms.weights, sizes.weights, "initial weights"))
    validation = terms.scoring.validation
    examples = _blob(store, validation, sizes.validation, "validation set") if validation else None
    if needs_utilities(terms):
        utilities.build(terms, examples)


def _check_rule(terms: Terms) -> None:
    from aggregator import rules  # noqa: PLC0415 - brings Flower, and terms are shown without it

    if ":" not in terms.rule.name:  # somebody's own rule, which works at their aggregator only
        rules.build(terms.rule)
        rules.demand_suitable(terms.rule, terms.tensors, terms.metrics)


def _blob(store: BlobStore, reference: Reference, sizes: range, what: str) -> bytes:
    """A blob that terms name, whole and as they name it."""
    if reference.size not in sizes:
        raise UsageError(f"The {what} would have {reference.size} bytes, which these terms do not allow.")
    try:
        data = read_bytes(store, reference.parsed(), reference.size)
    except (StoreError, DocumentError) as error:
        raise UsageError(
            f"The {what} of these terms cannot be had: {error.message}",
            "Name the store that the terms were drafted with.",
        ) from error
    if len(data) != reference.size or sha256(data).hex() != reference.sha256:
        raise UsageError(f"The {what} in the store are not those that the terms name.")
    return data


def _check_weights(terms: Terms, data: bytes) -> None:
    try:
        arrays = weights.decode(data, terms.order)
    except WeightsError as error:
        raise UsageError(f"The initial weights are not those of the terms: {error.message}") from error
    if _kinds(arrays) != {one.name: (weights.DTYPES[one.dtype], one.shape) for one in terms.tensors}:
        raise UsageError("The initial weights have other types or shapes than the terms list.")
    if not weights.all_finite(arrays):
        raise UsageError("The initial weights hold numbers that are not finite.")


def _kinds(arrays: Arrays) -> dict[str, tuple[object, tuple[int, ...]]]:
    return {name: (array.dtype, array.shape) for name, array in arrays.items()}
