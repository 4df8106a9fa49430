"""A store on a Kubo node, through its RPC API (https://docs.ipfs.tech/reference/kubo/rpc/).

The node only keeps and moves blocks: they are cut and named here, and checked here when they come back.
"""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, BinaryIO

os.environ.setdefault("PY_IPFS_HTTP_CLIENT_PATCH_REQUESTS", "no")  # a patch that urllib3 warns of

import ipfshttpclient
from ipfshttpclient.exceptions import AddressError, ErrorResponse, ProtocolError
from ipfshttpclient.exceptions import ConnectionError as NoConnection
from ipfshttpclient.exceptions import Error as ClientError
from urllib3.exceptions import HTTPError

from fl.errors import BlobUnavailable, StoreError, StoreUnavailable, UsageError
from fl.store.cid import DAG_PB, Cid
from fl.store.collecting import Collected, Named
from fl.store.layout import Block, blocks
from fl.store.reader import MAX_BLOCK, open_blob

_PIECE = 64 << 10
"""Bytes that are sent or taken at once."""

_AHEAD = 2
"""Blocks that are asked for while one is being used: the node may have to fetch them from another."""

_PAUSE = 0.2
"""Seconds between two tries to reach a node that is being started again."""

_PIN = re.compile(r"fedledger ([0-9]{1,15})")
"""The name of our pins, with the Unix time at which the blob was put last."""


