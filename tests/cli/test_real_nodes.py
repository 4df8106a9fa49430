"""The whole way to a task with three sites, typed against real chains and an IPFS node."""

import shutil

import pytest
from nodes import Anvil, Geth, Kubo

from fl.code import installed_code

SITES = ("ada", "bert", "cleo")


@pytest.fixture(params=[Anvil, Geth])
def real(request, desk, tmp_path):
    """Everybody but the stranger has coin on a chain that makes a block for each transaction."""
    with request.param(tmp_path) as node, Kubo(tmp_path) as kubo:
        node.give(*(desk.address(name) for name in ("owner", "aggregator", *SITES)))
        desk.rpc, desk.store = node.url, f"http://127.0.0.1:{kubo.port}"
        yield desk


@pytest.fixture
def app(tmp_path, monkeypatch):
    """A package that is not installed, and its digest."""
    package = tmp_path / "app" / "lung_app"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("EPOCHS = 3\n")
    with monkeypatch.context() as there:
        there.syspath_prepend(package.parent)
        return package.parent, installed_code("lung_app").hex()


@pytest.mark.slow
def test_a_federation_is_deployed_and_a_task_is_created_joined_shown_and_left(real, app, tmp_path):
    folder, code = app
    real.deploy()
    real.admit(*SITES)
    real.done("federation", "mint", "250", *real.at, "--key", real.key("owner"))
    task = real.create("--fund", "250", "--out", "handout", "--code", "lung_app", code=code)
    assert (task["task"], task["pool"]) == (1, 250 * 10**18)

    for name in SITES:
        home = tmp_path / name
        home.mkdir()
        shutil.copy(tmp_path / "handout" / "site.toml", home)
        shutil.copy(real.key(name), home / "site.key")
        assert real.done("site", "terms", home / "site.toml")["code"] == code
        assert real.done("site", "join", home / "site.toml", "--app", folder)["sent"]
        assert (home / "outbox" / "salt").is_file()

    shown = real.done("federation", "show", *real.place)
    assert [one["name"] for one in shown["members"]] == list(SITES)
    (line,) = real.done("rounds", *real.place, "--task", 1)["tasks"]
    assert (line["seats"], line["state"]) == (3, "idle")
    assert real.done("task", "show", *real.place, "--task", 1) == real.terms.model_dump(mode="json")

    real.done("site", "leave", tmp_path / "cleo" / "site.toml")
    status = [real.done("site", "status", tmp_path / name / "site.toml") for name in SITES]
    assert [(one["name"], one["joined"]) for one in status] == [
        ("ada", True),
        ("bert", True),
        ("cleo", False),
    ]
    assert real.fl("verify", *real.place, "--task", 1).code == 0


@pytest.mark.slow
def test_on_a_real_chain_an_account_without_coin_is_told_so(real):
    real.deploy()
    words = ("task", "fund", "0.5", *real.at, "--task", 1, "--key", real.key("stranger"))
    assert "There is no task 1." in real.refused(*words)
    words = ("federation", "deploy", "--rpc", real.rpc, "--key", real.key("stranger"))
    assert "of the chain's own coin" in real.refused(*words, code=1)
