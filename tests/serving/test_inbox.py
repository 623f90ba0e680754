"""Requests that are files, answered by a real server."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.bounds import MAX_TEXT_LENGTH
from daw_bridge.serving.inbox import forget_old
from daw_bridge.serving.store import Store
from tests.osc.requests import status_of
from tests.server import Server, wait_until

CRASHES = 50 if os.environ.get("DAW_BRIDGE_STRESS") == "full" else 3
DAY_S = 86_400


@pytest.fixture(scope="module")
def clip(song: Audio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a real song."""
    path = tmp_path_factory.mktemp("clips") / "clip.wav"
    soundfile.write(path, song.samples[:, :88_200].T, song.sample_rate_hz, "PCM_24")
    return path


@pytest.fixture(scope="module")
def server(network_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of a module; their ``tmp_path`` is below its root."""
    root = tmp_path_factory.getbasetemp()
    with Server(root, tmp_path_factory.mktemp("state")) as server:
        yield server


@pytest.fixture
def inbox(server: Server) -> Path:
    return Path(server.facts["inbox"])


def put(inbox: Path, name: str, *lines: str) -> None:
    """Put a request into an inbox, as a program does that can rename."""
    part = inbox / f".{name}"
    part.write_text("".join(f"{line}\n" for line in (*lines, "end=1")), "utf-8")
    part.rename(inbox / f"{name}.request")


def answer(folder: Path) -> dict[str, str]:
    """Return the status of a job or of a refusal, once it is over."""

    def is_over() -> bool:
        return (folder / "status").exists() and status_of(folder)["state"] in (
            "done", "failed", "cancelled",
        )  # fmt: skip

    wait_until(is_over)
    return status_of(folder)


def test_a_request_becomes_stems_in_its_own_folder(inbox: Path, clip: Path) -> None:
    put(inbox, "Lied 1 🎸", f"path={clip}", "start=4410", "length=44100.0", "bits=32f", "label=")
    folder = inbox / "Lied 1 🎸"
    told = answer(folder)
    assert told["state"] == "done"
    assert told["stem:vocals"] == str(folder / "vocals.wav")
    mixture, _ = soundfile.read(clip)
    stems = [soundfile.read(told[f"stem:{stem}"])[0] for stem in ("vocals", "accompaniment")]
    assert np.abs(sum(stems) - mixture[4410:48_510]).max() < 1e-6
    assert inbox.stat().st_mode & 0o777 == 0o700
    assert not list(inbox.glob("*.request"))


def test_it_may_name_another_folder_and_all_that_can_be_said(
    inbox: Path, clip: Path, tmp_path: Path
) -> None:
    stems = tmp_path / "stems"
    put(
        inbox, "all", f"path={clip}", f"out={stems}", "method=separate", "quality=fast",
        "offline=1", "stems=vocals", "format=flac", "label=A",
    )  # fmt: skip
    assert answer(stems)["stem:vocals"] == str(stems / "A – vocals.flac")  # noqa: RUF001
    assert not (inbox / "all").exists()
    put(inbox, "remix", f"path={clip}", "method=remix", "gain=vocals=-6", f"stems={stems}")
    told = answer(inbox / "remix")
    assert told["state"] == "failed"
    assert "stems" in told["message"]


def test_channels_are_named_one_by_one_and_lines_may_end_as_on_windows(
    inbox: Path, clip: Path, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(clip)
    for name, channel in zip("LR", samples.T, strict=True):
        soundfile.write(tmp_path / f"{name}.wav", channel, rate, "PCM_24")
    text = f"\ufeffpath={tmp_path / 'L.wav'}\r\npath={tmp_path / 'R.wav'}\r\n\r\nend=1"
    (inbox / "mono.request").write_bytes(text.encode())
    told = answer(inbox / "mono")
    assert soundfile.info(told["stem:vocals"]).channels == 2


def test_one_that_is_written_in_place_is_taken_when_it_is_complete(inbox: Path, clip: Path) -> None:
    with (inbox / "slow.request").open("w", encoding="utf-8") as file:
        for text in ("path=", str(clip), "\n", "length=4410", "0\n", "end", "=1"):
            file.write(text)
            file.flush()
            time.sleep(0.15)
            assert not (inbox / "slow").exists() or text == "=1"
    told = answer(inbox / "slow")
    assert soundfile.info(told["stem:vocals"]).frames == 44_100


def test_the_same_request_again_is_the_same_job(
    inbox: Path, server: Server, clip: Path, tmp_path: Path
) -> None:
    stems = tmp_path / "stems"
    put(inbox, "twice", f"path={clip}", f"out={stems}")
    first = answer(stems)
    made = (stems / "vocals.wav").stat().st_mtime_ns
    (stems / "status").unlink()
    put(inbox, "twice", f"path={clip}", f"out={stems}")
    assert answer(stems) == first
    assert (stems / "vocals.wav").stat().st_mtime_ns == made
    put(inbox, "twice", f"path={clip}", f"out={stems}", "length=44100")
    told = answer(inbox / "twice")  # the stems of before are in its way
    assert told["error"] == "-1"
    assert "exists" in told["message"]
    assert server.is_running()


@pytest.mark.parametrize(
    ("lines", "code", "sentence"),
    [
        (["path=/etc/passwd"], -9, "/etc/passwd is not below a folder"),
        (["path={clip}", "out=/usr/stems"], -9, "/usr/stems is not below a folder"),
        (["path=clip.wav"], -9, "clip.wav is no absolute path"),
        (["path={clip}", "out=stems"], -9, "stems is no absolute path"),
        (["path={clip}.wav"], -4, "clip.wav.wav"),
        (["length=44100"], -3, "a line path=FILE"),
        (["path={clip}", "start=1", "start=2"], -3, "says 'start' once"),
        (["path={clip}", "start=one"], -3, "start is a whole number of frames, not 'one'"),
        (["path={clip}", "length=1e300"], -3, "length is a whole number of frames"),
        (["path={clip}", "start=-5"], -3, "A start is at frame 0 or later"),
        (["path={clip}", "method=mix"], -3, "no method 'mix' (did you mean 'upmix'?)"),
        (["path={clip}", "stem=vocals"], -3, "no option 'stem'"),
        (["path={clip}", "reply=osc.udp://:9000"], -3, "no option 'reply'"),
        (["path={clip}", "stems=horns"], -3, "horns"),
        (["path={clip}", "model=unheard-of"], -5, "There is no model 'unheard-of'"),
        (["path={clip}", "nonsense"], -3, "'nonsense' is none"),
        (["path={clip}\0"], -3, "key=value lines"),
        (["path=" + (MAX_TEXT_LENGTH + 1) * "x"], -3, "at most 4096 characters"),
        (["path={clip}", *(f"o{number}=1" for number in range(65))], -3, "at most 64 options"),
        (["path={clip}", 70_000 * "#"], -3, "at most 65,536 bytes"),
    ],
)
def test_what_cannot_be_done_is_told_in_its_folder(
    lines: list[str], code: int, sentence: str, inbox: Path, clip: Path, tmp_path: Path
) -> None:
    name = tmp_path.name
    put(inbox, name, *(line.replace("{clip}", str(clip)) for line in lines))
    told = answer(inbox / name)
    assert (told["state"], int(told["error"])) == ("failed", code)
    assert sentence in told["message"]
    assert [path.name for path in (inbox / name).iterdir()] == ["status"]
    assert not list(inbox.glob("*.request"))


def test_what_is_no_request_is_told_and_taken_away(
    inbox: Path, server: Server, clip: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"path={clip}\nend=1\n", "utf-8")
    (inbox / "link.request").symlink_to(secret)
    os.mkfifo(inbox / "pipe.request")
    (inbox / "latin.request").write_bytes(b"path=/m\xfcsik.wav\nend=1\n")
    (inbox / "old.request").write_text("path=", "utf-8")
    os.utime(inbox / "old.request", (time.time() - 60,) * 2)
    sentences = {
        "link": "a link is in its path",
        "pipe": "a pipe, a socket or a device",
        "latin": "A request is UTF-8; byte 7 is not",
        "old": "The last line of a request is end=1",
    }
    for name, sentence in sentences.items():
        told = answer(inbox / name)
        assert (told["state"], told["error"]) == ("failed", "-3")
        assert sentence in told["message"]
    assert secret.exists()
    assert server.is_running()


def test_names_and_folders_lead_nowhere_else(
    inbox: Path, server: Server, clip: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (inbox / "door").symlink_to(outside)
    put(inbox, "door", f"path={clip}")
    for name in ("con", "tail.", "x.request", "x\u202e", 81 * "x", "a\nb"):
        put(inbox, name, f"path={clip}")
    (inbox / os.fsdecode(b"\xff.request")).write_text(f"path={clip}\nend=1", "utf-8")
    (inbox / "folder.request").mkdir()
    (inbox / ".hidden.request").write_text(f"path={clip}\nend=1", "utf-8")
    put(inbox, "after", f"path={clip}", "length=4410")
    assert answer(inbox / "after")["state"] == "done"
    wait_until((inbox / "folder" / "status").exists)
    assert status_of(inbox / "folder")["error"] == "-3"
    wait_until(lambda: len(list(inbox.glob("[!.]*.request"))) == 1)
    assert (inbox / ".hidden.request").exists()
    assert not list(outside.iterdir())
    names = {path.name for path in inbox.iterdir()}
    assert not names & {"con", "tail.", "x.request", "x\u202e", 81 * "x", "a\nb"}
    assert (server.state / "log").read_bytes().count(b"left in the inbox") == 1
    (inbox / "folder.request").rmdir()


def test_one_that_waits_and_one_that_runs_are_called_off(
    inbox: Path, song: Audio, tmp_path: Path
) -> None:
    long = tmp_path / "long.wav"
    soundfile.write(long, np.tile(song.samples.T, (60, 1)), song.sample_rate_hz, "PCM_16")
    for number in range(3):
        put(inbox, f"long {number}", f"path={long}")
    wait_until((inbox / "long 0" / "status").exists)
    wait_until(lambda: status_of(inbox / "long 0")["state"] == "running")
    put(inbox, "both at once", f"path={long}")
    for name in ("long 0", "long 1", "long 2", "both at once", "unknown"):
        (inbox / f"{name}.cancel").touch()
    for name in ("long 0", "long 1", "long 2", "both at once"):
        assert answer(inbox / name)["state"] == "cancelled"
        assert [path.name for path in (inbox / name).iterdir()] == ["status"]
    wait_until(lambda: not list(inbox.glob("*.cancel")))


def test_nothing_is_lost_or_done_twice_whenever_the_server_is_killed(
    network_path: Path, clip: Path, tmp_path: Path
) -> None:
    """Requests of all kinds lie there or come while it is killed, again and again."""
    chance = random.Random(0)
    server = Server(tmp_path, tmp_path / "state", options=("--inbox", str(tmp_path / "in")))
    inbox = tmp_path / "in"
    inbox.mkdir()
    shutil.copy(clip, tmp_path / "clip.wav")
    names = []
    for crash in range(CRASHES):
        for kind in ("good", "bad"):
            names.append(f"{kind} {crash}")
            path = tmp_path / ("clip.wav" if kind == "good" else "nothing.wav")
            put(inbox, names[-1], f"path={path}", "length=22050")
        server.start()
        time.sleep(chance.uniform(0, 0.4))
        server.kill()
    with server:
        told = {name: answer(inbox / name) for name in names}
    assert Counter(each["state"] for each in told.values()) == {"done": CRASHES, "failed": CRASHES}
    assert all((each["state"] == "done") == name.startswith("good") for name, each in told.items())
    assert not list(inbox.glob("*.request"))
    with closing(Store(server.state / "jobs.sqlite")) as store:
        jobs = store.latest(1000)
    assert len(jobs) == CRASHES
    assert {Path(record.task.folder).name for record in jobs} == set(names[::2])
    for name in names[::2]:
        assert {path.name for path in (inbox / name).iterdir()} == {
            "vocals.wav", "accompaniment.wav", "outcome.json", "status",
        }  # fmt: skip


def test_what_is_old_is_forgotten_and_nothing_else_in_the_folder(
    server: Server, inbox: Path, clip: Path
) -> None:
    for name in ("old", "kept", "young"):
        put(inbox, f"forget {name}", f"path={clip}", "length=4410")
    for name in ("old", "kept", "young"):
        assert answer(inbox / f"forget {name}")["state"] == "done"
    (inbox / "forget kept" / "mine.txt").touch()
    (inbox / "theirs").mkdir()
    (inbox / "theirs" / "song.wav").touch()
    for name in ("forget old", "forget kept", "theirs"):
        os.utime(inbox / name, (time.time() - 2 * DAY_S,) * 2)
    forget_old(inbox, DAY_S)
    assert not (inbox / "forget old").exists()
    assert {path.name for path in (inbox / "forget kept").iterdir()} == {"mine.txt", "status"}
    assert (inbox / "forget young" / "vocals.wav").exists()
    assert (inbox / "theirs" / "song.wav").exists()
    assert server.is_running()
