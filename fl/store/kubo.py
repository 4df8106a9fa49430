"""A store on a Kubo node, through its RPC API (https://docs.ipfs.tech/reference/kubo/rpc/).

The node only keeps and moves blocks: they are cut and named here, and checked here when they come back.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import ipfshttpclient
from ipfshttpclient.exceptions import AddressError, ErrorResponse
from ipfshttpclient.exceptions import Error as ClientError

from fl.errors import BlobUnavailable, StoreError, UsageError
from fl.store.cid import DAG_PB, Cid
from fl.store.layout import Block, blocks
from fl.store.reader import MAX_BLOCK, open_blob


class KuboStore:
    """Blocks on the node whose RPC API listens at `address`, a multiaddr such as `/ip4/127.0.0.1/tcp/5001`.

    `timeout` (seconds) bounds each request; a node on the network would look for a missing block for ever.
    Raises UsageError for an address that is none; the node is asked only in `put` and `open`.
    """

    def __init__(self, address: str, timeout: float = 30.0) -> None:
        self._address = address
        self._timeout = timeout
        try:
            # made directly: `connect()` refuses nodes by their version
            self._client: Any = ipfshttpclient.Client(address, timeout=timeout)
        except AddressError as error:
            raise UsageError(
                f"{address!r} is not the address of a Kubo node.", "Write it as /ip4/127.0.0.1/tcp/5001."
            ) from error

    def put(self, stream: BinaryIO) -> Cid:
        """See `BlobStore.put`. The blob is pinned, so that the node's garbage collection spares it."""
        for block in blocks(stream):
            self._put_block(block)
        with self._asking(StoreError, f"cannot pin {block.cid}"):
            self._client.pin.add(str(block.cid), opts=self._options())
        return block.cid

    def open(self, cid: Cid, limit: int) -> BinaryIO:
        """See `BlobStore.open`."""
        return open_blob(self._get_block, cid, limit)

    def _put_block(self, block: Block) -> None:
        codec = "dag-pb" if block.cid.codec == DAG_PB else "raw"
        options = self._options() | {"cid-codec": codec, "mhtype": "sha2-256"}
        with self._asking(StoreError, f"does not take block {block.cid}"):
            answer = self._client.block.put(io.BytesIO(block.data), opts=options)
        if answer["Key"] != str(block.cid):
            raise StoreError(f"The Kubo node at {self._address} stored {block.cid} as {answer['Key']}.")

    def _get_block(self, cid: Cid) -> bytes:
        deadline = time.monotonic() + self._timeout
        block = bytearray()
        with (
            self._asking(BlobUnavailable, f"does not serve block {cid}"),
            self._client.block.get(str(cid), opts=self._options(), stream=True) as pieces,
        ):
            for piece in pieces:
                block += piece
                if len(block) > MAX_BLOCK or time.monotonic() > deadline:
                    raise BlobUnavailable(
                        f"Block {cid} is endless, or comes too slowly, from {self._address}."
                    )
        return bytes(block)

    def _options(self) -> dict[str, str]:
        """Let the node give up, too."""
        return {"timeout": f"{self._timeout}s"}

    @contextmanager
    def _asking(self, failure: type[StoreError], what: str) -> Iterator[None]:
        try:
            yield
        except ErrorResponse as error:
            raise failure(f"The Kubo node at {self._address} {what}: {error}.") from error
        except (ClientError, OSError) as error:  # errors of `requests` come through; they are OSErrors
            raise failure(
                f"The Kubo node at {self._address} {what}: it gave no answer.",
                f"Is the daemon running, and is this its address? ({error})",
            ) from error
