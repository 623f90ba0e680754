"""Upmixes, asked of a real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.files.speakers import fold_matrix, read_mask, speakers_of
from tests.conftest import level_db, make_noise
from tests.server import Server, Udp

ENDS = ("/stems/done", "/stems/error")


def submit(peer: Udp, job: str, folder: Path, *paths: Path, options: str = "") -> None:
    types = "sssdds" + "s" * len(paths)
    peer.send("/stems/upmix", types, job, "", str(folder), 0.0, -1.0, options, *map(str, paths))


def test_a_clip_is_mixed_up(server: Server, clip: Path, tmp_path: Path) -> None:
    options = "layout=5.1-back;center_width=0.7;surround_level=3;lfe=80@-6;bits=32f;label=Up%2F1"
    with Udp(server.port) as peer:
        submit(peer, "up", tmp_path / "out", clip, options=options)
        queued, *_, stem, done = peer.receive_until(*ENDS)
    assert queued.arguments == ["/stems/upmix", "up", "queued"]
    path = tmp_path / "out" / "Up_1.wav"
    assert stem.arguments == ["up", 0, 1, "5.1-back", str(path)]
    mix, song = Audio.read(path).samples, Audio.read(clip).samples
    assert read_mask(path) == 0x3F
    assert level_db(fold_matrix(speakers_of(0x3F)) @ mix - song, song) <= -120
    manifest = json.loads(Path(str(done.arguments[2])).read_bytes())
    assert manifest["kind"] == "upmix"
    assert manifest["channels"] == 6
    assert manifest["null_db"] <= -120


@pytest.mark.parametrize(
    ("output", "names"),
    [("stems", ["vocals", "accompaniment"]), ("channels", ["L", "R", "C", "LFE", "Ls", "Rs"])],
)
def test_parts_are_events(
    output: str, names: list[str], server: Server, clip: Path, tmp_path: Path
) -> None:
    with Udp(server.port) as peer:
        submit(peer, f"up-{output}", tmp_path / "out", clip, options=f"output={output}")
        messages = peer.receive_until(*ENDS)
    stems = [each.arguments[3] for each in messages if each.address == "/stems/stem"]
    assert stems == names
    assert all((tmp_path / "out" / f"{name}.wav").exists() for name in names)


def test_two_mono_files_are_one_source(server: Server, clip: Path, tmp_path: Path) -> None:
    song = Audio.read(clip)
    sides = [tmp_path / f"clip.{side}.wav" for side in "LR"]
    for path, channel in zip(sides, song.samples, strict=True):
        soundfile.write(path, channel, song.sample_rate_hz, "FLOAT")
    with Udp(server.port) as peer:
        submit(peer, "up-monos", tmp_path / "out", *sides)
        assert peer.receive_until(*ENDS)[-1].address == "/stems/done"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("layout=9.1", "There is no layout '9.1'"),
        ("layout=../5.1", "There is no layout"),
        ("layuot=5.1", "did you mean 'layout'"),
        ("center_width=2", "from 0 to 1"),
        ("lfe=loud", "HZ@dB"),
        ("output=mono", "Option output"),
        ("format=mp3", "not mp3"),
        ("stems=/etc", "not below a folder that this server may use"),
    ],
)
def test_what_cannot_be_done_is_refused(
    options: str, sentence: str, server: Server, clip: Path, tmp_path: Path
) -> None:
    with Udp(server.port) as peer:
        submit(peer, f"no-{options}".replace("/", "-"), tmp_path / "out", clip, options=options)
        refusal = peer.receive_until(*ENDS)[-1]
    assert refusal.address == "/stems/error"
    assert sentence in str(refusal.arguments[3])
    assert not list((tmp_path / "out").glob("*.wav"))


def test_a_mono_source_fails_with_a_sentence(server: Server, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "mono.wav", make_noise(1000, channels=1).samples.T, 44_100)
    with Udp(server.port) as peer:
        submit(peer, "up-mono", tmp_path / "out", tmp_path / "mono.wav")
        failure = peer.receive_until(*ENDS)[-1]
    assert "only stereo can be mixed up" in str(failure.arguments[3])


def test_a_long_upmix_is_cancelled(server: Server, long: Path, tmp_path: Path) -> None:
    with Udp(server.port) as peer:
        submit(peer, "up-long", tmp_path / "out", long)
        peer.receive_until("/stems/progress")
        peer.send("/stems/cancel", "s", "up-long")
        end = peer.receive_until(*ENDS)[-1]
    assert end.arguments[2] == -7
    assert not list((tmp_path / "out").glob("*.wav"))
