"""The digest of the code that trains."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

import fl.learning
from fl.code import code_digest, installed_code
from fl.errors import UsageError

FILES = {"b/two.py": b"2", "a.py": b"1"}


def test_the_digest_is_that_of_what_sha256sum_prints_sorted_by_path():
    lines = "".join(f"{hashlib.sha256(FILES[p]).hexdigest()}  {p}\n" for p in ("a.py", "b/two.py"))
    assert code_digest(FILES) == hashlib.sha256(lines.encode()).digest()


def test_the_order_of_files_does_not_matter_but_names_and_bytes_do():
    assert code_digest(dict(reversed(FILES.items()))) == code_digest(FILES)
    assert code_digest({**FILES, "a.py": b"3"}) != code_digest(FILES)
    assert code_digest({"c.py": b"1", "b/two.py": b"2"}) != code_digest(FILES)
    assert code_digest({"a.py": b"1"}) != code_digest(FILES)


def test_a_package_has_all_its_files_and_a_module_its_own():
    root = Path(fl.learning.__file__).parents[2]
    paths = [*(root / "fl/learning").rglob("*.py"), root / "fl/money.py"]
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    assert installed_code("fl.learning", "fl.money") == code_digest(files)


def test_a_file_named_twice_counts_once():
    assert installed_code("fl.money", "fl.money") == installed_code("fl.money")


def test_modules_are_not_run_to_be_digested(tmp_path):
    (tmp_path / "loud.py").write_text("raise SystemExit('I ran')\n")
    script = "from fl.code import installed_code; print(installed_code('loud').hex())"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": f"{tmp_path}:{Path(fl.learning.__file__).parents[2]}"},
        capture_output=True,
        check=True,
    )
    assert len(ran.stdout.strip()) == 64


def test_tests_do_not_count_because_flowers_bundles_leave_them_out(tmp_path, monkeypatch):
    package = tmp_path / "some_app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    before = installed_code("some_app")
    for name in ("test_task.py", "task_test.py"):
        (package / name).write_text("assert True\n")
        assert installed_code("some_app") == before
    (package / "contest.py").write_text("")
    assert installed_code("some_app") != before


@pytest.mark.parametrize("name", ["no_such_module", "fl.no_such", "no_such.module", "sys", ""])
def test_code_that_is_not_installed_as_files_is_refused(name):
    with pytest.raises(UsageError):
        installed_code(name)


def test_no_files_have_no_digest():
    with pytest.raises(UsageError):
        code_digest({})
    with pytest.raises(UsageError):
        code_digest({"a\nb": b""})
