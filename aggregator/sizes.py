"""How large the blobs of a task may be: whoever names one chooses its size, and the terms bound it.

Blocks are shared, so that a megabyte of them can unfold to terabytes: nothing larger is even asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from fl.documents import Terms

MAX_VALIDATION_BYTES = 64 << 20
MAX_LINE_BYTES = 32
"""Of a line in a table of utilities: coalition and utility, with much to spare."""


@dataclass(frozen=True)
class Sizes:
    """The sizes, in bytes, that each kind of blob may have."""

    weights: range
    state: range
    utilities: range
    validation: range

    @classmethod
    def of(cls, terms: Terms) -> Sizes:
        """What these terms allow: a rule remembers at most four models, a table has a line an evaluation."""
        return cls(
            weights=terms.weights_sizes,
            state=_up_to(4 * terms.weights_sizes.stop + (1 << 20)),
            utilities=_up_to(MAX_LINE_BYTES * (1 + terms.scoring.budget)),  # and its title
            validation=_up_to(MAX_VALIDATION_BYTES),
        )

    @property
    def any(self) -> range:
        """What a blob of whatever kind may have."""
        return range(max(self.state.stop, self.utilities.stop, self.validation.stop))


def _up_to(most: int) -> range:
    return range(most + 1)
