"""What tests do to the blocks of a real IPFS node behind the back of the store."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import requests
from nodes import Kubo

from fl.store.cid import DAG_PB, Cid


def ask(node: Kubo, command: str, data: bytes | None = None, **arguments: str) -> requests.Response:
    """One request to the node's API; what it refuses becomes an HTTPError."""
    answer = requests.post(
        f"http://127.0.0.1:{node.port}/api/v0/{command}",
        params=arguments,
        files=None if data is None else {"file": data},
        timeout=60,
    )
    answer.raise_for_status()
    return answer


def plant(node: Kubo, cid: Cid, data: bytes) -> None:
    """Put a block on the node: through its API, or straight into its files where the hash is wrong."""
    if hashlib.sha256(data).digest() == cid.digest:
        codec = "dag-pb" if cid.codec == DAG_PB else "raw"
        ask(node, "block/put", data, **{"cid-codec": codec, "allow-big-block": "true"})
    else:
        block_file(node, cid).write_bytes(data)


def block_file(node: Kubo, cid: Cid) -> Path:
    """Where the node keeps a block."""
    key = base64.b32encode(b"\x12\x20" + cid.digest).decode().rstrip("=")
    return node.repository / "blocks" / key[-3:-1] / f"{key}.data"


def pins(node: Kubo) -> set[str]:
    """CIDs of everything that is pinned."""
    return set(ask(node, "pin/ls", type="recursive").json().get("Keys", {}))


def collect_garbage(node: Kubo) -> None:
    """What the owner of a node does when its disk is full."""
    ask(node, "repo/gc")


def empty(node: Kubo) -> None:
    """Take every block off the node."""
    for cid in pins(node):
        ask(node, "pin/rm", arg=cid)
    collect_garbage(node)
