"""Data that terms would not allow: said before anybody trains on it."""

import pytest

from experiments.loading import load
from experiments.parts import divide
from fl.errors import UsageError


def test_a_site_with_more_rows_than_an_update_may_claim_is_refused():
    with pytest.raises(UsageError, match=r"has 314 rows, and limits\.examples allows 100") as refusal:
        divide(load(overrides=["trainers=1", "windows.quorum=1", "limits.examples=100"]))
    assert "--set limits.examples=314" in refusal.value.hint


def test_more_rows_to_score_on_than_anybody_would_read_are_refused(monkeypatch):
    monkeypatch.setattr("experiments.parts.MAX_VALIDATION_BYTES", 10_000)
    with pytest.raises(UsageError, match="rows to score on"):
        divide(load())
