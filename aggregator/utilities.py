"""The utility that terms name, built from what is installed: a document never makes anybody run its code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aggregator.types import Outputs, Utility
from fl.documents import Terms
from fl.errors import DocumentError, UsageError
from fl.examples import decode_examples
from fl.weights import Arrays

if TYPE_CHECKING:
    from fl.learning import evaluation

MAX_OUTPUTS = 1 << 26
"""Rows times classes: what one evaluation holds in float64 stays below a gibibyte."""

MAX_MIXED = 1 << 15
"""Rows times classes of which mixtures are made: of a larger validation set every second row, or fewer."""


def build(terms: Terms, validation: bytes | None) -> Utility:
    """Build the utility of a coalition's model on the validation set, in integer millionths.

    Raises UsageError without a validation set, for a model that is not installed or has other tensors than
    the terms list, and for what this machine cannot hold.
    """
    from fl.learning import evaluation, models  # noqa: PLC0415 - brings torch: who needs no utility need not wait

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
        measure = evaluation.Utility(module, x, y, terms.scoring.utility)
    except RuntimeError as error:  # what torch's allocator raises
        raise UsageError("The model that the terms name is too large for this machine.") from error
    return Measured(measure, step=-(-len(y) * classes // MAX_MIXED))


class Measured:
    """The utility of weights, whosever they are; mixtures are made of the outputs of every `step`-th row."""

    def __init__(self, measure: evaluation.Utility, step: int) -> None:
        self._measure = measure
        self._step = step

    def __call__(self, _coalition: int, arrays: Arrays, /) -> int:
        """The utility of a model."""
        return self._measure(arrays)

    def outputs(self, _coalition: int, arrays: Arrays, /) -> tuple[int, Outputs]:
        """The utility of a model, and what it says of every `step`-th row."""
        outputs = self._measure.outputs(arrays)
        return self._measure.of_outputs(outputs), outputs[:: self._step]

    def of_outputs(self, _coalition: int, outputs: Outputs, /) -> int:
        """The utility of outputs of every `step`-th row."""
        return self._measure.of_outputs(outputs, self._step)


def _check_tensors(terms: Terms, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Before anything is allocated: the model is as large as the weights that the terms list."""
    if list(shapes.items()) != [(tensor.name, tensor.shape) for tensor in terms.tensors]:
        raise UsageError("The model that the terms name has other tensors than the terms list.")
