"""The utility that terms name, built from what is installed: a document never makes anybody run its code."""

from __future__ import annotations

from collections.abc import Mapping

from aggregator.types import Utility
from fl.documents import Terms
from fl.errors import DocumentError, UsageError
from fl.examples import decode_examples
from fl.learning import evaluation, models
from fl.weights import Arrays

MAX_OUTPUTS = 1 << 26
"""Rows times classes: what one evaluation holds in float64 stays below a gibibyte."""


def build(terms: Terms, validation: bytes | None) -> Utility:
    """Build the utility of a coalition's model on the validation set, in integer millionths.

    Raises UsageError without a validation set, for a model that is not installed or has other tensors than
    the terms list, and for what this machine cannot hold.
    """
    if terms.model is None or terms.data is None or validation is None:
        raise UsageError(
            "These terms give no model or no public validation set to measure utilities with.",
            'Without them only scoring "equal" or by "examples" works.',
        )
    try:
        x, y = decode_examples(validation)
    except DocumentError as error:
        raise UsageError(error.message) from error
    classes = len(terms.data.classes)
    if len(y) * classes > MAX_OUTPUTS:
        raise UsageError(
            f"A validation set of {len(y):,} rows is too large to tell {classes:,} classes apart."
        )
    try:
        _check_tensors(terms, models.shapes(terms.model, x.shape[1], classes))
        module = models.build(terms.model, x.shape[1], classes)
        measure = evaluation.utility(module, x, y, terms.scoring.utility)
    except RuntimeError as error:  # what torch's allocator raises
        raise UsageError("The model that the terms name is too large for this machine.") from error

    def utility(_coalition: int, arrays: Arrays) -> int:
        return measure(arrays)

    return utility


def _check_tensors(terms: Terms, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Before anything is allocated: the model is as large as the weights that the terms list."""
    if list(shapes.items()) != [(tensor.name, tensor.shape) for tensor in terms.tensors]:
        raise UsageError("The model that the terms name has other tensors than the terms list.")
