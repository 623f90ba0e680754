"""What Audacity's tool offers, and how its export shows the progress of jobs."""

from __future__ import annotations

import os
import re
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daw_bridge.daw.audacity.choices import Offer, fill_dialog, find_offers
from daw_bridge.daw.audacity.following import Export, follow
from daw_bridge.daw.installers import DAWS, install, renew_lists
from daw_bridge.errors import DawError
from tests.server import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

MEGABYTE = 1 << 20
RUN = "audacity-1-2"


class Audacity(threading.Thread):
    """Writes an export into a pipe, as fast as it is taken, until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        reading, self._writing = os.pipe()
        self.reading = os.fdopen(reading, "rb", buffering=0)
        self.written = 0
        self.is_cancelled = False
        self.start()

    def run(self) -> None:
        header = b"RIFF".ljust(40, b"\0") + struct.pack("<I", 2 * MEGABYTE)
        os.write(self._writing, header)
        while self.written < 2 * MEGABYTE and not self.is_cancelled:
            self.written += os.write(self._writing, bytes(4096))
        os.close(self._writing)


@pytest.fixture
def audacity() -> Iterator[Audacity]:
    audacity = Audacity()
    yield audacity
    audacity.reading.close()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An inbox with the request of a run."""
    for ending in (".wav", ".request"):
        (tmp_path / f"{RUN}-0{ending}").touch()
    return tmp_path


def tell(inbox: Path, text: str) -> None:
    """Write a status file, as the server does."""
    folder = inbox / f"{RUN}-0"
    folder.mkdir(exist_ok=True)
    (folder / "new").write_text(text, "utf-8")
    (folder / "new").replace(folder / "status")


@pytest.mark.parametrize("share", [0.0, 0.25, 0.75, 1.0])
def test_as_much_is_taken_as_is_done(audacity: Audacity, share: float) -> None:
    export = Export(audacity.reading)
    assert export.take(share)
    under_way = 1 << 17
    assert abs(audacity.written - share * (2 * MEGABYTE - under_way)) <= under_way
    export.take_all()
    audacity.join()
    assert audacity.written == 2 * MEGABYTE


@pytest.fixture
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a program that says at once that a server is there."""
    monkeypatch.setattr("daw_bridge.daw.audacity.following.stemtool", lambda: Path("/bin/true"))


@pytest.mark.usefixtures("_no_server")
def test_a_cancelled_export_calls_jobs_off(audacity: Audacity, inbox: Path) -> None:
    old = inbox / "audacity-0-0-0.wav"
    old.touch()
    os.utime(old, (0, 0))
    following = threading.Thread(target=follow, args=(inbox, RUN, audacity.reading))
    following.start()
    tell(inbox, "job=1\nstate=running\nprogress=0.5\n")
    wait_until(lambda: audacity.written > MEGABYTE // 2)
    audacity.is_cancelled = True
    wait_until((inbox / f"{RUN}-0.cancel").exists)
    assert following.is_alive()
    tell(inbox, "job=1\nstate=cancelled\n")
    following.join()
    assert audacity.written < 2 * MEGABYTE
    assert not old.exists()
    assert not (inbox / f"{RUN}-0.request").exists()


@pytest.mark.usefixtures("_no_server")
def test_what_no_server_looks_for_ends_in_time(
    audacity: Audacity, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daw_bridge.daw.audacity.following._SECONDS_TO_ANSWER", 0.2)
    follow(inbox, RUN, audacity.reading)
    said = (inbox / f"{RUN}-0" / "status").read_text("utf-8")
    assert f"state=failed\nmessage=The server does not look into {inbox}" in said
    assert not (inbox / f"{RUN}-0.request").exists()


def test_a_server_that_does_not_start_says_why(audacity: Audacity, inbox: Path, home: Path) -> None:
    state = home / "state"
    state.mkdir()
    (state / "roots").write_bytes(b"\xff")
    follow(inbox, RUN, audacity.reading)
    said = (inbox / f"{RUN}-0" / "status").read_text("utf-8")
    assert re.search(r"^state=failed\nmessage=.*roots cannot be read.*\.$", said, re.MULTILINE)


def test_the_dialog_has_models_in_order_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    offers = [
        Offer("here", ("vocals", "other")),
        Offer("there", ('so "quoted" \\', "drums"), "to be fetched, 120 MB"),
    ]
    monkeypatch.setattr("daw_bridge.daw.audacity.choices.find_offers", lambda: offers)
    filled = fill_dialog()
    assert re.findall(r'\(_ "(here|there|\w+:|[^":]*: [^":(]*\(?)', filled["@MODELS@"])
    names = re.findall(r'\("([\w:]+)" \(_', filled["@MODELS@"])
    assert names == ["here", "quality:fast", "quality:good", "quality:best", "there"]
    assert '(_ "here: vocals, other"))' in filled["@MODELS@"]
    assert "drums (to be fetched, 120 MB)" in filled["@MODELS@"]
    assert '("model" "here" "vocals" "other")' in filled["@MODEL_WORDS@"]
    assert r'"so \"quoted\" \\" "drums")' in filled["@MODEL_WORDS@"]
    assert filled["@STEM_WORDS@"].startswith('() ("stems" "vocals")')
    assert filled["@STEM_WORDS@"].endswith('("minus" "other")')


def test_the_list_is_renewed_where_it_is_installed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data" / "audacity"
    data.mkdir(parents=True)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("sys.platform", "linux")
    (folder,) = install(DAWS["audacity"])
    assert folder == data / "Plug-Ins"
    assert (home / "state" / "inbox").stat().st_mode & 0o777 == 0o700
    tool = folder / "separate-into-stems.ny"
    assert all(offer.name in tool.read_text("utf-8") for offer in find_offers())
    newest = tool.read_bytes()
    tool.write_bytes(newest.replace(b"fast", b"slow"))
    renew_lists()
    assert tool.read_bytes() == newest


def test_audacity_cannot_name_umlauts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAW_BRIDGE_HOME", str(tmp_path / "Jörg"))
    with pytest.raises(DawError, match="plain English letters"):
        install(DAWS["audacity"], tmp_path)
