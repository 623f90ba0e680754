"""Downloads: whatever happens on the way, the file is whole or nothing is left of it."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from daw_bridge.files import download
from daw_bridge.files.download import InterruptedDownloadError, downloaded, leaves_https
from tests.programs import require
from tests.web import Site, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONTENT = bytes(range(256)) * 4096  # 1 MiB: several blocks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSES_S", (0, 0, 0))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "4stems.tar.gz").write_bytes(CONTENT)
    with serve(tmp_path / "site") as site:
        yield site


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache, in which something else lies already."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "other").write_bytes(b"untouched")
    return tmp_path / "cache"


def files(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, apart from locks."""
    return {
        path.name: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


UNTOUCHED = {"other": b"untouched"}


def get(
    site: Site, folder: Path, sha256: str | None = SHA256, name: str = "4stems.tar.gz"
) -> bytes:
    with downloaded(f"{site.address}/{name}", folder, sha256=sha256) as file:
        assert file.name == "4stems.tar.gz"
        return file.read_bytes()


def test_a_file_is_given_and_goes_again(site: Site, folder: Path) -> None:
    steps: list[tuple[int, int]] = []
    url = f"{site.address}/4stems.tar.gz?download=1"
    with downloaded(url, folder, progress=lambda *step: steps.append(step)) as file:
        assert file.name == "4stems.tar.gz"
        assert file.read_bytes() == CONTENT
    assert files(folder) == UNTOUCHED
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert steps == sorted(steps)
    assert len(steps) > 2


def test_a_connection_that_breaks_off_is_continued(site: Site, folder: Path) -> None:
    site.cuts = [300_000, 0, 400_000]
    assert get(site, folder) == CONTENT
    assert [wanted for _, wanted in site.requests] == [
        None, "bytes=300000-", "bytes=300000-", "bytes=700000-",
    ]  # fmt: skip
    assert files(folder) == UNTOUCHED


def test_the_next_call_goes_on_where_the_last_gave_up(site: Site, folder: Path) -> None:
    site.cuts = [100_000] * 4
    with pytest.raises(InterruptedDownloadError, match="after 400000 of 1048576 bytes"):
        get(site, folder)
    assert files(folder)["4stems.tar.gz.part"] == CONTENT[:400_000]
    assert get(site, folder) == CONTENT
    assert site.requests[-1][1] == "bytes=400000-"
    assert files(folder) == UNTOUCHED


@pytest.mark.parametrize("trait", ["no ranges", "weak etag", "no version"])
def test_what_cannot_be_continued_starts_anew(trait: str, site: Site, folder: Path) -> None:
    site.has_ranges = trait != "no ranges"
    site.etag = {"weak etag": "weak", "no version": ""}.get(trait, "strong")
    site.cuts = [300_000, 400_000]
    assert get(site, folder) == CONTENT
    site.cuts = [300_000] * 4
    with pytest.raises(InterruptedDownloadError):
        get(site, folder)
    if trait != "no ranges":
        assert files(folder) == UNTOUCHED
    assert get(site, folder) == CONTENT


@pytest.mark.parametrize("interruption", ["cut", "no server", "ctrl-c"])
def test_a_whole_file_waits_for_another_that_is_needed_with_it(
    interruption: str, site: Site, folder: Path
) -> None:
    (site.folder / "more").write_bytes(CONTENT)
    address = "http://127.0.0.1:9" if interruption == "no server" else site.address

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    site.cuts = [len(CONTENT)] + [0] * 4 * (interruption == "cut")
    with (
        pytest.raises((InterruptedDownloadError, KeyboardInterrupt)),
        downloaded(f"{site.address}/4stems.tar.gz", folder),
        downloaded(f"{address}/more", folder, progress=stop),
    ):
        pass
    assert files(folder)["4stems.tar.gz"] == CONTENT
    asked = len(site.requests)
    assert get(site, folder) == CONTENT
    assert len(site.requests) == asked
    assert set(files(folder)) <= {"other", "more.part", ".version"}


def test_a_whole_file_goes_where_another_that_is_needed_with_it_cannot_be_had(
    site: Site, folder: Path
) -> None:
    with (
        pytest.raises(OSError, match="404"),
        downloaded(f"{site.address}/4stems.tar.gz", folder),
        downloaded(f"{site.address}/missing", folder),
    ):
        pass
    assert files(folder) == UNTOUCHED


def test_a_file_that_changed_on_the_server_starts_anew(site: Site, folder: Path) -> None:
    site.cuts = [200_000] * 4
    with pytest.raises(InterruptedDownloadError):
        get(site, folder)
    (site.folder / "4stems.tar.gz").write_bytes(CONTENT[::-1])
    assert get(site, folder, None) == CONTENT[::-1]


def test_a_part_that_is_more_than_the_server_has_starts_anew(site: Site, folder: Path) -> None:
    site.cuts = [200_000] * 4
    with pytest.raises(InterruptedDownloadError):
        get(site, folder)
    part = next(folder.rglob("*.part"))
    part.write_bytes(CONTENT + b"more")
    assert get(site, folder) == CONTENT


def test_without_a_length_the_hash_tells_what_is_whole(site: Site, folder: Path) -> None:
    site.tells_length = False
    assert get(site, folder) == CONTENT
    site.cuts = [300_000]
    with pytest.raises(OSError, match="is not the pinned one"):
        get(site, folder)
    assert files(folder) == UNTOUCHED


def test_redirects_are_followed_and_what_has_come_is_continued(site: Site, folder: Path) -> None:
    site.redirects = {"/old/4stems.tar.gz": "/4stems.tar.gz"}
    site.cuts = [300_000]
    assert get(site, folder, name="old/4stems.tar.gz") == CONTENT
    assert site.requests[-1] == ("/4stems.tar.gz", "bytes=300000-")


@pytest.mark.parametrize("target", ["/4stems.tar.gz", "file:///etc/passwd", "ftp://127.0.0.1:9/x"])
def test_redirects_that_lead_nowhere_are_refused(target: str, site: Site, folder: Path) -> None:
    site.redirects = {"/4stems.tar.gz": target}
    with pytest.raises(OSError, match=r"redirect|not allowed|unknown url type") as caught:
        get(site, folder)
    assert "\n" not in str(caught.value)
    assert files(folder) == UNTOUCHED


@pytest.fixture
def secure_site(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The same files over https, with a certificate that is trusted here."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = f"{require('openssl')} req"
    command += " -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    command += " -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with serve(site.folder, tls) as secure:
        yield secure


def test_https_is_left_only_for_a_file_that_is_known_by_its_whole_hash(
    site: Site, secure_site: Site, folder: Path
) -> None:
    secure_site.redirects = {"/old/4stems.tar.gz": f"{site.address}/4stems.tar.gz"}
    for digits in (None, SHA256[:8], SHA256[:63]):
        with pytest.raises(OSError, match="is redirected from https to http:") as caught:
            get(secure_site, folder, digits, name="old/4stems.tar.gz")
        assert "\n" not in str(caught.value)
    assert site.requests == []
    assert files(folder) == UNTOUCHED
    assert get(secure_site, folder, SHA256, name="old/4stems.tar.gz") == CONTENT
    assert len(site.requests) == 1
    site.redirects = {"/new/4stems.tar.gz": f"{secure_site.address}/4stems.tar.gz"}
    assert get(site, folder, None, name="new/4stems.tar.gz") == CONTENT


@pytest.mark.parametrize(
    ("url", "target", "leaves"),
    [
        ("https://a.example/x", "http://a.example/x", True),
        ("HTTPS://a.example/x", "HTTP://b.example/x", True),
        ("https://a.example/x", "https://b.example/x", False),
        ("http://a.example/x", "http://b.example/x", False),
        ("http://a.example/x", "https://a.example/x", False),
    ],
)
def test_which_redirects_leave_https(url: str, target: str, leaves: bool) -> None:
    assert leaves_https(url, target) == leaves


def test_a_busy_server_is_asked_again(site: Site, folder: Path) -> None:
    site.errors = [503, 429, 500]
    assert get(site, folder) == CONTENT


def test_a_server_that_stays_busy_is_left_alone(site: Site, folder: Path) -> None:
    site.errors = [503] * 10
    with pytest.raises(OSError, match="503"):
        get(site, folder)
    assert len(site.requests) == 4
    assert files(folder) == UNTOUCHED


def test_a_missing_file_is_not_asked_for_again(site: Site, folder: Path) -> None:
    with pytest.raises(OSError, match="404 Not Found"):
        get(site, folder, name="5stems.tar.gz")
    assert len(site.requests) == 1
    assert files(folder) == UNTOUCHED


@pytest.mark.parametrize("digits", ["0" * 64, "0" * 8, SHA256[:7] + "x"])
def test_a_file_with_another_hash_is_refused(digits: str, site: Site, folder: Path) -> None:
    with pytest.raises(OSError, match=f"sha256 {SHA256} is not the pinned one"):
        get(site, folder, digits)
    assert files(folder) == UNTOUCHED


def test_first_digits_of_a_hash_will_do(site: Site, folder: Path) -> None:
    assert get(site, folder, SHA256[:8]) == CONTENT


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/a", "http://127.0.0.1:9/a", "http://[/a", "a"]
)
def test_what_is_no_address_or_does_not_answer_is_one_sentence(
    url: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        pytest.raises(OSError, match=r"cannot be reached|no address") as caught,
        downloaded(url, folder),
    ):
        pass
    assert "\n" not in str(caught.value)
    assert not caplog.records  # of further attempts
    assert files(folder) == UNTOUCHED


def test_what_would_not_fit_is_not_begun(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match="has no room"):
        get(site, folder)
    assert files(folder) == UNTOUCHED


def test_a_disk_that_fills_up_on_the_way_is_left_as_it_was(site: Site, folder: Path) -> None:
    script = f"""
import signal
from pathlib import Path
from daw_bridge.files.download import downloaded
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with downloaded({site.address + "/4stems.tar.gz"!r}, Path({str(folder)!r})): pass
except OSError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", script],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert run.stdout.strip().endswith("cannot be written: File too large")  # or full, of a disk
    assert files(folder) == UNTOUCHED


def test_what_is_too_large_is_refused(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LIMIT_BYTES", 500_000)
    for site.tells_length in (True, False):
        with pytest.raises(OSError, match="larger than"):
            get(site, folder)
        assert files(folder) == UNTOUCHED


def test_two_at_once_wait_for_each_other(site: Site, folder: Path) -> None:
    script = f"""
from pathlib import Path
from daw_bridge.files.download import downloaded
with downloaded({site.address + "/4stems.tar.gz"!r}, Path({str(folder)!r}), sha256={SHA256!r}):
    pass
"""
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert files(folder) == UNTOUCHED


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Let a server answer each request, once its head has come, in any way; give its address."""

    def serve_all() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    while b"\r\n\r\n" not in connection.recv(1 << 16):
                        pass
                    answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve_all, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/4stems.tar.gz"
        server.shutdown(socket.SHUT_RDWR)


def refuse(answer: Callable[[socket.socket], None], folder: Path) -> str:
    """Return why a download is given up; nothing of it is left."""
    with (
        answering(answer) as url,
        pytest.raises(OSError) as caught,  # noqa: PT011 - each test looks at the message
        downloaded(url, folder),
    ):
        pass
    assert files(folder) == UNTOUCHED
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


def endlessly(connection: socket.socket, head: bytes, again: bytes) -> None:
    connection.sendall(head)
    while True:
        connection.sendall(again)


@pytest.mark.parametrize("length", ["-5", "many", "9" * 5000])
def test_a_length_that_is_none_is_refused(length: str, folder: Path) -> None:
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nabc".encode()
    assert "bytes long" in refuse(lambda connection: connection.sendall(answer), folder)


def test_a_body_without_an_end_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "LIMIT_BYTES", 10_000_000)
    head, block = b"HTTP/1.0 200 OK\r\n\r\n", bytes(1 << 16)
    assert "larger than" in refuse(lambda to: endlessly(to, head, block), folder)


