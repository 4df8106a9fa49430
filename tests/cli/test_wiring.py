"""Which chain and which store: what is refused before anything is asked, written or made."""

from pathlib import Path

import pytest

from fl import wiring
from fl.cli import main
from fl.errors import UsageError
from fl.ledger import deploy
from fl.store.embedded import EmbeddedStore
from fl.store.kubo import KuboStore
from fl.wiring import Deployment, open_chain, open_store

ANYWHERE = ("--contract", "0x" + "01" * 20, "--task", "1", "--store", "nowhere")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "rpc",
    ["http://[", "http://", "http://a b", "http://127.0.0.1:99999", "ftp://somewhere", "missing.sqlite", "."],
)
def test_a_chain_that_cannot_be_one_is_a_wrong_argument(
    here: Path, rpc: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--rpc", rpc, *ANYWHERE]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "fault in fedledger" not in error
    assert list(here.iterdir()) == []


def test_a_file_that_is_no_chain_is_a_wrong_argument(here: Path) -> None:
    (here / "letter.txt").write_text("Dear auditor")
    assert main(["verify", "--rpc", "letter.txt", *ANYWHERE]) == 2
    assert [path.name for path in here.iterdir()] == ["letter.txt"]


def test_a_node_that_does_not_answer_is_a_failure_and_no_wrong_argument(here: Path) -> None:
    assert main(["verify", "--rpc", "http://127.0.0.1:1", *ANYWHERE]) == 1


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A chain file with a token and a federation; returns it and the token's address."""
    from fl.chain.node import EmbeddedNode  # noqa: PLC0415 - py-evm is slow to import, and only this needs it
    from fl.ledger.accounts import account_from_seed  # noqa: PLC0415 - as above

    file = tmp_path_factory.mktemp("chain") / "chain.sqlite"
    owner = account_from_seed(b"tests", "owner")
    EmbeddedNode.create(file, alloc={owner.address: 10**24}, virtual_time=True).close()
    return str(file), deploy.deploy(open_chain(str(file)), owner).token


def test_an_address_without_code_and_another_contract_are_wrong_arguments(
    here: Path, chain: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    file, token = chain
    (here / "store" / "blocks").mkdir(parents=True)
    empty = "0x" + "01" * 20
    place = ["--rpc", file, "--task", "1", "--store", "store"]
    assert main(["verify", "--contract", empty, *place]) == 2
    said = capsys.readouterr().err.splitlines()[0]
    assert said == f"error: The embedded chain has no contract at {empty}; its chain's id is 31337."
    assert main(["verify", "--contract", token, *place]) == 2
    assert "no federation" in capsys.readouterr().err


# --- stores


def test_a_folder_that_is_no_store_is_refused_and_nothing_is_made_in_it(here: Path) -> None:
    with pytest.raises(UsageError, match="There is no store in"):
        open_store(str(here))
    with pytest.raises(UsageError, match="There is no store in"):
        open_store(str(here / "missing"))
    assert list(here.iterdir()) == []


def test_a_store_that_was_made_is_opened(here: Path) -> None:
    EmbeddedStore(here / "store")
    assert isinstance(open_store("store"), EmbeddedStore)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:5001", "/ip4/127.0.0.1/tcp/5001/http"),
        ("http://[::1]:5001/", "/ip6/::1/tcp/5001/http"),
        ("https://ipfs.example.org", "/dns/ipfs.example.org/tcp/443/https"),
        ("/ip4/127.0.0.1/tcp/5001", "/ip4/127.0.0.1/tcp/5001"),
    ],
)
def test_an_ipfs_node_may_be_named_by_url(url: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def remember(address: str) -> KuboStore:
        asked.append(address)
        return KuboStore(address)  # refuses what it cannot read

    monkeypatch.setattr(wiring, "KuboStore", remember)
    open_store(url)
    assert asked == [address]


@pytest.mark.parametrize(
    "url", ["http://[", "http://", "ftp://here", "http://a:99999", "http://a/path", "/ip4/x"]
)
def test_an_address_that_no_ipfs_node_has_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="is not the address of"):
        open_store(url)


# --- a run's folder


def test_a_deployment_is_read_as_it_was_written_and_leaves_no_part(here: Path) -> None:
    place = Deployment("http://127.0.0.1:8545", wiring.Address("0x" + "01" * 20), 7, "/store")
    place.write(here)
    assert Deployment.read(here) == place
    assert [path.name for path in here.iterdir()] == ["deployment.json"]
