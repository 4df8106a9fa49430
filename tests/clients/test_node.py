"""A node's configuration, and what it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w

from clients import app
from clients.commitment import commitment
from clients.node import complete, confirmations, derived, open_site, text
from fl.canonical import sha256
from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.code import installed_code
from fl.errors import UsageError
from fl.ledger.accounts import account_from_seed, write_key
from fl.ledger.deploy import deploy
from fl.store.embedded import EmbeddedStore

SEED = "00ff" * 16
WHERE = {"chain": "chain.sqlite", "contract": "0x" + "01" * 20, "task": 3, "store": "/ip4/127.0.0.1/tcp/5001"}


@pytest.fixture
def write(tmp_path):
    """Writes a site's file into a folder of its own, and names it in a node's configuration."""

    def write(**said):
        file = tmp_path / "mine" / "site.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(tomli_w.dumps(said))
        return {"site": str(file)}

    return write


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


def test_confirmations_are_not_negative():
    with pytest.raises(UsageError, match="'confirmations': -1 is not 0 or more"):
        confirmations({"confirmations": -1})


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


# --- the site's file


def test_a_file_says_what_the_nodes_configuration_leaves_out(write):
    config = {**write(**WHERE, evaluate=False), "task": 4, "partition-id": 1}
    found = complete(config)
    assert found["contract"] == WHERE["contract"]
    assert found["evaluate"] is False
    assert (found["task"], found["partition-id"]) == (4, 1)
    assert complete(found) == found


def test_without_a_file_the_nodes_configuration_is_all_there_is():
    assert complete({"partition-id": 1}) == {"partition-id": 1}


def test_relative_paths_in_a_file_are_seen_from_its_folder(write, tmp_path):
    found = complete(write(**WHERE, key="my.key", outbox="../outbox", data="/rows.csv"))
    mine = tmp_path / "mine"
    assert found["chain"] == str(mine / "chain.sqlite")
    assert found["key"] == str(mine / "my.key")
    assert Path(str(found["outbox"])).resolve() == tmp_path / "outbox"
    assert found["data"] == "/rows.csv"
    assert found["store"] == WHERE["store"]


def test_relative_paths_in_the_nodes_configuration_are_seen_from_where_it_runs(write):
    assert complete({**write(**WHERE), "key": "my.key"})["key"] == "my.key"


def test_an_unknown_key_in_the_file_is_refused_by_name(write):
    with pytest.raises(UsageError, match="unknown key 'outbx'") as error:
        complete(write(**WHERE, outbx="outbox"))
    assert "Did you mean 'outbox'?" in error.value.hint


@pytest.mark.parametrize(
    ("key", "value"),
    [("task", "1"), ("task", True), ("chain", 1), ("evaluate", "no"), ("confirmations", 1.0), ("data", [])],
)
def test_a_value_of_another_kind_is_refused_with_its_file_and_key(write, key, value):
    with pytest.raises(UsageError, match=rf"mine/site.toml, '{key}': "):
        complete(write(**{**WHERE, key: value}))


def test_a_file_that_is_not_there_or_no_toml_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        complete({"site": str(tmp_path / "nothing")})
    (tmp_path / "letter").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="is no TOML"):
        complete({"site": str(tmp_path / "letter")})
    with pytest.raises(UsageError, match="'site'"):
        complete({"site": ""})


# --- a site from a file


@pytest.fixture
def place(tmp_path):
    """A chain with a federation, a store, a key and rows: all that a site's file names."""
    account = account_from_seed(b"node", "ada")
    with EmbeddedNode.create(tmp_path / "chain.sqlite", alloc={account.address: 10**20}) as node:
        contract = deploy(EmbeddedProvider(node), account).contract
    EmbeddedStore(tmp_path / "store")
    write_key(tmp_path / "ada.key", account)
    for name in ("rows", "folder/heart_app"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "rows" / "one.csv").write_text("1,2\n")
    (tmp_path / "folder" / "heart_app" / "__init__.py").write_text("")
    return {
        "chain": "../chain.sqlite",
        "contract": contract,
        "task": 1,
        "store": "../store",
        "key": "../ada.key",
        "outbox": "outbox",
        "code": "fl.learning, clients.app",
    }


def test_a_site_opens_with_rows_in_a_folder_or_without_any(write, place, tmp_path):
    site = open_site(write(**place))
    salt = (tmp_path / "mine" / "outbox" / "salt").read_bytes()
    assert site.account == account_from_seed(b"node", "ada").address
    assert site.code == installed_code("fl.learning", "clients.app")
    assert site.data == commitment(None, salt)
    assert open_site(write(**place, data="../rows")).data == commitment(tmp_path / "rows", salt)


def test_weights_that_come_from_an_ipfs_node_stay_in_the_outbox_and_those_of_a_folder_are_there_anyway(
    write, place, tmp_path
):
    assert open_site(write(**place)).kept is None
    kept = open_site(write(**(place | {"store": "/ip4/127.0.0.1/tcp/5001"}))).kept
    kept.put(sha256(b"weights").hex(), b"weights")
    assert (tmp_path / "mine" / "outbox" / "weights" / sha256(b"weights").hex()).exists()


def test_code_of_an_app_that_is_running_needs_no_installation(write, place, tmp_path, monkeypatch):
    config = write(**place | {"code": "heart_app"})
    with pytest.raises(UsageError, match=r"site.toml, 'code': There is no installed code"):
        open_site(config)
    monkeypatch.syspath_prepend(tmp_path / "folder")  # as Flower does with an app's bundle
    assert open_site(config).code == installed_code("heart_app")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("contract", "zebra"),
        ("contract", "0x" + "01" * 20),
        ("chain", "nowhere"),
        ("store", "nowhere"),
        ("key", "nowhere"),
        ("outbox", "/proc/nowhere"),
        ("data", "nowhere"),
        ("code", "nowhere"),
    ],
)
def test_what_a_key_names_is_refused_with_file_and_key(write, place, key, value):
    with pytest.raises(UsageError, match=rf"mine/site.toml, '{key}': "):
        open_site(write(**place | {key: value}))
