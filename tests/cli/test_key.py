"""`fl key`."""

import stat

from eth_account import Account


def test_a_new_key_is_in_a_private_file_and_its_address_is_printed(desk):
    address = desk.done("key", "new", "mine.key")["address"]
    file = desk.folder / "mine.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Account.from_key(file.read_text().strip()).address == address
    assert desk.fl("key", "show", "mine.key").out == f"{address}\n"


def test_two_new_keys_are_two_keys(desk):
    assert desk.fl("key", "new", "one.key").out != desk.fl("key", "new", "two.key").out


def test_a_key_is_never_overwritten(desk):
    before = desk.key("ada").read_bytes()
    assert "exists already" in desk.refused("key", "new", desk.key("ada"))
    assert desk.key("ada").read_bytes() == before


def test_a_file_that_cannot_be_written_gets_a_sentence(desk):
    assert "no/such.key cannot be written: No such file" in desk.refused("key", "new", "no/such.key")


def test_what_is_no_key_file_gets_a_sentence(desk):
    (desk.folder / "letter").write_text("Dear owner")
    assert "Others can read" in desk.refused("key", "show", "letter")
    (desk.folder / "letter").chmod(0o600)
    assert "letter holds no private key" in desk.refused("key", "show", "letter")
    assert "cannot be read" in desk.refused("key", "show", "nothing")
    assert "Missing argument" in desk.refused("key", "show")
