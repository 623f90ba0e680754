"""Folders and files below a server's roots, which others change while it works."""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.attacks.client import Tcp, Udp
from tests.attacks.serving import ENDS, assert_prompt, finished, serving, submit, write_song
from tests.attacks.victims import SHARE, stemtool, untouched
from tests.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_ROUNDS = 200 // SHARE
_LEAVES_S = 10.0
_STATUS_S = 20.0


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside of what clients may use, which is audio so that a stem could be made of it."""
    (tmp_path / "private").mkdir()
    return write_song(tmp_path / "private/secret.wav")


def _link(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def _hard_pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path, _: Path) -> None:
    path.mkdir()


_REPLACEMENTS = {"link": _link, "pipe": _hard_pipe, "folder": _folder}


@pytest.fixture(params=_REPLACEMENTS)
def replace(request: pytest.FixtureRequest) -> Callable[[Path, Path], None]:
    """Puts something else in a file's place."""

    def replace(path: Path, secret: Path) -> None:
        path.unlink(missing_ok=True)
        _REPLACEMENTS[request.param](path, secret)

    return replace


def test_a_stem_that_was_replaced_is_not_sent(
    server: Server, place: Path, secret: Path, replace: Callable[[Path, Path], None]
) -> None:
    song, out = write_song(place / "song.wav"), place / "out"
    with Tcp(server.port) as client:
        assert finished(client, f"get-{place.name}", out, song).address == "/stems/done"
        replace(out / "vocals.wav", secret)
        client.send("/stems/get", "ss", f"get-{place.name}", "vocals")
        assert client.receive().address == "/stems/error"
    assert_prompt(server)


def test_a_source_that_was_replaced_is_refused(
    server: Server, place: Path, secret: Path, replace: Callable[[Path, Path], None]
) -> None:
    replace(place / "song.wav", secret)
    with Udp(server.port) as client:
        ended = finished(client, f"source-{place.name}", place / "out", place / "song.wav")
    assert ended.address == "/stems/error"
    assert_prompt(server)


@pytest.mark.parametrize("kind", ["remix", "upmix"])
def test_a_folder_of_stems_holds_audio_only(
    kind: str, server: Server, place: Path, secret: Path, replace: Callable[[Path, Path], None]
) -> None:
    song, stems = write_song(place / "song.wav"), place / "stems"
    stems.mkdir()
    write_song(stems / "instrumental.wav")
    replace(stems / "vocals.wav", secret)
    with Udp(server.port) as client:
        job = f"{kind}-{place.name}"
        ended = finished(client, job, place / "out", song, options=f"stems={stems}", kind=kind)
    assert ended.address == "/stems/error"
    assert_prompt(server)


@pytest.mark.parametrize(
    "folder",
    [
        "{private}",
        "{root}/../private",
        "{place}/link",
        "{place}/link/new",
        "relative",
        "/",
        "~",
        "",
    ],
)
def test_stems_stay_below_the_roots(
    folder: str, server: Server, place: Path, tmp_path: Path, secret: Path
) -> None:
    (place / "link").symlink_to(secret.parent)
    song = write_song(place / "song.wav")
    out = folder.format(private=secret.parent, root=server.root, place=place)
    with Udp(server.port) as client, untouched(tmp_path):
        ended = finished(client, f"out-{place.name}", out, song)
    assert ended.address == "/stems/error" or not folder


@pytest.mark.parametrize(
    "source",
    ["/etc/passwd", "{root}/../state/server", "transfer:../x", "/dev/zero", "/proc/self/mem"],
)
def test_sources_lie_below_the_roots(source: str, server: Server, place: Path) -> None:
    with Udp(server.port) as client:
        out, job = place / "out", f"in-{place.name}"
        ended = finished(client, job, out, source.format(root=server.root))
    assert ended.address == "/stems/error"


@pytest.fixture
def swapping(place: Path, secret: Path) -> Iterator[Path]:
    """A folder whose place a link out of the roots takes, again and again."""
    folder, spare = place / "swapped", place / "spare"
    folder.mkdir()
    write_song(folder / "secret.wav", 0.2)
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            with suppress(OSError):
                folder.rename(spare)
                folder.symlink_to(secret.parent)
                time.sleep(0.001)
                folder.unlink()
            with suppress(OSError):
                spare.rename(folder)
            time.sleep(0.001)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        yield folder
    finally:
        is_over.set()
        swapper.join()


