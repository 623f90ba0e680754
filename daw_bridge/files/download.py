"""Files from the web: whole and verified, in spite of connections that break off.

    <folder>/<key of the URL>/<name>.part   what has come; the next call asks for the rest
                              .version      the server's name for the version that came
                              <name>        the whole file, until its user is done with it

A call leaves behind only what the next one can use: a part that can be continued, or a whole file
whose user was interrupted before all others that it needs had come. Python's own client has the
system's certificates, proxies and redirects; this module adds what libraries lack: resuming, and no
patience with a server that lies about lengths, never ends, or sends a byte now and then.

Any address is asked, those of this machine and its network too: it is the user who names it, and a
mirror may well be there. What comes back is a file for the user, not for whoever runs the server.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import socket
import threading
import time
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from daw_bridge.files.folders import locked
from daw_bridge.files.hashing import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from email.message import Message
    from http.client import HTTPMessage, HTTPResponse
    from pathlib import Path
    from typing import IO, TypeAlias
    from urllib.response import addinfourl

    Progress: TypeAlias = Callable[[int, int], None]

LIMIT_BYTES = 8 << 30
PAUSES_S = (0.5, 2, 8)
"""How long to wait before each further attempt."""

ANSWER_S = 60
"""How long the head of an answer may take, all of it."""
PATIENCE_S = 60
"""How long a server may be slow."""

_TIMEOUT_S = 30
_SLOWEST_BYTES_S = 1000
_MOST_REDIRECTS = 9
_BLOCK_BYTES = 1 << 18
_KEY_DIGITS = 16
_SHA256_DIGITS = 64
_NAME_BYTES = 200
_TOLD_CHARACTERS = 120
_VERSION_BYTES = 258
_VERSION = re.compile(
    r'"[!#-~]{1,256}"'  # a strong ETag
    r"|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT",  # a date
    re.ASCII,
)
"""What is sent back to the server to name a version: of RFC 9110, and nothing else."""
_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}

_log = logging.getLogger(__name__)


class InterruptedDownloadError(OSError):
    """A failure that another attempt may not meet."""


class UnreachableError(InterruptedDownloadError):
    """No server answers: where nothing has come yet, it is not worth waiting."""


def describe_failure(url: str, error: Exception) -> str:
    """Say in a few words why a file of the web could not be had, and of the address its host."""
    host = urlsplit(url).hostname
    return f"no connection to {host}" if isinstance(error, UnreachableError) else f"{host}: {error}"


@contextmanager
def downloaded(
    url: str,
    folder: Path,
    *,
    sha256: str | None = None,
    progress: Progress | None = None,
    limit_bytes: int | None = None,
) -> Iterator[Path]:
    """Give a file of the web, under its own name; it is removed when the block ends.

    Args:
        url: of http or https.
        folder: where downloads lie while they come.
        sha256: what the file must hash to, or the first digits of that; None: anything. A redirect
            may leave https for http only where all 64 digits are given.
        progress: is told how many bytes are here, and of how many, where the server says that.
        limit_bytes: how large the file may be; by default as large as any.

    Raises:
        OSError: there is no such file, it is too large, its hash is wrong, or the disk is full.
            The message is a sentence without its stop.
    """
    place = folder / hashlib.sha256(url.encode()).hexdigest()[:_KEY_DIGITS]
    with locked(place, folder):
        part = _Part(place, _name_of(url), sha256 or "", limit_bytes or LIMIT_BYTES)
        is_done = False
        try:
            yield part.finish(url, progress)
            is_done = True
        except Exception as error:
            is_done = not isinstance(error, InterruptedDownloadError)
            raise
        finally:
            if is_done or not part.is_resumable:
                shutil.rmtree(place, ignore_errors=True)


def check_url(url: str) -> None:
    """Find out whether a file of the web is there, without fetching it.

    Servers that answer no HEAD are asked for the first byte.

    Raises:
        OSError: it is not, or nobody answers. The message is a sentence without its stop.
    """
    _name_of(url)
    for method in ("HEAD", "GET"):
        redirects = _Redirects(is_pinned=False)
        with _open(url, {"Range": "bytes=0-0"}, redirects, method) as response:
            if response.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                return
            if method == "GET" or response.status in _GONE:
                raise OSError(_refusal(response))


class _Part:
    """The part of a file that has come."""

    def __init__(self, folder: Path, name: str, sha256: str, limit_bytes: int) -> None:
        self._path = folder / f"{name}.part"
        self._version = folder / ".version"  # the name of no file: they begin with no dot
        self._whole = folder / name
        self._sha256 = sha256
        self._limit_bytes = limit_bytes

    @property
    def is_resumable(self) -> bool:
        return self._whole.is_file() or bool(self._size() and self._known_version())

    def finish(self, url: str, progress: Progress | None) -> Path:
        """Get the rest, if any, and verify all; return the path of the whole file."""
        self._whole.parent.mkdir(exist_ok=True)
        if not self._whole.is_file():
            self._insist(url, progress)
            self._path.replace(self._whole)
        digest = sha256_of(self._whole)
        if not digest.startswith(self._sha256):
            raise OSError(f"sha256 {digest} is not the pinned one, {self._sha256}")
        return self._whole

    def _insist(self, url: str, progress: Progress | None) -> None:
        for pause_s in PAUSES_S:
            try:
                return self._receive(url, progress)
            except InterruptedDownloadError as error:
                if isinstance(error, UnreachableError) and not self._size():
                    raise
                _log.warning("%s: %s; trying again.", url, error)
                time.sleep(pause_s)
        return self._receive(url, progress)

    def _receive(self, url: str, progress: Progress | None) -> None:
        """Make one request, for the rest of the file where that is possible."""
        is_pinned = len(self._sha256) == _SHA256_DIGITS
        with _open(url, self._range(), _Redirects(is_pinned=is_pinned)) as response:
            self._check(response)
            if response.status != HTTPStatus.PARTIAL_CONTENT:
                self._begin(response.headers)
            length = _length_of(response.headers)
            total = None if length is None else self._size() + length
            self._check_room(total or 0)
            with self._path.open("ab") as file:
                for block in _blocks(response):
                    self._check_room(total or file.tell() + len(block))
                    self._append(file, block)
                    if progress and total:
                        progress(file.tell(), total)
        if total and self._size() < total:
            raise InterruptedDownloadError(
                f"the connection broke off after {self._size()} of {total} bytes"
            )

    def _check(self, response: addinfourl) -> None:
        """Raise :class:`OSError` unless a response is the file, or the rest of it."""
        status, place = response.status, response.headers.get("Content-Range", "")
        if status == HTTPStatus.OK:
            return
        is_rest = self._size() and place.startswith(f"bytes {self._size()}-")
        if status == HTTPStatus.PARTIAL_CONTENT and is_rest:
            return
        if status in (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            self._drop()
            raise InterruptedDownloadError("the server has not the rest of what is here")
        kind = InterruptedDownloadError if status in _PASSING else OSError
        raise kind(_refusal(response))

    def _append(self, file: IO[bytes], block: bytes) -> None:
        try:
            file.write(block)
        except OSError as error:
            raise OSError(f"{self._path} cannot be written: {error.strerror}") from error

    def _check_room(self, total: int) -> None:
        if total > self._limit_bytes:
            raise OSError(f"it is larger than {self._limit_bytes:,} bytes")
        missing, free = total - self._size(), shutil.disk_usage(self._path.parent).free
        if missing > free:
            raise OSError(
                f"{self._path.parent} has no room for it: {missing / 1e6:.0f} MB are missing,"
                f" {free / 1e6:.0f} MB are free"
            )

    def _range(self) -> dict[str, str]:
        """Return the headers that ask for the rest, of the same version of the file."""
        if not self.is_resumable:
            return {}
        return {
            "Range": f"bytes={self._size()}-",
            "If-Range": self._known_version(),
        }

    def _begin(self, headers: Message) -> None:
        """Start anew, and keep the server's name for this version of the file, if it has one."""
        self._drop()
        for version in (headers.get("ETag", ""), headers.get("Last-Modified", "")):
            if _VERSION.fullmatch(version):  # a weak ETag does not stand for every byte
                self._version.write_text(version, "ascii")
                return

    def _known_version(self) -> str:
        """Return the server's name for the version that came; empty, where it can have none."""
        try:
            with self._version.open("rb") as file:
                version = file.read(_VERSION_BYTES).decode("ascii", "replace")
        except OSError:
            return ""
        return version if _VERSION.fullmatch(version) else ""

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.is_file() else 0

    def _drop(self) -> None:
        self._path.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)


