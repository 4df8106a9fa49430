"""What the store on a Kubo node says when there is no node."""

import socket

import pytest

from fl.errors import BlobUnavailable, StoreError, UsageError
from fl.store.cid import Cid
from fl.store.kubo import KuboStore
from fl.store.port import put_bytes


@pytest.fixture
def nobody() -> KuboStore:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return KuboStore(f"/ip4/127.0.0.1/tcp/{port}", timeout=5)


@pytest.mark.parametrize(
    "address", ["", "localhost:5001", "http://127.0.0.1:5001", "/ip4/127.0.0.1", "/ip4/x/tcp/1"]
)
def test_an_address_that_is_none_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(UsageError, match="not the address of a Kubo node") as caught:
        KuboStore(address)
    assert "/ip4/127.0.0.1/tcp/5001" in caught.value.hint


def test_a_node_that_does_not_answer_serves_nothing(nobody: KuboStore) -> None:
    with pytest.raises(BlobUnavailable, match="no answer") as caught:
        nobody.open(Cid.raw(bytes(32)), limit=1)
    assert "Is the daemon running" in caught.value.hint


def test_a_node_that_does_not_answer_stores_nothing(nobody: KuboStore) -> None:
    with pytest.raises(StoreError, match="no answer"):
        put_bytes(nobody, b"hello")