class KuboStore:
    """Blocks on the node whose RPC API listens at `address`, a multiaddr such as `/ip4/127.0.0.1/tcp/5001`.

    `timeout` (seconds) bounds each request; a node on the network would look for a missing block for ever.
    A node that has answered before and is not there now gets as long to come back.
    Raises UsageError for an address that is none; the node is asked only in `put` and `open`.
    """

    def __init__(self, address: str, timeout: float = 30.0) -> None:
        self._address = address
        self._timeout = timeout
        self._met = False
        try:
            # made directly: `connect()` refuses nodes by their version; compressed, a block could be a bomb
            self._client: Any = ipfshttpclient.Client(
                address,
                timeout=timeout,
                headers={"Accept-Encoding": "identity"},
                chunk_size=_PIECE,
                session=True,  # the next block comes over the same connection
            )
        except AddressError as error:
            raise UsageError(
                f"{address!r} is not the address of a Kubo node.", "Write it as /ip4/127.0.0.1/tcp/5001."
            ) from error

    def put(self, stream: BinaryIO) -> Cid:
        """See `BlobStore.put`. The blob is pinned, so that the node's garbage collection spares it."""
        for block in blocks(stream):
            self._put_block(block)
        self._pin(block.cid)
        return block.cid

    def keep(self, cid: Cid) -> None:
        """See `BlobStore.keep`. The node fetches what only others have."""
        self._pin(cid)

    def open(self, cid: Cid, limit: int) -> BinaryIO:
        """See `BlobStore.open`."""
        return open_blob(self._get_block, cid, limit, ahead=_AHEAD)

    def collect(self, named: Named, before: float, remove: bool) -> Collected:
        """See `Collectable.collect`. What is needed is pinned; the node fetches what only others have.

        Letting go is unpinning what `put` pinned; the room is freed by the node's own garbage collection.
        """
        missing = tuple(self._pin_all(named.needed))
        named_here = {str(cid) for cid in named.needed | named.spared}
        pins = self._pins()
        garbage = [cid for cid, time_ in pins.items() if cid not in named_here and time_ < before]
        for cid in garbage if remove else ():
            self._ask_json(f"does not unpin {cid}", partial(self._client.pin.rm, cid), {})
        return Collected(len(pins) - len(garbage), len(garbage), 0, missing)

    # --- pins

    def _pin(self, cid: Cid) -> None:
        name = f"fedledger {int(time.time())}"
        self._ask_json(f"does not pin {cid}", partial(self._client.pin.add, str(cid)), {"name": name})

    def _pin_all(self, cids: Iterable[Cid]) -> Iterator[Cid]:
        """Pin what is not pinned yet; yield what the node does not have, and does not find in time."""
        pinned = self._pinned()
        for cid in cids:
            if str(cid) not in pinned:
                try:
                    self._pin(cid)
                except StoreError:
                    yield cid

    def _pins(self) -> dict[str, int]:
        """What `put` pinned, and the Unix time of it."""
        ours = {cid: _PIN.fullmatch(name) for cid, name in self._pinned().items()}
        return {cid: int(pin[1]) for cid, pin in ours.items() if pin}

    def _pinned(self) -> dict[str, str]:
        """Every CID that is pinned as a whole, and its pin's name."""
        request = partial(self._client.pin.ls, type="recursive")
        found = self._ask_json("does not list its pins", request, {"names": "true"}).get("Keys")
        pins = found.items() if isinstance(found, dict) else ()
        return {cid: str(pin.get("Name")) for cid, pin in pins if isinstance(pin, dict)}

    # --- blocks

    def _put_block(self, block: Block) -> None:
        codec = "dag-pb" if block.cid.codec == DAG_PB else "raw"
        answer = self._ask_json(
            f"does not take block {block.cid}",
            lambda opts: self._client.block.put(io.BytesIO(block.data), opts=opts),
            {"cid-codec": codec, "mhtype": "sha2-256"},
        )
        if answer.get("Key") != str(block.cid):
            raise StoreError(f"The Kubo node at {self._address} stored block {block.cid} as another one.")

    def _get_block(self, cid: Cid) -> bytes:
        """Fetch a block; once more if the node breaks off, as it does when it is killed meanwhile."""
        try:
            return self._receive(cid)
        except HTTPError:
            pass
        try:
            return self._receive(cid)
        except HTTPError as error:
            raise BlobUnavailable(f"Block {cid} breaks off on its way from {self._address}.") from error

    def _receive(self, cid: Cid) -> bytes:
        request = partial(self._client.block.get, str(cid), stream=True)
        with self._ask(f"does not serve block {cid}", request, {}, BlobUnavailable) as answer:
            # the client's own iterator takes whatever comes at once, however much and however slowly
            body, block, until = answer._closables[0].raw, bytearray(), time.monotonic() + self._timeout
            while piece := body.read1(_PIECE):
                block += piece
                if len(block) > MAX_BLOCK or time.monotonic() > until:
                    raise BlobUnavailable(
                        f"Block {cid} is endless, or comes too slowly, from {self._address}."
                    )
        return bytes(block)

    # --- requests

    def _ask_json(
        self, what: str, request: Callable[..., Any], options: Mapping[str, str]
    ) -> dict[str, object]:
        """Make a request whose answer is one object; whoever gives anything else is no node."""
        try:
            answer = self._ask(what, request, options).as_json()
        except AssertionError:  # the client's own, where it finds none or several
            answer = None
        if not isinstance(answer, dict):
            raise StoreUnavailable(
                f"What listens at {self._address} does not answer as a Kubo node does.",
                "Is this the address of its API?",
            )
        return answer

    def _ask(
        self,
        what: str,
        request: Callable[..., Any],
        options: Mapping[str, str],
        failure: type[StoreError] = StoreError,
    ) -> Any:
        """Make a request, for which the node has less time than we do: then it says why it gives up.

        Raises `failure` when the node says no, and StoreUnavailable when it says nothing.
        """
        until = time.monotonic() + self._timeout
        while True:
            try:
                answer = request(opts={**options, "timeout": f"{self._timeout * 0.75}s"})
            except ErrorResponse as error:
                self._met = True
                raise failure(f"The Kubo node at {self._address} {what}: {error}.") from error
            except (ClientError, OSError) as error:  # errors of `requests` come through; they are OSErrors
                may_come_back = self._met and isinstance(error, NoConnection | ProtocolError | OSError)
                if not may_come_back or time.monotonic() > until:
                    raise StoreUnavailable(
                        f"The Kubo node at {self._address} gives no answer.",
                        f"Is the daemon running, and is this its API's address? ({type(error).__name__})",
                    ) from error
                time.sleep(_PAUSE)
            else:
                self._met = True
                return answer
