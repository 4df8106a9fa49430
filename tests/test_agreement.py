"""What chain, terms and announcement agree in: every difference is said, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fl.agreement import announcement_and_opening, settings_and_terms, terms_and_task
from fl.canonical import sha256
from fl.documents import Announcement, Reference, Terms
from fl.ledger.types import Address, Position, RoundOpened, TaskParams
from fl.store.layout import cid_of

BASE = Reference.of(cid_of(b"base"), b"base")
CONTRACT, OTHER = (Address("0x" + digit * 40) for digit in "12")
TRAINING = {"epochs": 1, "learning_rate": "float:0.5", "layers": [8, 4]}


def terms():
    return Terms(
        purpose="Agree.",
        tensors=({"name": "w", "dtype": "F32", "shape": (1,)},),
        model=None,
        data=None,
        code="00" * 32,
        weights=BASE,
        training=TRAINING,
        rule={"name": "FedAvg", "arguments": {}},
        metrics=(),
        scoring={"rule": "equal", "utility": "log_loss", "budget": 1, "validation": None},
        guard="none",
        limits={"element": "float:1.0", "norm": "float:1.0", "examples": 10},
        tolerance=0,
        minimum_gain=0,
        privacy=None,
        recipients=(),
        reward="900",
        quorum=2,
        window=600,
        close_window=400,
        settle_delay=50,
    )


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
    assert list(settings_and_terms(announcement(settings=settings), terms())) == []


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
    (difference,) = settings_and_terms(announcement(settings={name: value}), terms())
    assert difference.endswith(said)


def test_a_long_setting_of_somebody_else_is_said_shortly():
    (difference,) = settings_and_terms(announcement(settings={"text": "x" * 100_000}), terms())
    assert len(difference) < 200