def test_a_body_without_an_end_does_not_fill_the_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def free(place: Path) -> SimpleNamespace:
        return SimpleNamespace(
            free=5_000_000 - sum(each.stat().st_size for each in place.iterdir())
        )

    monkeypatch.setattr(shutil, "disk_usage", free)
    head, block = b"HTTP/1.0 200 OK\r\n\r\n", bytes(1 << 16)
    assert "has no room" in refuse(lambda to: endlessly(to, head, block), folder)


def test_a_redirect_whose_body_has_no_end_is_followed_at_once(site: Site, folder: Path) -> None:
    target = f"{site.address}/4stems.tar.gz"
    head = f"HTTP/1.0 302 Found\r\nLocation: {target}\r\n\r\n".encode()
    with (
        answering(lambda to: endlessly(to, head, bytes(1 << 16))) as url,
        downloaded(url, folder, sha256=SHA256) as file,
    ):
        assert file.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("head", "again"),
    [(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"HTTP/1.1 200 OK\r\nX: ", b"y")],
)
def test_a_head_without_an_end_is_given_up(
    head: bytes, again: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(again)
            time.sleep(0.01)

    monkeypatch.setattr(download, "ANSWER_S", 0.3)
    assert "broke off before an answer" in refuse(drip, folder)


def test_a_server_that_sends_next_to_nothing_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    monkeypatch.setattr(download, "PATIENCE_S", 0.3)
    assert "less than a kilobyte a second" in refuse(drip, folder)


def test_what_a_server_says_is_shown_short_and_without_control_characters(folder: Path) -> None:
    answer = b"HTTP/1.1 404 \x1b[2J" + b"gone " * 5000 + b"\r\n\r\n"
    assert "\x1b" not in refuse(lambda to: to.sendall(answer), folder)


@pytest.mark.parametrize(
    "version", ['"a"\r\n X-More: 1', '"' + "a" * 300 + '"', "a", '"\u00e9"', 'W/"a"', "yesterday"]
)
def test_a_version_that_is_none_is_not_said_again(version: str, folder: Path) -> None:
    requests: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nETag: {version}\r\n\r\nabc"
        connection.sendall(head.encode("latin-1"))
        requests.append(b"")

    assert "broke off after 3 of 9 bytes" in refuse(answer, folder)
    assert len(requests) == 4


def test_a_version_that_was_tampered_with_is_not_said(site: Site, folder: Path) -> None:
    site.cuts = [100_000] * 4
    with pytest.raises(InterruptedDownloadError):
        get(site, folder)
    (version,) = folder.rglob(".version")
    version.write_text('"a"\r\nX-More: 1', "utf-8")
    assert get(site, folder) == CONTENT
    assert site.requests[-1] == ("/4stems.tar.gz", None)


def test_a_part_that_nobody_asked_for_is_refused(folder: Path) -> None:
    head = (
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/9\r\nContent-Length: 3\r\n\r\n"
    )
    assert "has not the rest" in refuse(lambda to: to.sendall(head + b"abc"), folder)


def test_a_name_fits_a_folder(folder: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    with (
        answering(lambda to: to.sendall(answer)) as url,
        downloaded(f"{url}/{'%C3%A9' * 3000}.onnx", folder) as file,
    ):
        assert file.name.endswith("\u00e9.onnx")
        assert file.read_bytes() == b"abc"


@pytest.mark.parametrize("url", ["http://" + "a" * 70 + ".example/x", "http://127.0.0.1/\u00e9"])
def test_what_no_name_server_takes_is_one_sentence(url: str, folder: Path) -> None:
    with pytest.raises(OSError, match="is no address"), downloaded(url, folder):
        pass
    assert files(folder) == UNTOUCHED
