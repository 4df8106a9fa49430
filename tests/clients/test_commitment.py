"""What binds a site to its rows."""

import hashlib

import pytest

from clients.commitment import commitment
from fl.errors import UsageError

SALT = bytes(range(32))


@pytest.fixture
def rows(tmp_path):
    folder = tmp_path / "rows"
    (folder / "images").mkdir(parents=True)
    (folder / "labels.csv").write_bytes(b"a,1\n")
    (folder / "images" / "1.png").write_bytes(b"pixels")
    return folder


def test_of_a_file_it_is_over_salt_and_bytes(rows):
    expected = hashlib.sha256(SALT + b"a,1\n").digest()
    assert commitment(rows / "labels.csv", SALT) == expected


def test_of_nothing_it_is_over_the_salt_alone():
    assert commitment(None, SALT) == hashlib.sha256(SALT).digest()


def test_of_a_folder_it_is_over_what_sha256sum_prints_of_its_files_in_order(rows):
    named = {"images/1.png": b"pixels", "labels.csv": b"a,1\n"}
    lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in named.items())
    assert commitment(rows, SALT) == hashlib.sha256(SALT + lines.encode()).digest()


def test_another_byte_or_name_in_a_folder_is_another_commitment(rows):
    before = commitment(rows, SALT)
    (rows / "images" / "1.png").rename(rows / "images" / "2.png")
    renamed = commitment(rows, SALT)
    (rows / "labels.csv").write_bytes(b"a,2\n")
    assert len({before, renamed, commitment(rows, SALT)}) == 3


def test_a_file_whose_name_is_no_text_counts_too(rows):
    before = commitment(rows, SALT)
    (rows / "caf\udce9.csv").write_bytes(b"b,1\n")
    assert commitment(rows, SALT) != before


def test_rows_that_are_not_there_and_a_folder_without_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        commitment(tmp_path / "nothing", SALT)
    with pytest.raises(UsageError, match="at least one"):
        commitment(tmp_path, SALT)


def test_a_salt_of_another_size_is_refused(rows):
    with pytest.raises(UsageError, match="32 bytes"):
        commitment(rows, SALT[:31])
