"""Files from the web: whole and verified, in spite of connections that break off.

    <folder>/<key of the URL>/<name>.part   what has come; the next call asks for the rest
                              .version      the server's name for the version that came
                              <name>        the whole file, until its user is done with it

A call leaves behind only what the next one can use: a part that can be continued, or a whole file
whose user was interrupted before all others that it needs had come. Python's own client has the
system's certificates, proxies and redirects; this module adds what libraries lack: resuming.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import time
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
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
    from http.client import HTTPMessage
    from pathlib import Path
    from typing import IO, TypeAlias
    from urllib.response import addinfourl

    Progress: TypeAlias = Callable[[int, int], None]

LIMIT_BYTES = 8 << 30
PAUSES_S = (0.5, 2, 8)
"""How long to wait before each further attempt."""

_TIMEOUT_S = 30
_BLOCK_BYTES = 1 << 18
_KEY_DIGITS = 16
_SHA256_DIGITS = 64
_TOO_LARGE = f"it is larger than {LIMIT_BYTES >> 30} GiB"
_HANDLERS = (
    ProxyHandler,
    HTTPHandler,
    HTTPSHandler,
    HTTPErrorProcessor,
    HTTPDefaultErrorHandler,
    UnknownHandler,
)
_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}

_log = logging.getLogger(__name__)


class InterruptedDownloadError(OSError):
    """A failure that another attempt may not meet."""


class UnreachableError(InterruptedDownloadError):
    """No server answers: where nothing has come yet, it is not worth waiting."""


@contextmanager
def downloaded(
    url: str, folder: Path, *, sha256: str | None = None, progress: Progress | None = None
) -> Iterator[Path]:
    """Give a file of the web, under its own name; it is removed when the block ends.

    Args:
        url: of http or https.
        folder: where downloads lie while they come.
        sha256: what the file must hash to, or the first digits of that; None: anything. A redirect
            may leave https for http only where all 64 digits are given.
        progress: is told how many bytes are here, and of how many, where the server says that.

    Raises:
        OSError: there is no such file, its hash is wrong, or the disk is full. The message is a
            sentence without its stop.
    """
    place = folder / hashlib.sha256(url.encode()).hexdigest()[:_KEY_DIGITS]
    with locked(place, folder):
        part = _Part(place, _name_of(url), sha256 or "")
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


class _Part:
    """The part of a file that has come."""

    def __init__(self, folder: Path, name: str, sha256: str) -> None:
        self._path = folder / f"{name}.part"
        self._version = folder / ".version"  # the name of no file: they begin with no dot
        self._whole = folder / name
        self._sha256 = sha256

    @property
    def is_resumable(self) -> bool:
        return self._whole.is_file() or (bool(self._size()) and self._version.is_file())

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
            length = response.headers.get("Content-Length")
            total = self._size() + int(length) if length else None
            self._check_room(total)
            with self._path.open("ab") as file:
                for block in _blocks(response):
                    file.write(block)
                    if file.tell() > LIMIT_BYTES:
                        raise OSError(_TOO_LARGE)
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
        if status == HTTPStatus.PARTIAL_CONTENT and place.startswith(f"bytes {self._size()}-"):
            return
        if status in (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            self._drop()
            raise InterruptedDownloadError("the server has not the rest of what is here")
        kind = InterruptedDownloadError if status in _PASSING else OSError
        raise kind(f"the server answers {status} {' '.join(str(response.msg).split())}")

    def _check_room(self, total: int | None) -> None:
        if total is None:
            return
        if total > LIMIT_BYTES:
            raise OSError(_TOO_LARGE)
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
            "If-Range": self._version.read_text("utf-8"),
        }

    def _begin(self, headers: Message) -> None:
        """Start anew, and keep the server's name for this version of the file, if it has one."""
        self._drop()
        version = headers.get("ETag", "")
        if not version or version.startswith("W/"):  # weak: does not stand for every byte
            version = headers.get("Last-Modified", "")
        if version:
            self._version.write_text(version, "utf-8")

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.is_file() else 0

    def _drop(self) -> None:
        self._path.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)


class _Redirects(HTTPRedirectHandler):
    """Follows redirects, but not to where anybody could replace the file unnoticed."""

    def __init__(self, *, is_pinned: bool) -> None:
        self._is_pinned = is_pinned

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Return the request that follows a redirect."""
        if leaves_https(req.full_url, newurl) and not self._is_pinned:
            fp.close()
            raise OSError(
                f"it is redirected from https to {newurl}, and no whole sha256 is known by which to"
                " tell that the file is the same"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def leaves_https(url: str, target: str) -> bool:
    """Return whether a redirect leads from https to where others may change the file."""
    return urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https"


def _open(url: str, headers: Mapping[str, str], redirects: _Redirects) -> addinfourl:
    """Send a request; an answer that is an error is returned like any other.

    Args:
        url: of http or https; redirects cannot lead to other schemes, which have no handlers.
        headers: those that ask for the rest; none: ask for the whole file.
        redirects: follows them.
    """
    opener = OpenerDirector()
    for handler in (*(kind() for kind in _HANDLERS), redirects):
        opener.add_handler(handler)
    request = Request(url, headers={"Accept-Encoding": "identity", **headers})  # noqa: S310
    try:
        return opener.open(request, timeout=_TIMEOUT_S)
    except HTTPError as error:
        return error
    except URLError as error:
        raise UnreachableError(f"the server cannot be reached: {error.reason}") from error
    except (ConnectionError, TimeoutError) as error:
        raise InterruptedDownloadError("the connection broke off before an answer") from error
    except HTTPException as error:
        raise OSError(f"the answer is no HTTP: {error!r}") from error


def _blocks(response: addinfourl) -> Iterator[bytes]:
    try:
        while block := response.read(_BLOCK_BYTES):
            yield block
    except (OSError, HTTPException) as error:
        raise InterruptedDownloadError("the connection broke off") from error


def _name_of(url: str) -> str:
    """Return the last part of a URL's path, fit for a file's name."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise OSError(f"{url} is no address: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise OSError(f"{url} is no address of http or https")
    name = unquote(parts.path).rpartition("/")[2]
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "download"