class _Redirects(HTTPRedirectHandler):
    """Follows redirects, but not to where anybody could replace the file unnoticed."""

    max_repeats = max_redirections = _MOST_REDIRECTS + 1  # it is not asked about more

    def __init__(self, *, is_pinned: bool) -> None:
        self._is_pinned = is_pinned
        self._count = 0

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Return the request that follows a redirect."""
        fp.close()  # or all of the answer's body would be read, which may have no end
        self._count += 1
        if self._count > _MOST_REDIRECTS:
            raise OSError(f"it is redirected more than {_MOST_REDIRECTS} times")
        if leaves_https(req.full_url, newurl) and not self._is_pinned:
            raise OSError(
                f"it is redirected from https to {_printable(newurl)}, and no whole sha256 is known"
                " by which to tell that the file is the same"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Connection(HTTPConnection):
    """A connection that does not wait for ever for an answer."""

    def getresponse(self) -> HTTPResponse:
        """Return the answer, once its head is here."""
        return _hurry(self, super().getresponse)


class _SecureConnection(HTTPSConnection):
    """The same over TLS."""

    def getresponse(self) -> HTTPResponse:
        """Return the answer, once its head is here."""
        return _hurry(self, super().getresponse)


def _hurry(connection: HTTPConnection, receive: Callable[[], HTTPResponse]) -> HTTPResponse:
    """Hang up if an answer's head is not here in time.

    The timeout of a socket begins anew with each byte, and a server may say "100 Continue" for
    ever.
    """
    is_late = threading.Event()

    def hang_up() -> None:
        is_late.set()
        with suppress(OSError):
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    watch = threading.Timer(ANSWER_S, hang_up)
    watch.daemon = True
    watch.start()
    try:
        response = receive()
        if is_late.is_set():
            response.close()
            raise TimeoutError
    finally:
        watch.cancel()
    return response


class _Http(HTTPHandler):
    """Opens ``http:``."""

    def http_open(self, req: Request) -> HTTPResponse:
        """Send a request."""
        return self.do_open(_Connection, req)


class _Https(HTTPSHandler):
    """Opens ``https:``."""

    def https_open(self, req: Request) -> HTTPResponse:
        """Send a request."""
        return self.do_open(_SecureConnection, req)


_HANDLERS = (
    ProxyHandler,
    _Http,
    _Https,
    HTTPErrorProcessor,
    HTTPDefaultErrorHandler,
    UnknownHandler,
)


def leaves_https(url: str, target: str) -> bool:
    """Return whether a redirect leads from https to where others may change the file."""
    return urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https"


def _open(
    url: str, headers: Mapping[str, str], redirects: _Redirects, method: str = "GET"
) -> addinfourl:
    """Send a request; an answer that is an error is returned like any other.

    Args:
        url: of http or https; redirects cannot lead to other schemes, which have no handlers.
        headers: those that ask for the rest; none: ask for the whole file.
        redirects: follows them.
        method: GET or HEAD; what a redirect leads to may be asked by GET all the same.
    """
    opener = OpenerDirector()
    for handler in (*(kind() for kind in _HANDLERS), redirects):
        opener.add_handler(handler)
    told = {"Accept-Encoding": "identity", **headers}
    request = Request(url, headers=told, method=method)  # noqa: S310 - as above
    try:
        return opener.open(request, timeout=_TIMEOUT_S)
    except HTTPError as error:
        return error
    except URLError as error:
        raise UnreachableError(f"the server cannot be reached: {error.reason}") from error
    except (ConnectionError, TimeoutError) as error:
        raise InterruptedDownloadError("the connection broke off before an answer") from error
    except HTTPException as error:
        raise OSError(f"the answer is no HTTP: {_printable(repr(error))}") from error
    except ValueError as error:  # of a host's name, here or where a redirect leads
        raise OSError(f"{url} or where it leads is no address: {_printable(str(error))}") from error


def _refusal(response: addinfourl) -> str:
    return f"the server answers {response.status} {_printable(str(response.msg))}".rstrip()


def _blocks(response: addinfourl) -> Iterator[bytes]:
    """Yield what comes, as long as something does."""
    begun, count = time.monotonic(), 0
    while block := _read(response):
        yield block
        count += len(block)
        elapsed_s = time.monotonic() - begun
        if elapsed_s > PATIENCE_S and count < _SLOWEST_BYTES_S * elapsed_s:
            raise InterruptedDownloadError("the server sends less than a kilobyte a second")


def _read(response: addinfourl) -> bytes:
    """Return what has come, as soon as there is anything; nothing, at the end."""
    try:
        block: bytes = response.read1(_BLOCK_BYTES)
    except (OSError, HTTPException) as error:
        raise InterruptedDownloadError("the connection broke off") from error
    return block


def _length_of(headers: Message) -> int | None:
    """Return how many bytes are to come; None, where the server does not say."""
    length = headers.get("Content-Length")
    if length is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", length):
        raise OSError(f"the server says that it is {_printable(length)} bytes long")
    return int(length)


def _printable(told: str) -> str:
    """Return what a server said as something for people: on one line, and not too long."""
    shown = "".join(each if each.isprintable() else " " for each in told)
    return " ".join(shown.split())[:_TOLD_CHARACTERS]


def _name_of(url: str) -> str:
    """Return the last part of a URL's path, fit for a file's name."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise OSError(f"{url} is no address: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise OSError(f"{url} is no address of http or https")
    name = re.sub(r"[^\w.-]", "_", unquote(parts.path).rpartition("/")[2])
    ending = name.encode("utf-8", "ignore")[-_NAME_BYTES:].decode("utf-8", "ignore")
    return ending.lstrip(".") or "download"
