"""Real programs for tests: started, killed at any moment, and started again on the same folder and port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import requests

TOOLS = Path(__file__).parents[2] / ".tools" / "bin"
PATIENCE = 60.0


def tool(name: str) -> Path:
    """A program that `make tools` builds; without it the test is skipped, and fails with `--no-skips`."""
    path = TOOLS / name
    if not path.exists():
        pytest.skip(f"{path} is missing: run `make tools`")
    return path


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def rpc(url: str, method: str, *params: object) -> Any:
    """One JSON-RPC call; what a node says is wrong becomes a RuntimeError."""
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = requests.post(url, json=request, timeout=30).json()
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']}")
    return answer["result"]


class Program(ABC):
    """A program in the background that writes to `folder/NAME.log`; use it as a context manager."""

    def __init__(self, name: str, folder: Path, command: list[str], **environment: str) -> None:
        self.name = name
        self.folder = folder
        self.command = command
        self.environment = os.environ | environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, and wait until it answers."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.environment)
        until = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.name} does not start: {self.said()[-2000:]}")
            time.sleep(0.05)
        return self

    @abstractmethod
    def answers(self) -> bool:
        """Whether it is ready."""

    def said(self) -> str:
        """Its log so far."""
        return (self.folder / f"{self.name}.log").read_text(errors="replace")

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class ChainNode(Program):
    """A program that speaks Ethereum's JSON-RPC at `url`."""

    url: str

    def answers(self) -> bool:
        try:
            return bool(rpc(self.url, "eth_chainId"))
        except (requests.RequestException, RuntimeError, ValueError):
            return False

    def ask(self, method: str, *params: object) -> Any:
        return rpc(self.url, method, *params)


class Anvil(ChainNode):
    """Anvil: a block a transaction, or with `--block-time N` in `options` one every N seconds."""

    def __init__(self, folder: Path, *options: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(
            "anvil",
            folder,
            [str(tool("anvil")), "--port", str(port), "--accounts", "1", "--hardfork", "prague", *options],
        )

    def give(self, *addresses: str) -> None:
        """A thousand coins each, for gas."""
        for address in addresses:
            self.ask("anvil_setBalance", address, hex(10**21))


class Geth(ChainNode):
    """`geth --dev`: a block a transaction, each a second or more after the last, so its clock runs ahead."""

    def __init__(self, folder: Path, *options: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(
            "geth",
            folder,
            [
                *(str(tool("geth")), "--dev", "--datadir", str(folder / "geth"), "--ipcdisable"),
                *("--http", "--http.port", str(port), "--http.api", "eth,net,web3,debug,txpool"),
                *("--port", "0", "--authrpc.port", str(free_port()), "--nodiscover", *options),
            ],
        )

    def give(self, *addresses: str) -> None:
        """A thousand coins each, for gas, from the developer's account."""
        (rich, *_) = self.ask("eth_accounts")
        for address in addresses:
            self.ask("eth_sendTransaction", {"from": rich, "to": address, "value": hex(10**21)})


class ServedChain(ChainNode):
    """`fl chain serve FILE`."""

    def __init__(self, file: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        fl = Path(sys.executable).with_name("fl")
        command = [str(fl), "chain", "serve", str(file), "--port", str(port)]
        super().__init__("chain", file.parent, command)


class Kubo(Program):
    """An offline IPFS node with its repository in `folder/ipfs`; `address` is its API's multiaddr."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.repository = folder / "ipfs"
        self.port = free_port()
        self.address = f"/ip4/127.0.0.1/tcp/{self.port}"
        command = [str(tool("ipfs")), "daemon", "--offline", *options]
        super().__init__("ipfs", folder, command, IPFS_PATH=str(self.repository))

    def start(self) -> Self:
        if not self.repository.exists():
            self.run("init", "--profile=test", "--empty-repo")
            self.run("config", "Addresses.API", self.address)
        return super().start()

    def answers(self) -> bool:
        try:
            return requests.post(f"http://127.0.0.1:{self.port}/api/v0/id", timeout=5).ok
        except requests.RequestException:
            return False

    def run(self, *words: str, stdin: bytes = b"") -> bytes:
        """`ipfs WORDS…`, on the daemon when it runs; its standard output."""
        command = [self.command[0], *words]
        done = subprocess.run(command, input=stdin, env=self.environment, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"ipfs {' '.join(words)}: {done.stderr.decode(errors='replace')}")
        return done.stdout


def eventually(holds: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until something holds; fails when it never does."""
    until = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)
