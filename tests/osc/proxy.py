"""A bad line between a client and a server."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from tests.server import HOST


class CuttingProxy:
    """Passes TCP on, and cuts each connection after so many bytes of either direction."""

    def __init__(self, port: int, *, cut_after_bytes: int) -> None:
        self._target = port
        self._limit = cut_after_bytes
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> CuttingProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection((HOST, self._target))
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, target)).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        left = self._limit
        with suppress(OSError):
            while data := source.recv(min(left, 65_536)):
                target.sendall(data)
                left -= len(data)
                if not left:
                    self.cuts += 1
                    break
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
