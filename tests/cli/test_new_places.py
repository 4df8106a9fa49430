"""`fl chain new` and `fl store new`."""

from fl.chain.node import EmbeddedNode
from fl.chain.provider import EmbeddedProvider
from fl.ledger.node import Node
from fl.wiring import open_store


def balance(file, address):
    with EmbeddedNode.open(file) as node:
        return Node(EmbeddedProvider(node)).web3.eth.get_balance(address)


def test_a_new_chain_gives_coin_to_whom_it_is_told_and_follows_this_machines_clock(desk):
    words = ("--give", desk.address("ada"), "--give", desk.address("bert"), "--chain-id", "7")
    assert "chain id 7; accounts with coin for gas: 2" in desk.fl("chain", "new", "new.sqlite", *words).out
    assert balance("new.sqlite", desk.address("bert")) > 10**18
    assert balance("new.sqlite", desk.address("cleo")) == 0
    with EmbeddedNode.open("new.sqlite") as node:
        assert (node.chain_id, node.is_virtual) == (7, False)


def test_a_chain_is_never_replaced_and_addresses_have_to_be_some(desk):
    give = ("--give", desk.address("ada"))
    assert desk.fl("chain", "new", "new.sqlite", *give).code == 0
    assert "exists already" in desk.refused("chain", "new", "new.sqlite", *give)
    assert "'zebra' is not an address" in desk.refused("chain", "new", "other.sqlite", "--give", "zebra")
    assert "--give" in desk.refused("chain", "new", "other.sqlite")
    assert not (desk.folder / "other.sqlite").exists()


def test_a_new_store_can_be_opened(desk):
    assert desk.fl("store", "new", "blobs").out == "Made the store blobs.\n"
    assert open_store("blobs")


def test_a_folder_that_is_in_use_does_not_become_a_store(desk):
    (desk.folder / "mine").mkdir()
    (desk.folder / "mine" / "letter").write_text("Dear store")
    assert "mine is in use" in desk.refused("store", "new", "mine")
    assert "mine/letter is in use" in desk.refused("store", "new", "mine/letter")
    assert [path.name for path in (desk.folder / "mine").iterdir()] == ["letter"]