def test_no_race_for_a_folder_leads_out(
    server: Server, place: Path, swapping: Path, secret: Path
) -> None:
    song = write_song(place / "song.wav", 0.2)
    with Tcp(server.port) as client, untouched(secret.parent):
        for number in range(_ROUNDS):
            job = f"race-{place.name}-{number}"
            finished(client, job, swapping / f"{number % 2}", song, options="overwrite=1")
    assert_prompt(server)


@pytest.mark.parametrize("name", ["status", "outcome.json", "manifest.json", "vocals.wav"])
@pytest.mark.parametrize("options", ["", "overwrite=1"])
def test_a_source_stays_as_it_is_whatever_it_is_called(
    name: str, options: str, server: Server, place: Path
) -> None:
    source = write_song(place / name)
    before = source.read_bytes()
    with Udp(server.port) as client:
        finished(client, f"named-{place.name}", place, source, options=options)
        client.ask("/stems/sync", "i", 1)
    assert source.read_bytes() == before


@pytest.mark.parametrize("name", ["status", "outcome.json"])
def test_a_link_by_the_name_of_an_output_is_not_followed(
    name: str, server: Server, place: Path, secret: Path
) -> None:
    song = write_song(place / "song.wav")
    (place / "out").mkdir()
    (place / "out" / name).symlink_to(secret)
    with Udp(server.port) as client, untouched(secret.parent):
        finished(client, f"link-{place.name}", place / "out", song, options="overwrite=1")
        client.ask("/stems/sync", "i", 1)


@pytest.mark.parametrize(
    "label", ["..", ".", "", "/", "../x", "a/b", "%00", "%2e%2e%2fx", "CON", " ", "%C3%A4" * 200]
)
@pytest.mark.parametrize(
    ("kind", "options"), [("separate", ""), ("upmix", "output=stems;"), ("upmix", "")]
)
def test_a_label_stays_in_its_folder(
    label: str, kind: str, options: str, server: Server, place: Path
) -> None:
    song, out = write_song(place / "song.wav"), place / "above/out"
    options = f"{options}label={label}"
    with Udp(server.port) as client, untouched(place, but=(place / "above",)):
        finished(client, f"label-{place.name}", out, song, options=options, kind=kind)
        answer = client.ask("/stems/sync", "i", 1)
    assert "error of its own" not in str(answer)
    assert [path for path in (place / "above").glob("*") if path != out] == []


def test_a_second_signal_ends_a_server_that_waits(library: Path, tmp_path: Path) -> None:
    with serving(library, tmp_path) as server, Tcp(server.port) as client:
        song = write_song(server.root / "song.wav", 600)
        submit(client, "long", server.root / "out", song)
        client.receive("/stems/progress", *ENDS)
        os.mkfifo(server.root / "pipe")
        submit(client, "pipe", server.root / "out-2", server.root / "pipe")
        assert server.process
        for _ in range(2):
            server.process.terminate()
            time.sleep(0.5)
        server.process.wait(_LEAVES_S)


def _huge_wave(data_bytes: int) -> bytes:
    """Return a WAV file that says that it has so many bytes of audio."""
    sizes = b"".join(size.to_bytes(8, "little") for size in (data_bytes, data_bytes, data_bytes))
    form = (16).to_bytes(4, "little") + b"\1\0\2\0" + (44_100).to_bytes(4, "little")
    form += (176_400).to_bytes(4, "little") + b"\4\0\x10\0"
    tables = b"ds64" + (28).to_bytes(4, "little") + sizes + bytes(4) + b"fmt " + form
    return b"RF64\xff\xff\xff\xffWAVE" + tables + b"data\xff\xff\xff\xff" + bytes(4_000)


@pytest.mark.parametrize("data_bytes", [(1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 40])
@pytest.mark.parametrize("command", [["info"], ["separate", "-m", "tiny", "-o", "{out}"]])
def test_a_header_is_not_believed(
    data_bytes: int, command: list[str], home: Path, tmp_path: Path
) -> None:
    (tmp_path / "huge.wav").write_bytes(_huge_wave(data_bytes))
    out = tmp_path / "out"
    run = stemtool(*(word.format(out=out) for word in command), tmp_path / "huge.wav")
    assert run.status == 0 or run.is_refusal, run
    shutil.rmtree(out, ignore_errors=True)
