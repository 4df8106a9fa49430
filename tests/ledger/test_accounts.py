"""Accounts from a seed, and key files."""

from __future__ import annotations

import pytest

from fl.errors import UsageError
from fl.ledger.accounts import account_from_seed, read_key, write_key

ADA = account_from_seed(b"seed", "ada")


def test_a_seed_and_a_label_always_give_the_same_account():
    assert ADA.address == "0x31B7dF75d3cD0dF5dB636ac85b8A4DE69E8C13f1"
    assert account_from_seed(b"seed", "ada").key == ADA.key


def test_another_seed_or_label_gives_another_account():
    others = {account_from_seed(b"other", "ada").address, account_from_seed(b"seed", "bert").address}
    assert len(others | {ADA.address}) == 3


def test_a_key_file_gives_its_account_back_and_is_for_its_owner_only(tmp_path):
    write_key(tmp_path / "key", ADA)
    assert read_key(tmp_path / "key").address == ADA.address
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_overwritten(tmp_path):
    write_key(tmp_path / "key", ADA)
    with pytest.raises(UsageError, match="exists already"):
        write_key(tmp_path / "key", account_from_seed(b"seed", "bert"))
    assert read_key(tmp_path / "key").address == ADA.address


def test_a_key_that_others_can_read_is_not_used(tmp_path):
    write_key(tmp_path / "key", ADA)
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(UsageError, match="Others can read"):
        read_key(tmp_path / "key")


@pytest.mark.parametrize(
    "text", ["", "hello", "0x1234", "0x" + "00" * 32, "0x" + "ff" * 32, "0x" + "11" * 33]
)
def test_a_file_without_a_key_is_named_without_showing_what_is_in_it(tmp_path, text):
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(UsageError, match="holds no private key") as caught:
        read_key(path)
    assert not text or text not in caught.value.message


def test_a_key_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="missing-key"):
        read_key(tmp_path / "missing-key")
