"""The wheel, not the checkout: built, installed into an empty environment, used from an empty folder."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("fl", "aggregator", "clients", "experiments")

pytestmark = pytest.mark.slow(minutes=0.3)


def run(*words: str | Path, folder: Path) -> str:
    """Run a command in `folder`; what it printed is part of a failure."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        words, cwd=folder, env=clean, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has the wheel and, from here, its dependencies.

    They are several gigabytes, so they are borrowed through a .pth file instead of being installed again;
    this checkout's own editable installation is not, since .pth files that are found that way are not read.
    That pyproject.toml names them all is seen wherever `make` installs the project.
    """
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, folder=folder)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel, folder=folder)
    packages = sysconfig.get_path("purelib", vars={"base": str(folder / "venv")})
    Path(packages, "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "venv/bin"


def test_the_packages_come_from_the_wheel_with_everything_they_need(scripts: Path, tmp_path: Path) -> None:
    words = (
        f"import sys, {', '.join(PACKAGES)}; print(*(sys.modules[n].__file__ for n in {PACKAGES}), sep='\\n')"
    )
    paths = run(scripts / "python", "-c", words, folder=tmp_path).splitlines()
    assert all(Path(path).is_relative_to(scripts.parent) for path in paths)
    for package in paths:
        assert Path(package).with_name("py.typed").is_file()


def test_neither_tests_nor_contracts_are_in_the_wheel(scripts: Path, tmp_path: Path) -> None:
    words = "import importlib.util as u; print(u.find_spec('tests'), u.find_spec('contracts'))"
    assert run(scripts / "python", "-c", words, folder=tmp_path) == "None None\n"


def test_a_run_from_the_wheel_is_verified(scripts: Path, tmp_path: Path) -> None:
    shown = run(scripts / "fl", "run", "hospitals", "--rounds", "1", "--out", "run", folder=tmp_path)
    assert "fl verify  run" in shown
    run(scripts / "fl", "verify", "run", folder=tmp_path)
    run(scripts / "fl", "rewards", "run", folder=tmp_path)
    run(scripts / "fl", "rounds", "run", folder=tmp_path)
