"""A Flower app in its folder: what is read there, and names that it shares with us."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest
import tiny_app
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

from aggregator.founding.app_folder import AppFolder, load, package
from fl.cli import main
from fl.errors import UsageError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tiny_app.write(tmp_path / "app", "tiny_folder")


def test_apps_and_run_configuration_are_what_flwr_run_would_take(folder):
    app = AppFolder.open(folder, ["rounds=5 save='here'"])
    assert (app.server, app.client) == ("tiny_folder.server_app:app", "tiny_folder.client_app:app")
    assert app.run_config == {"rounds": 5, "step": 0.5, "save": "here"}
    assert isinstance(load(app.server, ServerApp), ServerApp)
    assert package(app.client) == "tiny_folder"


@pytest.mark.parametrize("change", ["unknown=1", "rounds=[", "rounds=1 more.toml"])
def test_a_change_that_flwr_run_would_refuse_is_refused(folder, change):
    with pytest.raises(UsageError):
        AppFolder.open(folder, [change])


def test_a_folder_without_a_flower_app_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be used: Cannot find"):
        AppFolder.open(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(UsageError, match="Missing"):
        AppFolder.open(tmp_path)
    (tmp_path / "pyproject.toml").write_text("no toml")
    with pytest.raises(UsageError):
        AppFolder.open(tmp_path)


@pytest.mark.parametrize("reference", ["nothing.here:app", "json:loads", "json:nothing", "", "json"])
def test_what_is_no_app_is_refused(reference):
    with pytest.raises(UsageError):
        load(reference, ClientApp)


# --- names that we have too


@pytest.mark.parametrize("file", ["clients/__init__.py", "aggregator.py", "fl/__init__.py", "experiments.py"])
def test_an_app_that_hides_a_package_of_ours_is_refused_by_name(folder, file, capsys):
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).touch()
    name = Path(file).parts[0].removesuffix(".py")
    for words in (["simulate"], ["task", "draft", "--store", "store", "--out", str(folder / "terms.json")]):
        assert main([*words, str(folder)]) == 2
        assert f"own '{name}' in {folder} hides fedledger's package" in capsys.readouterr().err


def test_the_same_names_inside_the_apps_own_package_are_no_clash(folder):
    (folder / "tiny_folder" / "clients").mkdir()
    (folder / "tiny_folder" / "clients" / "__init__.py").touch()
    (folder / "tiny_folder" / "aggregator.py").touch()
    AppFolder.open(folder)


def test_folders_without_python_are_a_clash_only_where_python_would_take_them(folder):
    """Python takes them before what an editable installation finds, and after an installed package."""
    (folder / "experiments").mkdir()
    taken = PathFinder.find_spec("experiments", [str(folder), *sys.path])
    if taken and taken.origin:
        AppFolder.open(folder)
    else:
        with pytest.raises(UsageError, match="'experiments'"):
            AppFolder.open(folder)


INSTALLED = f"""
import sys
sys.meta_path = [one for one in sys.meta_path if "editable" not in repr(one)]
sys.path.append({str(ROOT)!r})
import tiny_folder.client_app
"""
"""As Flower imports an app, with its folder first, where fedledger is installed and not this checkout's."""


def test_deployed_such_an_app_fails_with_the_import_error_that_the_guide_names(folder):
    told = "ModuleNotFoundError: No module named 'clients.mod'"
    words = [sys.executable, "-c", INSTALLED]
    assert subprocess.run(words, cwd=folder, capture_output=True, check=False).returncode == 0
    (folder / "clients").mkdir()
    (folder / "clients" / "__init__.py").touch()
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert told in done.stderr
    assert told in (ROOT / "docs" / "flower.md").read_text()
