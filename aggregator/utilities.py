"""The utility that terms name, built from what is installed: a document never makes anybody run its code."""

from __future__ import annotations

from aggregator.types import Utility
from fl.documents import Terms
from fl.errors import DocumentError, UsageError
from fl.examples import decode_examples
from fl.learning import evaluation, models
from fl.learning.state import read_state
from fl.weights import Arrays


def build(terms: Terms, validation: bytes | None) -> Utility:
    """Build the utility of a coalition's model on the validation set, in integer millionths.

    Raises UsageError without a validation set, or for a model that is not installed.
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
    module = models.build(terms.model, x.shape[1], len(terms.data.classes))
    built = [(name, array.shape) for name, array in read_state(module).items()]
    if built != [(tensor.name, tensor.shape) for tensor in terms.tensors]:
        raise UsageError("The model that the terms name has other tensors than the terms list.")
    measure = evaluation.utility(module, x, y, terms.scoring.utility)

    def utility(_coalition: int, arrays: Arrays) -> int:
        return measure(arrays)

    return utility
