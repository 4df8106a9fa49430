"""What the store on a Kubo node makes of an address where there is no node, or none that is sound."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fl.errors import BlobDamaged, BlobUnavailable, StoreError, StoreUnavailable, UsageError
from fl.store.cid import Cid
from fl.store.collecting import Named
from fl.store.kubo import KuboStore
from fl.store.layout import cid_of
from fl.store.port import put_bytes, read_bytes
from fl.store.reader import MAX_BLOCK


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


def test_a_node_that_does_not_answer_says_nothing_about_a_blob(nobody: KuboStore) -> None:
    with pytest.raises(StoreUnavailable, match="no answer") as caught:
        nobody.open(Cid.raw(bytes(32)), limit=1)
    assert "Is the daemon running" in caught.value.hint


def test_a_node_that_does_not_answer_stores_nothing(nobody: KuboStore) -> None:
    with pytest.raises(StoreUnavailable, match="no answer"):
        put_bytes(nobody, b"hello")


# Something that answers, and is no sound node

HELLO = cid_of(b"hello")
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

Answer = Callable[[socket.socket], None]


@contextmanager
def impostor(answer: Answer) -> Iterator[KuboStore]:
    """A store on a server that reads a request and then does as it likes with the connection."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = self.headers.get("Content-Length")
            self.rfile.read(int(length)) if length else self._skip_chunks()
            self.close_connection = True
            with suppress(OSError):  # the store has hung up
                answer(self.connection)

        def _skip_chunks(self) -> None:
            while "chunked" in self.headers.get("Transfer-Encoding", "") and (size := self.rfile.readline()):
                self.rfile.read(int(size, 16) + 2)
                if int(size, 16) == 0:
                    return

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield KuboStore(f"/ip4/127.0.0.1/tcp/{server.server_port}", timeout=2)
        server.shutdown()


def says(*pieces: bytes) -> Answer:
    return lambda wire: [wire.sendall(piece) for piece in pieces] and None


def for_ever(piece: bytes, pause: float = 0.0) -> Answer:
    def answer(wire: socket.socket) -> None:
        while True:
            wire.sendall(piece)
            time.sleep(pause)

    return answer


def then(*answers: Answer) -> Answer:
    def answer(wire: socket.socket) -> None:
        for each in answers:
            each(wire)

    return answer


def stalls(wire: socket.socket) -> None:
    time.sleep(10)


def resets(wire: socket.socket) -> None:
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def body(data: bytes, length: int | None = None) -> bytes:
    return OK + b"Content-Length: %d\r\n\r\n" % (len(data) if length is None else length) + data


BAD_BLOCKS = {
    "other bytes": (says(body(b"jello")), BlobDamaged),
    "no bytes": (says(body(b"")), BlobDamaged),
    "truncated where it said how much": (says(body(b"hel", 5)), BlobUnavailable),
    "truncated in a chunk": (says(CHUNKED, b"5\r\nhel"), BlobUnavailable),
    "truncated after a chunk": (says(CHUNKED, b"3\r\nhel\r\n"), BlobUnavailable),
    "reset in the middle": (then(says(CHUNKED, b"3\r\nhel\r\n"), resets), BlobUnavailable),
    "stalled in the middle": (then(says(body(b"hel", 5)), stalls), BlobUnavailable),
    "byte after byte": (then(says(body(b"", 10**6)), for_ever(b"x", 0.05)), BlobUnavailable),
    "endless": (then(says(OK + b"\r\n"), for_ever(b"x" * 65536)), BlobUnavailable),
    "endless, and says so": (then(says(body(b"", 2**60)), for_ever(b"x" * 65536)), BlobUnavailable),
    "one endless chunk": (then(says(CHUNKED, b"fffffffffff\r\n"), for_ever(b"x" * 65536)), BlobUnavailable),
    "no chunk": (says(CHUNKED, b"hello"), BlobUnavailable),
}


@pytest.mark.parametrize(("answer", "expected"), BAD_BLOCKS.values(), ids=BAD_BLOCKS.keys())
def test_a_block_that_comes_wrong_is_not_served(answer: Answer, expected: type[StoreError]) -> None:
    with impostor(answer) as store, pytest.raises(expected, match=str(HELLO)):
        store.open(HELLO, limit=100)


def test_of_an_endless_block_only_the_beginning_is_taken() -> None:
    sent = []

    def endless(wire: socket.socket) -> None:
        wire.sendall(body(b"", 2**60))
        while True:
            sent.append(wire.send(bytes(65536)))

    with impostor(endless) as store, pytest.raises(BlobUnavailable):
        store.open(HELLO, limit=100)
    assert sum(sent) < 32 * MAX_BLOCK, "two blocks, and what the wire holds"


def refusal(data: bytes, status: bytes = b"500 Internal Server Error") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data


NO_NODES = {
    "hangs up": says(b""),
    "resets": resets,
    "stalls": stalls,
    "speaks another protocol": says(b"220 mail.example.com ESMTP\r\n"),
    "another web server": says(refusal(b"<h1>Not Found</h1>", b"404 Not Found")),
    "a proxy without its node": says(refusal(b"", b"502 Bad Gateway")),
}


@pytest.mark.parametrize("answer", NO_NODES.values(), ids=NO_NODES.keys())
def test_what_is_no_node_gives_no_answer_to_judge_a_blob_by(answer: Answer) -> None:
    with impostor(answer) as store:
        with pytest.raises(StoreUnavailable, match="no answer"):
            store.open(HELLO, limit=100)
        with pytest.raises(StoreUnavailable, match="no answer"):
            put_bytes(store, b"hello")


def test_a_node_that_never_answered_is_not_waited_for() -> None:
    asked = []
    with impostor(asked.append) as store, pytest.raises(StoreUnavailable):
        store.open(HELLO, limit=100)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "said",
    [b"", b"{}", b"[]", b"5", b'"text"', b"null", b"{", b"\xff", b'{"Key": 5}', b'{"Key": "bafk"}', b"{}{}"],
)
def test_an_answer_that_makes_no_sense_stores_nothing(said: bytes) -> None:
    with impostor(says(body(said))) as store, pytest.raises((StoreError, StoreUnavailable)):
        put_bytes(store, b"hello")


@pytest.mark.parametrize(
    "said", [b'{"Keys": 5}', b'{"Keys": {"a": 5}}', b'{"Keys": {"a": {"Name": 5}}}', b"{}"]
)
def test_a_list_of_pins_that_makes_no_sense_lists_none(said: bytes) -> None:
    with impostor(says(body(said))) as store:
        assert store.collect(Named(frozenset(), frozenset()), before=0, remove=True).kept == 0


def test_the_reason_of_a_node_is_passed_on() -> None:
    reason = b'{"Message": "write: no space left on device", "Code": 0, "Type": "error"}'
    with impostor(says(refusal(reason))) as store, pytest.raises(StoreError, match="no space left on device"):
        put_bytes(store, b"hello")


def test_a_block_that_breaks_off_once_is_asked_for_again() -> None:
    answers = iter([body(b"hel", 5), body(b"hello")])
    with impostor(lambda wire: wire.sendall(next(answers))) as store:
        assert read_bytes(store, HELLO, limit=5) == b"hello"
