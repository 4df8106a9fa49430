"""A node's configuration, and what it cannot be."""

from __future__ import annotations

import pytest

from clients import app
from clients.node import derived, open_site, text
from fl.code import installed_code
from fl.errors import UsageError
from fl.ledger.accounts import account_from_seed, write_key

SEED = "00ff" * 16


def test_a_missing_text_is_named():
    with pytest.raises(UsageError, match="'chain'"):
        open_site({"task": 1})
    with pytest.raises(UsageError, match="'outbox'"):
        text({"outbox": 3}, "outbox")


def test_a_task_has_to_be_a_number_from_1():
    for task in (0, "1", True, None):
        with pytest.raises(UsageError, match="task"):
            open_site({"chain": "a", "contract": "b", "store": "c", "task": task})


@pytest.mark.parametrize("value", ["4", 4.0, True])
def test_confirmations_have_to_be_a_whole_number(tmp_path, value):
    key = tmp_path / "key"
    write_key(key, account_from_seed(b"node", "ada"))
    places = dict.fromkeys(("chain", "contract", "store", "data", "code"), "somewhere")
    with pytest.raises(UsageError, match="confirmations"):
        open_site({**places, "task": 1, "key": str(key), "outbox": str(tmp_path), "confirmations": value})


def test_secrets_from_a_seed_differ_by_label_and_repeat():
    assert derived({"seed": SEED}, "salt") == derived({"seed": SEED}, "salt")
    assert derived({"seed": SEED}, "salt") != derived({"seed": SEED}, "key of 1, 1")
    assert derived({"seed": SEED[2:] + "11"}, "salt") != derived({"seed": SEED}, "salt")
    assert derived({}, "salt") is None


def test_a_seed_is_hexadecimal():
    with pytest.raises(UsageError, match="hexadecimal"):
        derived({"seed": "seed"}, "salt")


def test_the_code_of_the_preset_app_is_installed():
    assert len(installed_code(*app.CODE.split(","))) == 32
