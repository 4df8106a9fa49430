"""When two machines do not get the same bits: what was recorded must be within 1e-6 of what was found."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import numpy as np

from aggregator.record import Record
from aggregator.types import Closed
from aggregator.verifying.findings import Findings, Kind
from fl import weights
from fl.documents import Manifest, Reference
from fl.errors import DocumentError, StoreError, WeightsError
from fl.store.layout import cid_of
from fl.weights import Array

CLOSENESS = 1e-6
"""How far two numbers may be apart: this much, and this part of the one that was found."""


class Closeness:
    """Asks of one field of a manifest whether it is near what was found, for the fields that are `loose`."""

    def __init__(self, record: Record, loose: AbstractSet[str], findings: Findings) -> None:
        self._record = record
        self._loose = loose
        self._findings = findings

    def near(self, manifest: Manifest, found: Closed, name: str) -> bool:
        """Whether a recorded field that differs is as near as its rule allows.

        What is recorded of it and cannot be had is not checked, which is said.
        """
        if name not in self._loose:
            return False
        if name == "metrics":
            return near_numbers(manifest.metrics, found.manifest.metrics)
        reference, ours = getattr(manifest, name), getattr(found, name)
        if reference is None or ours is None:
            return False
        try:
            recorded = self._record.blob(reference, getattr(self._record.sizes, name))
        except (StoreError, DocumentError):  # a mismatch where it is missing
            self._findings.unchecked(Kind.AGGREGATES, f"the aggregate: its {name} cannot be had")
            return True
        return reference == Reference.of(cid_of(recorded), recorded) and near_files(recorded, ours)


def near_numbers(recorded: Mapping[str, float], found: Mapping[str, float]) -> bool:
    """Whether two sets of numbers have the same names and are within `CLOSENESS`."""
    if recorded.keys() != found.keys():
        return False
    gaps = (abs(value - found[name]) - CLOSENESS * abs(found[name]) for name, value in recorded.items())
    return all(gap <= CLOSENESS for gap in gaps)


def near_files(recorded: bytes, found: bytes) -> bool:
    """Whether two files have the same tensors, and elements within `CLOSENESS`.

    A float16 may be one of its own steps away, which is more. Integers and booleans must be equal.
    """
    try:
        if not weights.same_header(found, recorded):
            return False
        names = weights.names(found)
        one, other = weights.decode(recorded, names), weights.decode(found, names)
    except WeightsError:
        return False
    return all(_near(one[name], other[name]) for name in names)


def _near(recorded: Array, found: Array) -> bool:
    if found.dtype.kind != "f":
        return bool(np.array_equal(recorded, found))
    part = max(CLOSENESS, float(np.finfo(found.dtype).eps))
    ours, theirs = found.astype(np.float64), recorded.astype(np.float64)
    return bool((np.abs(theirs - ours) <= CLOSENESS + part * np.abs(ours)).all())  # false for NaN
