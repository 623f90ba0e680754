"""``stemtool serve``, ``send`` and ``status``, as a user starts them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from tests.conftest import SONGS
from tests.encoded import damaged, encode
from tests.server import HOST, Server, wait_until
from tests.stemtool import STEMTOOL, stemtool


@pytest.fixture(scope="module")
def server(network_path: Path, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    with Server(tmp_path_factory.getbasetemp(), tmp_path_factory.mktemp("state")) as server:
        yield server


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return Path(shutil.copy(SONGS / "sodium.ogg", tmp_path / "song.ogg"))


@pytest.fixture
def to(server: Server) -> str:
    return f"{HOST}:{server.port}"


def test_send_gives_what_separate_gives(to: str, song: Path, tmp_path: Path) -> None:
    part = ("--start", "2.5", "--length", "0:03", "--bits", "32f")
    run = stemtool("send", song, "-o", tmp_path / "sent", "--to", to, *part)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        str(tmp_path / "sent" / f"{stem}.wav") for stem in ("vocals", "accompaniment")
    ]
    assert (
        stemtool(
            "separate", song, "-o", tmp_path / "here", "--name", "{stem}.wav", *part
        ).returncode
        == 0
    )
    for stem in ("vocals", "accompaniment"):
        sent = Audio.read(tmp_path / "sent" / f"{stem}.wav").samples
        np.testing.assert_array_equal(sent, Audio.read(tmp_path / "here" / f"{stem}.wav").samples)


def test_send_travels(to: str, song: Path, tmp_path: Path) -> None:
    arguments = ("send", song, "-o", tmp_path, "--to", to, "--upload", "--length", "2", "--json")
    run = stemtool(*arguments, "--stems", "vocals", "--format", "flac", "--label", "Bass 1")
    assert run.returncode == 0, run.stderr
    path = tmp_path / "Bass 1 – vocals.flac"  # noqa: RUF001
    assert json.loads(run.stdout)["outputs"] == {"vocals": str(path)}
    assert Audio.read(path).frames == 2 * Audio.read(song).sample_rate_hz
    again = stemtool(*arguments, "--stems", "vocals", "--format", "flac", "--label", "Bass 1")
    assert again.returncode == 2
    assert "--overwrite" in again.stderr


def test_all_but_some_stems(to: str, song: Path, tmp_path: Path) -> None:
    run = stemtool("send", song, "-o", tmp_path, "--to", to, "--length", "1", "--minus", "vocals")
    assert (run.returncode, run.stdout) == (0, f"{tmp_path / 'no vocals.wav'}\n")


def test_several_files_and_one_that_fails(to: str, song: Path, tmp_path: Path) -> None:
    run = stemtool("send", song, "none.wav", "-o", tmp_path, "--to", to, "--length", "1")
    assert run.returncode == 1
    assert run.stderr == "stemtool: There is no file none.wav.\n"
    assert (tmp_path / song.stem / "vocals.wav").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--stems", "vocal"), 2, "did you mean 'vocals'"),
        (("-m", "spleeter-2stem"), 1, "did you mean 'spleeter-2stems'"),
        (("--set", "wiener"), 2, "KEY=VALUE"),
        (("--set", "winer=1"), 2, "did you mean 'wiener'"),
        (("--to", "studio"), 2, "HOST:PORT"),
        (("--to", f"{HOST}:1"), 1, "`stemtool serve` starts one"),
        (("-o", "/proc/else"), 1, "not below a folder that this server may use"),
        (("--token-file", "none"), 2, "token file none cannot be read"),
    ],
)
def test_what_stands_against_sending(
    arguments: tuple[str, ...], code: int, sentence: str, to: str, song: Path, tmp_path: Path
) -> None:
    run = stemtool("send", song, "-o", tmp_path / "out", "--to", to, *arguments)
    assert (run.returncode, run.stdout) == (code, "")
    assert sentence in run.stderr
    assert run.stderr.count("\n") == 1
    if arguments[0] in ("--stems", "-m", "--to"):
        assert "state=failed" in (tmp_path / "out" / "status").read_text("utf-8")


def test_an_interrupt_calls_the_job_off(
    to: str, server: Server, song: Path, tmp_path: Path
) -> None:
    samples = np.tile(Audio.read(song).samples.T, (30, 1))
    soundfile.write(tmp_path / "long.wav", samples, 44_100)
    command = [STEMTOOL, "send", tmp_path / "long.wav", "-o", tmp_path / "out", "--to", to]
    process = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True)
    wait_until((tmp_path / "out" / "status").exists)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    status = tmp_path / "out" / "status"
    wait_until(lambda: "state=cancelled" in status.read_text("utf-8"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["status"]


def test_status(to: str, song: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert stemtool("send", song, "-o", out, "--to", to, "--length", "1").returncode == 0
    listed = json.loads(stemtool("status", "--to", to, "--json").stdout)
    assert listed[-1]["folder"] == str(out)
    assert listed[-1]["state"] == "done"
    table = stemtool("status", "--to", to, env={**os.environ, "COLUMNS": "200"}).stdout
    assert "100%" in table
    assert str(tmp_path)[:40] in table


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--host", "0.0.0.0"), 2, "--token-file"),
        (("-m", "spleeter-2stem"), 1, "did you mean"),
        (("--root", "/nowhere"), 2, "does not exist"),
        (("--port", "{port}"), 1, "--port takes another"),
        (("--provider", "cuda"), 1, "CUDA cannot be used"),
    ],
)
def test_what_stands_against_serving(
    arguments: tuple[str, ...], code: int, sentence: str, server: Server, tmp_path: Path
) -> None:
    said = [argument.format(port=server.port) for argument in arguments]
    if "--port" not in said:
        said += ["--port", "0"]
    run = stemtool("serve", "--state", tmp_path / "state", *said)
    assert run.returncode == code
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "state" / "server").exists()


def test_the_log_can_be_json(network_path: Path, tmp_path: Path) -> None:
    with Server(tmp_path, tmp_path / "state", ("--log-json",)) as server:
        ready = json.loads(server.log.splitlines()[0])
    assert ready["event"] == "ready"
    assert ready["port"] > 0


def test_systemd_is_told(
    network_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with Server(tmp_path, tmp_path / "state"):
            assert notify.recv(100) == b"READY=1"
        assert notify.recv(100) == b"STOPPING=1"


def test_send_says_what_is_wrong_with_a_file(to: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.m4a"
    encode("mp4", broken)
    broken.write_bytes(damaged(broken.read_bytes()))
    run = stemtool("send", broken, "-o", tmp_path / "out", "--to", to)
    assert run.returncode == 1
    assert f"stemtool: {broken} is damaged at 0:0" in run.stderr
    assert len(run.stdout.splitlines()) == 2
    assert json.loads((tmp_path / "out" / "outcome.json").read_text("utf-8"))["warnings"]
    strict = stemtool("send", broken, "-o", tmp_path / "strict", "--to", to, "--strict")
    assert strict.returncode == 1
    assert not list((tmp_path / "strict").glob("*.wav"))
