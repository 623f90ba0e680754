"""A real server, started as a user would start it, and raw sockets to talk to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daw_bridge.osc.client import Client
from daw_bridge.osc.messages import FRAME_HEADER, Message, decode, encode, frame
from tests.stemtool import STEMTOOL

if TYPE_CHECKING:
    from collections.abc import Callable

    from daw_bridge.osc.addresses import Argument

HOST = "127.0.0.1"
PATIENCE_S = 60.0


@dataclass
class Server:
    """A server process.

    Attributes:
        root: the folder that clients may use.
        state: where it keeps its jobs.
        process: None before it is started.
    """

    root: Path
    state: Path
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return int(self.facts["port"])

    @property
    def facts(self) -> dict[str, str]:
        lines = (self.state / "server").read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def log(self) -> str:
        return (self.state / "log").read_text("utf-8")

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers."""
        assert self.process
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("utf-8")
        return [int(pid) for pid in text.split()]

    def start(self) -> Server:
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / "server").unlink(missing_ok=True)
        command = [STEMTOOL, "serve", "--port", "0", "--root", self.root, "--state", self.state]
        with (self.state / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*map(str, command), "--provider", "cpu", *self.options], stderr=log
            )
        wait_until((self.state / "server").exists, self.is_running)
        return self

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to leave; return its exit status."""
        assert self.process
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            if self.is_running():
                self.process.kill()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def client(self, **options: Any) -> Client:
        return Client(HOST, self.port, **options)


class Udp:
    """A socket that sends datagrams to a server and hears its answers."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.socket.connect((HOST, port))
        self.socket.settimeout(PATIENCE_S)
        self.url = f"osc.udp://:{self.socket.getsockname()[1]}"

    def __enter__(self) -> Udp:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, address: str, types: str = "", *arguments: Argument) -> Message:
        self.send(address, types, *arguments)
        return self.receive()

    def send(self, address: str, types: str = "", *arguments: Argument) -> None:
        self.socket.send(encode(address, types, *arguments))

    def receive(self) -> Message:
        (message,) = decode(self.socket.recv(65_536))
        return message

    def discard(self) -> None:
        """Forget what has come so far."""
        self.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self.socket.recv(65_536)
        self.socket.settimeout(PATIENCE_S)

    def receive_until(self, *addresses: str) -> list[Message]:
        """Return the messages up to the first that has one of these addresses."""
        messages = [self.receive()]
        while messages[-1].address not in addresses:
            messages.append(self.receive())
        return messages


class Tcp(Udp):
    """A stream to a server."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=PATIENCE_S)

    def send(self, address: str, types: str = "", *arguments: Argument) -> None:
        self.socket.sendall(frame(encode(address, types, *arguments)))

    def receive(self) -> Message:
        (message,) = decode(self._read(FRAME_HEADER.unpack(self._read(4))[0]))
        return message

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


def wait_until(condition: Callable[[], bool], is_alive: Callable[[], bool] = lambda: True) -> None:
    """Return once a condition holds; fail after a minute, or when what would make it so died."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if not is_alive() or time.monotonic() > deadline:
            pytest.fail("It did not happen.")
        time.sleep(0.02)


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def open_files(pid: int) -> int:
    """Return how many file descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
