"""A deployed federation for tests: a real SuperLink, real SuperNodes, and `flwr run`, all on this machine.

Flower starts a process for each message, some in sessions of their own, and none of them ends with the
program that was killed. So everything that is started here has a mark in its environment, and is found by it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from nodes import PATIENCE, Program, eventually, free_port

BIN = Path(sys.executable).parent
CONNECTION = "here"
MARK = "FEDLEDGER_FEDERATION"

NodeConfig = Mapping[str, bool | float | int | str]


def environment(folder: Path, name: str) -> dict[str, str]:
    """Offline and quiet, with a FLWR_HOME of its own, and marked as part of the federation in `folder`."""
    return {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",  # Flower starts its own commands by name
        "FLWR_HOME": str(folder / f"{name}.flwr"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.5",  # oftener, asking alone keeps a core busy
        "PYTHONUNBUFFERED": "1",
        MARK: str(folder),
    }


def toml(values: NodeConfig) -> str:
    """Settings as Flower's `--node-config` and `--run-config` read them."""
    return " ".join(f"{name}={json.dumps(value)}" for name, value in values.items())


class SuperLink(Program):
    """`flower-superlink` with its database in `folder`; killed and started again, it keeps its port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        super().__init__(
            "superlink",
            folder,
            [
                *(str(BIN / "flower-superlink"), "--insecure", "--disable-runtime-dependency-installation"),
                *("--host", "127.0.0.1", "--port", str(self.port)),
                *("--database", str(folder / "superlink.sqlite")),
            ],
            **environment(folder, "superlink"),
        )

    def answers(self) -> bool:
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0


class SuperNode(Program):
    """`flower-supernode` of the SuperLink at `port`; `config` is its node configuration.

    It makes itself a new key: started again, it is a new node, and no old one that has to wait to come back.
    """

    def __init__(self, folder: Path, name: str, port: int, config: NodeConfig) -> None:
        super().__init__(
            name,
            folder,
            [
                *(str(BIN / "flower-supernode"), "--insecure", "--superlink", f"127.0.0.1:{port}"),
                *("--host", "127.0.0.1", "--port", str(free_port()), "--node-config", toml(config)),
            ],
            **environment(folder, name),
        )

    def answers(self) -> bool:
        return "SuperNode ID" in self.said()

    def kill(self) -> None:
        """kill -9 of the node and of whatever runs an app for it, as when its machine goes down."""
        home = self.environment["FLWR_HOME"]
        _kill([one for one in marked(self.folder) if _value(one, "FLWR_HOME") == home])
        super().kill()


class Federation:
    """A SuperLink and the commands of who uses it; use it as a context manager.

    Leaving it ends every process that it or one of its nodes has started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.link = SuperLink(folder)
        self.nodes: dict[str, SuperNode] = {}
        self._starts = count(1)
        self.environment = os.environ | environment(folder, "user")
        home = Path(self.environment["FLWR_HOME"])
        home.mkdir()
        (home / "config.toml").write_text(
            f'[superlink]\ndefault = "{CONNECTION}"\n\n'
            f'[superlink.{CONNECTION}]\naddress = "127.0.0.1:{self.link.port}"\ninsecure = true\n'
        )

    def __enter__(self) -> Self:
        self.link.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while left := marked(self.folder):
            _kill(left)

    def join(self, configs: Mapping[str, NodeConfig], ports: Mapping[str, int] | None = None) -> None:
        """Start a SuperNode for each name, all at once; one that has the name already is killed.

        `ports` says where a node finds the SuperLink, if there is something in between.
        """
        ports = ports or {}
        for name, config in configs.items():
            if name in self.nodes:
                self.nodes[name].kill()
            number = next(self._starts)
            port = ports.get(name, self.link.port)
            self.nodes[name] = SuperNode(self.folder, f"{name}-{number}", port, config)
        with ThreadPoolExecutor() as starting:
            list(starting.map(lambda name: self.nodes[name].start(), configs))

    def begin(self, app: Path, **settings: bool | float | str) -> Run:
        """`flwr run`, in the background."""
        changes = {name.replace("_", "-"): value for name, value in settings.items()}
        return Run(self, app, changes)

    def flwr(self, *words: str) -> str:
        """`flwr WORDS…`; its standard output."""
        done = subprocess.run([BIN / "flwr", *words], env=self.environment, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"flwr {' '.join(words)}: {(done.stdout + done.stderr).decode()}")
        return done.stdout.decode()

    def kill(self, command: str) -> None:
        """kill -9 of whatever runs `command`, such as flwr-serverapp."""
        found = [one for one in marked(self.folder) if _runs(one, command)]
        assert found, f"nothing runs {command}"
        _kill(found)


