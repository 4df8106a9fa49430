"""The presets' app, and the site that a node's configuration opens on a real chain file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, Metadata, RecordDict

from clients import app
from clients.commitment import commitment
from clients.mod import STATE
from clients.node import open_site
from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.code import installed_code
from fl.documents import Column, Data, Model
from fl.errors import UsageError
from fl.examples import encode_examples
from fl.learning.models import initial_weights
from fl.ledger.accounts import account_from_seed, write_key
from fl.ledger.contract import Web3Ledger
from fl.ledger.deploy import deploy
from fl.store.embedded import EmbeddedStore

DATA = Data(
    label="sick",
    classes=("no", "yes"),
    columns=(Column(name="age", kind="number", center="float:50.0", scale="float:10.0"),),
)
MODEL = Model(builder="logistic", settings={})
ROWS = "age,sick\n" + "".join(f"{30 + 2 * i},{'yes' if i > 9 else 'no'}\n" for i in range(20))
SEED = "5a" * 32


@pytest.fixture
def rows(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(ROWS)
    return file


def train(terms, file, round_=1, seed=SEED, **settings):
    """One training by the app itself, as the mod would call it."""
    arrays = initial_weights(MODEL, 1, 2, seed=3)
    record = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    config = ConfigRecord({"server-round": 1, "learning_rate": 0.1, "batch_size": 4, **settings})
    metadata = Metadata(1, "1", 1, 2, "", "", 0.0, 1e12, "train")
    message = Message(RecordDict({"arrays": record, "config": config}), metadata=metadata)
    node_config = {"data": str(file), **({"seed": seed} if seed else {})}
    state = RecordDict({STATE: ConfigRecord({"terms": terms.encode(), "round": round_})})
    return app.train_here(message, Context(1, 2, node_config, state, {})).content


def bits(content):
    return {name: array.numpy().tobytes() for name, array in content["arrays"].items()}


def test_the_app_trains_the_terms_model_on_the_sites_rows(terms_with, rows):
    content = train(terms_with(model=MODEL, data=DATA), rows, epochs=30)
    assert content["metrics"]["num-examples"] == 20
    assert content["metrics"]["accuracy"] > 0.8
    assert list(content["arrays"]) == list(initial_weights(MODEL, 1, 2, seed=3))


def test_the_same_seed_and_round_train_the_same_bits_and_others_do_not(terms_with, rows):
    terms = terms_with(model=MODEL, data=DATA)
    once = bits(train(terms, rows))
    assert bits(train(terms, rows)) == once
    assert bits(train(terms, rows, round_=2)) != once
    assert bits(train(terms, rows, seed="00" * 32)) != once
    assert bits(train(terms, rows, seed=None)) != once


def test_rows_as_examples_and_as_a_csv_file_are_the_same(tmp_path, rows):
    examples = app.read_rows(rows, DATA)
    other = tmp_path / "rows.safetensors"
    other.write_bytes(encode_examples(*examples))
    again = app.read_rows(other, DATA)
    assert np.array_equal(again.x, examples.x)
    assert np.array_equal(again.y, examples.y)


def test_terms_without_a_model_cannot_be_trained(terms_with, rows):
    with pytest.raises(UsageError, match="model"):
        train(terms_with(), rows)


def test_an_unknown_setting_is_refused(terms_with, rows):
    with pytest.raises(UsageError, match="learning_rat"):
        train(terms_with(model=MODEL, data=DATA), rows, learning_rat=3.0)


# --- the node's configuration


@pytest.fixture
def config(tmp_path, rows):
    """A node's configuration over a chain file, a store and a key file."""
    account = account_from_seed(b"node", "ada")
    with EmbeddedNode.create(
        tmp_path / "chain.db",
        chain_id=31337,
        alloc={account.address: 10**20},
        genesis_time=1_700_000_000,
        virtual_time=True,
    ) as node:
        contract = deploy(EmbeddedProvider(node), account).contract
    EmbeddedStore(tmp_path / "store")
    write_key(tmp_path / "ada.key", account)
    examples = app.read_rows(rows, DATA)
    (tmp_path / "rows.safetensors").write_bytes(encode_examples(*examples))
    return {
        "chain": str(tmp_path / "chain.db"),
        "contract": contract,
        "task": 1,
        "store": str(tmp_path / "store"),
        "key": str(tmp_path / "ada.key"),
        "outbox": str(tmp_path / "outbox"),
        "data": str(tmp_path / "rows.safetensors"),
        "code": app.CODE,
    }


def test_a_node_opens_its_own_site(config):
    site = open_site(config)
    assert isinstance(site.ledger, Web3Ledger)
    assert site.account == account_from_seed(b"node", "ada").address
    assert site.code == installed_code("fl.learning", "clients.app")


def test_the_data_commitment_is_salted_with_the_sites_own_salt(config):
    site = open_site(config)
    assert site.data == commitment(Path(config["data"]), site.outbox.salt())
    assert open_site(config).data == site.data


def test_keys_are_fresh_unless_a_seed_is_given(config):
    assert open_site(config).keys(1) != open_site(config).keys(1)
    seeded = {**config, "seed": SEED}
    assert open_site(seeded).keys(1) == open_site(seeded).keys(1)
    assert len({open_site(seeded).keys(round_) for round_ in range(1, 6)}) == 5
    assert len(open_site(seeded).keys(1)) == 32


def test_rows_that_cannot_be_read_are_said(config):
    with pytest.raises(UsageError, match="rows"):
        open_site({**config, "data": config["data"] + ".gone"})
