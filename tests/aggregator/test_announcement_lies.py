"""What is made up before a round: every field of its announcement, and every number of a task's terms.

Announcements that invite only some are in test_sampling_lies.py.
"""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from audits import AB, ELSEWHERE, NOWHERE, audit, cases, named, wrong_in_round_2

from fl.canonical import dump, load, sha256
from fl.documents import Announcement, Terms
from fl.ledger.types import TaskParams
from fl.store.port import put_bytes

# --- the announcement

ANNOUNCEMENT = {
    "chain_id": [(1, "announcement: the announcement says chain 1")],
    "contract": [(ELSEWHERE, f"announcement: the announcement says contract {ELSEWHERE}")],
    "task": [(9, "announcement: the announcement says task 9")],
    "round": [(1, "announcement: the announcement says round 1")],
    "base": [
        (NOWHERE, f"announcement: the announcement says base {AB}"),
        (lambda base: base.model_copy(update={"cid": NOWHERE.cid}), f"announced a base {NOWHERE.cid}"),
        (lambda base: base.model_copy(update={"size": 7}), "of 7 bytes"),
    ],
    "settings": [
        ({"epochs": 2}, "announcement: the announcement sets epochs to 2, the terms do not name it")
    ],
    "invited": [((ELSEWHERE,), "announcement: This is not a valid announcement")],
    "drawn_at": [(1, "announcement: This is not a valid announcement")],
}


def test_there_is_a_lie_for_every_field_of_an_announcement():
    assert ANNOUNCEMENT.keys() | {"type", "version"} == set(Announcement.model_fields)


def open_with(federation, data):
    base = federation.ledger().task(federation.task).weights
    federation.ledger(federation.operator).open_round(federation.task, 2, base, sha256(data))
    put_bytes(federation.store, data)
    federation.wait(federation.now() + federation.terms.window + 1, lambda: False)
    federation.ledger(federation.operator).fail_round(federation.task, 2, b"lied".ljust(32, b"\0"))
    federation.play()


def announcement_of_round_2(federation):
    record = federation.record()
    changes = {"round": 2, "base": record.heritage().weights}
    return record.announcement(record.round(1)).model_copy(update=changes)


@cases(ANNOUNCEMENT)
def test_a_field_of_the_announcement_that_was_made_up_is_named(federation, field, value, words):
    federation.play()
    right = announcement_of_round_2(federation)
    made_up = value(getattr(right, field)) if callable(value) else value
    open_with(federation, right.model_copy(update={field: made_up}).encode())
    assert named(wrong_in_round_2(federation), words)


@pytest.mark.parametrize(("field", "value"), [("type", "terms"), ("version", 2)])
def test_an_announcement_of_another_type_or_version_is_none(federation, field, value):
    federation.play()
    open_with(federation, dump(load(announcement_of_round_2(federation).encode()) | {field: value}))
    assert named(wrong_in_round_2(federation), "announcement: This is not a valid announcement", field)


# --- the terms: their owner writes other numbers than it gives the contract

AGREED = {
    "terms": "digest",
    "weights": "weights",
    "reward": "reward",
    "quorum": "quorum",
    "window": "window",
    "close_window": "close window",
    "settle_delay": "settle delay",
}
"""Parameter of the task → what its difference is called."""

FREE = {"aggregator", "sponsor"}
"""Parameters that terms do not name."""


def test_everything_that_a_task_is_created_with_is_agreed_upon_or_free():
    assert AGREED.keys() | FREE == {field.name for field in fields(TaskParams)}
    assert AGREED.keys() - {"terms"} <= set(Terms.model_fields)


@pytest.mark.parametrize("field", sorted(AGREED.keys() - {"terms"}))
def test_a_number_that_the_contract_was_not_given_is_named(found, field):
    federation = found()
    right = getattr(federation.terms, field)
    made_up = NOWHERE if field == "weights" else "7" if field == "reward" else right + 1
    federation.terms = federation.terms.model_copy(update={field: made_up})
    put_bytes(federation.store, federation.terms.encode())
    create = federation.chain.tasks.create_task
    truth = bytes.fromhex(right.sha256) if field == "weights" else int(right)
    federation.chain.tasks.create_task = lambda sender, params: create(
        sender, replace(params, **{field: truth})
    )
    federation.task = federation.create_task()
    found = audit(federation)
    assert found.code == 1
    assert (None, "terms") in found.where()
    assert named(found.texts(), f"the terms say {AGREED[field]} ")