class Run:
    """One `flwr run APP` that streams its log to a file; `number` is the run's id."""

    def __init__(self, federation: Federation, app: Path, settings: NodeConfig) -> None:
        self.federation = federation
        self.log = federation.folder / f"run-{time.monotonic_ns()}.log"
        command = [str(BIN / "flwr"), "run", str(app), CONNECTION, "--stream", "-c", toml(settings)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=federation.environment, stdout=log, stderr=subprocess.STDOUT
            )
        eventually(lambda: self._number() is not None or self.process.poll() is not None)
        number = self._number()
        assert number, self.said()
        self.number = number

    def _number(self) -> str | None:
        found = re.search(r"started run (\d+)", self.said())
        return found and found[1]

    def said(self) -> str:
        """What the run's server has logged so far."""
        return self.log.read_text(errors="replace")

    def end(self, patience: float = 5 * PATIENCE) -> str:
        """Wait for the end of the run, and say how it ended, such as finished:completed."""
        self.process.wait(patience)
        return self.status()

    def status(self) -> str:
        """What the SuperLink says of the run now."""
        listed = self.federation.flwr("list", CONNECTION, "--run-id", self.number, "--format", "json")
        return str(json.loads(listed)["runs"][0]["status"])


class Proxy:
    """Stands before whoever listens at `port`, and counts what passes; use it as a context manager.

    `bytes` is everything that passed, both ways. `content` is what was in the requests and answers, without
    the headers of HTTP: those of a SuperNode hold Flower's own key and signature, 900 bytes a request.
    `asked` has the moments (`time.monotonic`) at which each request began and its answer ended.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._connections: list[_Connection] = []
        self.port = int(self._server.getsockname()[1])

    @property
    def bytes(self) -> int:
        """What has passed so far."""
        return sum(way.bytes for connection in self._connections for way in connection.ways)

    @property
    def content(self) -> int:
        """What has passed so far, without headers."""
        return sum(way.content for connection in self._connections for way in connection.ways)

    @property
    def asked(self) -> list[tuple[float, float]]:
        """When somebody waited for an answer."""
        return [span for connection in self._connections for span in connection.spans]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept()
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()  # nobody is there, and who asks tries again
                continue
            self._connections.append(_Connection(near, far))


class _Connection:
    """Passes on what comes from either side until one of them closes."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.ways = (_Counter(), _Counter())
        self.spans: list[tuple[float, float]] = []
        self._answered = True
        for arguments in ((near, far, self._request), (far, near, self._answer)):
            threading.Thread(target=self._pass, args=arguments, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, count: Callable[[bytes], None]) -> None:
        with source, sink, suppress(OSError):
            while data := source.recv(1 << 16):
                count(data)
                sink.sendall(data)

    def _request(self, data: bytes) -> None:
        self.ways[0].add(data)
        if self._answered:
            self.spans.append((time.monotonic(), time.monotonic()))
        self._answered = False

    def _answer(self, data: bytes) -> None:
        self.ways[1].add(data)
        began, _ = self.spans[-1]
        self.spans[-1] = began, time.monotonic()
        self._answered = True


class _Counter:
    """Counts one direction: messages of HTTP/1.1 whose headers say how long they are."""

    def __init__(self) -> None:
        self.bytes = self.content = 0
        self._head = b""
        self._left = 0  # of the body that is passing

    def add(self, data: bytes) -> None:
        """Count what passes."""
        self.bytes += len(data)
        while data:
            if not self._left:
                self._head, mark, data = (self._head + data).partition(b"\r\n\r\n")
                if not mark:
                    return
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", self._head)
                self._head, self._left = b"", int(length[1]) if length else 0
            body, data = data[: self._left], data[self._left :]
            self.content += len(body)
            self._left -= len(body)


# --- processes


def marked(folder: Path) -> list[psutil.Process]:
    """Every living process of the federation in `folder`."""
    found = [one for one in psutil.process_iter() if _value(one, MARK) == str(folder)]
    return [one for one in found if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, PATIENCE)


def _value(process: psutil.Process, name: str) -> str | None:
    """A variable of a process's environment."""
    try:
        return process.environ().get(name)
    except psutil.Error:
        return None


def _runs(process: psutil.Process, command: str) -> bool:
    """Whether it is a command of this environment: a script, which Python runs."""
    try:
        return str(BIN / command) in process.cmdline()
    except psutil.Error:
        return False
