"""Which chain and which store: choosing adapters, for composition roots only.

A chain is an http(s) address of a JSON-RPC node or an embedded chain's file; a store is the address of an
IPFS node's API (http(s) or a multiaddr such as /ip4/127.0.0.1/tcp/5001) or an embedded store's folder.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from eth_account.signers.local import LocalAccount
from eth_utils.address import (
    is_address,
    is_checksum_address,
    is_checksum_formatted_address,
    to_checksum_address,
)

from fl.errors import ChainError, UsageError
from fl.files import write_atomically
from fl.ledger.contract import Web3Ledger
from fl.ledger.node import Node, http_provider
from fl.ledger.port import Ledger
from fl.ledger.types import Address
from fl.store.embedded import EmbeddedStore
from fl.store.kubo import KuboStore
from fl.store.port import BlobStore

_FILE = "deployment.json"


@dataclass(frozen=True)
class Deployment:
    """Where one task lives; relative paths are seen from the folder that the deployment was read from."""

    chain: str
    contract: Address
    task: int
    store: str

    def write(self, folder: Path) -> None:
        """Write it into a run's folder; afterwards the folder counts as set up."""
        write_atomically(folder / _FILE, (json.dumps(asdict(self), indent=2) + "\n").encode())

    @staticmethod
    def discard(folder: Path) -> None:
        """Afterwards the folder counts as not set up."""
        (folder / _FILE).unlink(missing_ok=True)

    @classmethod
    def exists(cls, folder: Path) -> bool:
        """Whether the folder was set up."""
        return (folder / _FILE).is_file()

    @classmethod
    def read(cls, folder: Path) -> Deployment:
        """Read a run's folder. Raises UsageError when it is none."""
        try:
            said = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            chain, store = inside(folder, said["chain"]), inside(folder, said["store"])
            return cls(chain, address(said["contract"]), int(said["task"]), store)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{folder} is not the folder of a run: {_FILE} is missing or broken.",
                "Name a folder that `fl run` made, or give --rpc, --contract, --task and --store.",
            ) from error


def deployment(
    folder: Path | None, rpc: str | None, contract: str | None, task: int | None, store: str | None
) -> Deployment:
    """From a run's folder, or from the four options; options win. Raises UsageError for too little."""
    given = {"chain": rpc, "contract": contract and address(contract), "task": task, "store": store}
    known: dict[str, Any] = asdict(Deployment.read(folder)) if folder else {}
    known.update({name: value for name, value in given.items() if value is not None})
    missing = [_OPTIONS[name] for name in given if name not in known]
    if missing:
        raise UsageError(f"Missing: {', '.join(missing)}.", "Or name the folder of a run.")
    return Deployment(**known)


_OPTIONS = {"chain": "--rpc", "contract": "--contract", "task": "--task", "store": "--store"}


@lru_cache(maxsize=1024)  # more than a task has trainers
def open_ledger(
    place: Deployment, account: LocalAccount | None = None, confirmations: int | None = None
) -> Ledger:
    """The deployment's contract, in the name of `account` (None: reading only).

    `confirmations`: as `Web3Ledger` has them. None: 0 where nothing is ever taken back, which is on an
    embedded chain; elsewhere 4 for who acts, and 1 for who reads.
    """
    provider = open_chain(place.chain)
    if confirmations is None:
        confirmations = 0 if Node(provider).takes_nothing_back() else 4 if account else 1
    return Web3Ledger(provider, place.contract, account, confirmations=confirmations)


@cache
def open_chain(chain: str) -> Any:  # a web3 provider: no type of web3 is named here
    """A provider for a node's address or an embedded chain's file. Raises UsageError when it is neither."""
    if "://" in chain:
        return http_provider(chain)
    # py-evm takes a third of a second to import, and a site starts a process for every message
    from fl.chain.node import EmbeddedNode  # noqa: PLC0415 - see above
    from fl.chain.provider import EmbeddedProvider  # noqa: PLC0415 - see above

    try:
        return EmbeddedProvider(EmbeddedNode.open(Path(chain)))
    except ChainError as error:  # somebody named this file
        hint = error.hint if Path(chain).exists() else "Check the path; a node's address begins with http://."
        raise UsageError(error.message, hint) from error


def close_chain(chain: str) -> None:
    """Close an embedded chain's file in this process; who closes it last leaves nothing beside it.

    Ledgers and providers on it are of no use then; whoever opens it again gets new ones.
    """
    open_chain(chain).node.close()
    open_ledger.cache_clear()
    open_chain.cache_clear()


def open_store(store: str) -> BlobStore:
    """A store at an IPFS node's address, or in a folder that is one; raises UsageError for any other."""
    if "://" in store:
        return KuboStore(_multiaddr(store))
    if is_remote(store):
        return KuboStore(store)
    if not (Path(store) / "blocks").is_dir():  # opening an empty folder would make it a store
        raise UsageError(f"There is no store in {store}.", "A store is a folder that holds `blocks`.")
    return _embedded(store)


@cache
def _embedded(folder: str) -> EmbeddedStore:
    """One for the whole process: it remembers what is on the disk."""
    return EmbeddedStore(Path(folder))


def _multiaddr(url: str) -> str:
    """An http(s) address as the IPFS client wants it. Raises UsageError for any other."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        host, port = "", 0
    if not host or parts.path.strip("/") or parts.query or parts.username:
        raise UsageError(f"{url!r} is not the address of an IPFS node.", "Write http://127.0.0.1:5001.")
    kind = "ip6" if ":" in host else "ip4" if host.replace(".", "").isdigit() else "dns"
    return f"/{kind}/{host}/tcp/{port}/{parts.scheme}"


_PORTS = {"http": 80, "https": 443}


@lru_cache(maxsize=1024)  # a site reads its own for every message
def address(text: str) -> Address:
    """An address that somebody typed. Raises UsageError for none, and for one whose capitals do not fit."""
    if not is_address(text):
        raise UsageError(f"{text!r} is not an address.", "An address is 0x and 40 hexadecimal digits.")
    if is_checksum_formatted_address(text) and not is_checksum_address(f"0x{text.removeprefix('0x')}"):
        raise UsageError(f"{text} was not copied well: its capitals do not fit.", "Copy the address again.")
    return Address(to_checksum_address(text))


def inside(folder: Path, place: str) -> str:
    """A relative path, seen from the folder; addresses of nodes and absolute paths stay as they are."""
    return place if is_remote(place) or place.startswith("/") else str(folder / place)


def is_remote(place: str) -> bool:
    """Whether a chain or a store is a node's address, and no path."""
    return "://" in place or place.startswith(_MULTIADDRS)


_MULTIADDRS = ("/ip4/", "/ip6/", "/dns")
