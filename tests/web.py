"""A web server on this machine, with all that makes downloads fail."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Site:
    """What a server serves, how it behaves, and what it was asked for.

    ``cuts`` are bodies' lengths after which the connection is closed, one a request; 0: before an
    answer. ``errors`` are codes to answer with, one a request.
    """

    folder: Path
    address: str = ""
    has_ranges: bool = True
    tells_length: bool = True
    etag: str = "strong"
    cuts: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of each."""
    answers_head: bool = True


@contextmanager
def serve(folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Serve a folder, until the block ends; over https, where there is a certificate."""
    site = Site(folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, site)) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        site.address = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, site: Site, *arguments: object) -> None:
        self._site = site
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        if self._site.answers_head:
            self.do_GET()
        else:
            self.send_error(405)

    def do_GET(self) -> None:
        site = self._site
        site.requests.append((self.path, self.headers["Range"]))
        if target := site.redirects.get(self.path):
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()
            return
        if site.errors:
            self.send_error(site.errors.pop(0))
            return
        path = site.folder / self.path.partition("?")[0].strip("/")
        if path.is_dir():
            self._send_index(path)
        elif path.is_file():
            self._send_file(path.read_bytes())
        else:
            self.send_error(404)

    def _send_index(self, folder: Path) -> None:
        links = "".join(f'<a href="{path.name}">{path.name}</a>\n' for path in folder.iterdir())
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f"<!DOCTYPE html><html><body>{links}</body></html>".encode())

    def _send_file(self, content: bytes) -> None:
        site = self._site
        cut = site.cuts.pop(0) if site.cuts else None
        if cut == 0:
            return
        version = f'"{hashlib.sha256(content).hexdigest()}"'
        start = self._start(version)
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if site.etag:
            self.send_header("ETag", version if site.etag == "strong" else f"W/{version}")
        if site.tells_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        with suppress(ConnectionError):  # who has seen enough hangs up
            self.wfile.write(content[start : None if cut is None else start + cut])

    def _start(self, version: str) -> int:
        wanted = self.headers["Range"]
        if not wanted or not self._site.has_ranges or self.headers["If-Range"] != version:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))
