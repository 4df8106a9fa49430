"""How large the blobs of a task may be: whoever names one chooses its size, and the terms bound it.

Blocks are shared, so that a megabyte of them can unfold to terabytes: nothing larger is even asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.scoring.estimate import MAX_SURROGATES
from fl.documents import Terms
from fl.ledger.types import MAX_TRAINERS

MAX_VALIDATION_BYTES = 64 << 20
MAX_LINE_BYTES = 32 + MAX_TRAINERS // 4
"""Of a line in a table of utilities: coalition in hexadecimal and utility, with much to spare."""


@dataclass(frozen=True)
class Sizes:
    """The sizes, in bytes, that each kind of blob may have."""

    weights: range
    state: range
    utilities: range
    validation: range

    @classmethod
    def of(cls, terms: Terms) -> Sizes:
        """What these terms allow: a rule remembers at most four models, a table has a line a coalition."""
        return cls(
            weights=terms.weights_sizes,
            state=_up_to(4 * terms.weights_sizes.stop + (1 << 20)),
            utilities=_up_to(MAX_LINE_BYTES * _lines(terms)),
            validation=_up_to(MAX_VALIDATION_BYTES),
        )

    @property
    def any(self) -> range:
        """What a blob of whatever kind may have."""
        return range(max(self.state.stop, self.utilities.stop, self.validation.stop))


def _lines(terms: Terms) -> int:
    """Of a table of utilities: its title, evaluations, and mixed outputs where the rule makes any."""
    first_and_last = 2 * MAX_TRAINERS + 1
    mixed = 0 if terms.scoring.rule in ("gtg", "leave_one_out") else MAX_SURROGATES + first_and_last
    return 1 + terms.scoring.budget + mixed


def _up_to(most: int) -> range:
    return range(most + 1)
