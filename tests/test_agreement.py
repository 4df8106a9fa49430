"""What chain, terms and announcement agree in: every difference is said, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from agreed import terms_of
from hypothesis import given
from hypothesis import strategies as st

from fl.agreement import (
    announcement_and_opening,
    invitation_and_quorum,
    settings_and_terms,
    terms_and_task,
)
from fl.canonical import encode_settings, sha256
from fl.documents import Announcement, Reference
from fl.ledger.types import Address, Position, RoundOpened, TaskParams
from fl.store.layout import cid_of

BASE = Reference.of(cid_of(b"base"), b"base")
CONTRACT, OTHER = (Address("0x" + digit * 40) for digit in "12")
TRAINING = {"epochs": 1, "learning_rate": "float:0.5", "layers": [8, 4]}


def terms(**changes):
    return terms_of({"w": np.zeros(1, np.float32)}, weights=BASE, training=TRAINING, **changes)


PARAMS = TaskParams(terms().id, sha256(b"base"), OTHER, OTHER, 900, 2, 600, 400, 50)
OPENED = RoundOpened(Position(1, 0, 0, b""), 3, 7, sha256(b"base"), b"", 0, 2)


def announcement(**changes):
    usual = {"chain_id": 1, "contract": CONTRACT, "task": 3, "round": 7, "base": BASE, "invited": None}
    return Announcement(**(usual | {"settings": {}} | changes))


def test_a_task_as_its_terms_say_has_no_difference():
    assert list(terms_and_task(terms(), PARAMS)) == []


@pytest.mark.parametrize(
    ("name", "other", "said"),
    [
        ("terms", sha256(b"x"), "digest"),
        ("weights", sha256(b"x"), "weights"),
        ("reward", 901, "the terms say reward 900, the contract holds 901"),
        ("quorum", 3, "the terms say quorum 2, the contract holds 3"),
        ("window", 1, "the terms say window 600, the contract holds 1"),
        ("close_window", 1, "the terms say close window 400, the contract holds 1"),
        ("settle_delay", 0, "the terms say settle delay 50, the contract holds 0"),
    ],
)
def test_each_number_of_a_task_is_compared(name, other, said):
    (difference,) = terms_and_task(terms(), replace(PARAMS, **{name: other}))
    assert said in difference


def test_every_difference_is_said():
    params = replace(PARAMS, reward=1, quorum=1, window=1)
    assert len(list(terms_and_task(terms(), params))) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"chain_id": 2},
        {"contract": OTHER},
        {"task": 4},
        {"round": 8},
        {"base": Reference.of(cid_of(b"x"), b"x")},
    ],
)
def test_an_announcement_is_of_the_round_that_it_opened(changes):
    assert list(announcement_and_opening(announcement(), OPENED, 1, CONTRACT)) == []
    (difference,) = announcement_and_opening(announcement(**changes), OPENED, 1, CONTRACT)
    assert next(iter(changes)).removesuffix("_id") in difference


@pytest.mark.parametrize("settings", [{}, {"server-round": 1}, TRAINING, {**TRAINING, "server-round": 2**40}])
def test_a_round_may_repeat_settings_and_say_its_number(settings):
    assert list(settings_and_terms(settings, terms())) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epochs", 2, "the announcement sets epochs to 2, the terms say 1"),
        ("epochs", True, "the terms say 1"),
        ("epochs", "float:1.0", "the terms say 1"),
        ("layers", [4, 8], "the terms say [8, 4]"),
        ("batch_size", 1, "the terms do not name it"),
        ("server-round", 0, "no round's number"),
        ("server-round", True, "no round's number"),
        ("server-round", "float:1.0", "no round's number"),
    ],
)
def test_any_other_setting_is_a_difference(name, value, said):
    (difference,) = settings_and_terms({name: value}, terms())
    assert difference.endswith(said)


# --- settings that a round may choose

BOUNDED = {"name": "epochs", "low": "float:1.0", "high": "float:5.5"}
ADJUSTABLE = (
    BOUNDED,
    {"name": "rate", "high": "float:0.1"},
    {"name": "seed", "low": "float:1.0"},
    {"name": "any"},
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 1),
        ("epochs", 5),
        ("epochs", "float:1.0"),
        ("epochs", "float:5.5"),
        ("rate", "float:0.1"),
        ("rate", "float:-1e+300"),
        ("rate", -(2**53) + 1),
        ("seed", 2**53 - 1),
        ("any", "text"),
        ("any", True),
        ("any", [1, "float:0.5", "text", False]),
        ("any", []),
        ("layers", [8, 4]),
    ],
)
def test_an_adjustable_setting_may_be_anything_within_its_bounds(name, value):
    assert list(settings_and_terms({name: value}, terms(adjustable=ADJUSTABLE))) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epochs", 0, "the terms want a number from 1.0 to 5.5"),
        ("epochs", 6, "the terms want a number from 1.0 to 5.5"),
        ("epochs", "float:5.500000000000001", "the terms want a number from 1.0 to 5.5"),
        ("epochs", True, "the terms want a number from 1.0 to 5.5"),
        ("epochs", "3", "the terms want a number from 1.0 to 5.5"),
        ("epochs", [3], "the terms want a number from 1.0 to 5.5"),
        ("rate", "float:0.10000000000000002", "the terms want a number from -inf to 0.1"),
        ("rate", False, "the terms want a number from -inf to 0.1"),
        ("seed", 0, "the terms want a number from 1.0 to inf"),
        ("layers", [4, 8], "the terms say [8, 4]"),
        ("other", 1, "the terms do not name it"),
    ],
)
def test_what_is_out_of_bounds_no_number_or_not_listed_is_a_difference(name, value, said):
    (difference,) = settings_and_terms({name: value}, terms(adjustable=ADJUSTABLE))
    assert difference.endswith(said)


def test_a_setting_that_repeats_the_terms_is_right_even_out_of_bounds():
    elsewhere = {"name": "epochs", "low": "float:7.0"}
    assert list(settings_and_terms({"epochs": 1}, terms(adjustable=(elsewhere,)))) == []


@given(st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_right_exactly_when_it_lies_within_the_bounds(number):
    adjustable = {"name": "x", "low": "float:-2.5", "high": "float:1e+16"}
    differences = settings_and_terms(encode_settings({"x": number}), terms(adjustable=(adjustable,)))
    assert (list(differences) == []) == (-2.5 <= number <= 1e16)


# --- whom a round asks


@pytest.mark.parametrize(("invited", "right"), [(None, True), (0, False), (1, False), (2, True), (3, True)])
def test_a_round_that_asks_fewer_than_it_needs_is_a_difference(invited, right):
    names = ["0x" + digit * 40 for digit in "123"]
    asked = {} if invited is None else {"invited": tuple(names[:invited]), "drawn_at": 1}
    assert (list(invitation_and_quorum(announcement(**asked), 2)) == []) == right


def test_who_is_named_twice_counts_once():
    twice = announcement(invited=(OTHER, OTHER), drawn_at=1)
    assert list(invitation_and_quorum(twice, 2))


def test_a_long_setting_of_somebody_else_is_said_shortly():
    (difference,) = settings_and_terms({"text": "x" * 100_000}, terms())
    assert len(difference) < 200
