"""``stemtool info``, and the audio tracks that it lists, read by the real commands."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.files.tags import read_tags
from tests.conftest import level_db, make_noise
from tests.server import HOST, Server
from tests.stemtool import STEMTOOL, stemtool


class Version(NamedTuple):
    """An audio track."""

    sample_rate_hz: int
    channels: int
    language: str
    title: str

    @property
    def samples(self) -> np.ndarray:
        """A second of noise, which no other track has: (channels, frames)."""
        rate = self.sample_rate_hz
        return make_noise(rate, channels=self.channels, seed=rate).samples


VERSIONS = (Version(44_100, 1, "eng", "Commentary"), Version(48_000, 2, "deu", "Ton"))
LAYOUTS = {1: "mono", 2: "stereo"}


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A video without pictures, of two audio tracks."""
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w", format="matroska") as container:
        container.metadata["title"] = "The film"
        for version in VERSIONS:
            layout = LAYOUTS[version.channels]
            stream: Any = container.add_stream(
                "pcm_f32le", rate=version.sample_rate_hz, layout=layout
            )
            stream.metadata.update(language=version.language, title=version.title)
        for stream, version in zip(container.streams.audio, VERSIONS, strict=True):
            interleaved = np.ascontiguousarray(version.samples.T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(interleaved, "flt", LAYOUTS[version.channels])
            frame.sample_rate, frame.pts = version.sample_rate_hz, 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def info(*arguments: object, status: int = 0) -> tuple[dict[str, Any], str]:
    """Return the report, and what was said beside it."""
    run = stemtool("info", *arguments, "--json")
    assert run.returncode == status, run.stderr
    assert "Traceback" not in run.stderr
    return json.loads(run.stdout), run.stderr


def make_flac(path: Path) -> Path:
    soundfile.write(path, make_noise(100_000).samples.T, 44_100, format="FLAC")
    return path


def test_a_sound_file_is_as_it_says(tmp_path: Path) -> None:
    path = make_flac(tmp_path / "take.raw")
    report, said = info(path)
    (seen,) = report["files"]
    assert (seen["source"], seen["container"], seen["codec"]) == (str(path), "FLAC", "PCM_16")
    assert (seen["sample_rate_hz"], seen["channels"]) == (44_100, 2)
    assert (seen["frames"], seen["claimed_frames"]) == (100_000, 100_000)
    assert seen["duration_s"] == pytest.approx(100_000 / 44_100)
    assert [track["number"] for track in seen["tracks"]] == [1]
    assert (seen["warnings"], report["failed"], said) == ([], [], "")
    run = stemtool("info", path)
    assert (run.returncode, run.stderr) == (0, "")
    assert "100000, as the file says" in run.stdout
    assert "track 1" not in run.stdout


def test_tags_are_shown(film: Path) -> None:
    report, _ = info(film)
    assert report["files"][0]["tags"] == {"title": ["The film"]}
    assert "  title        The film\n" in stemtool("info", film).stdout


def test_audio_tracks_are_listed_and_read(film: Path) -> None:
    for number, version in enumerate(VERSIONS, 1):
        (seen,) = info(film, "--track", number)[0]["files"]
        assert (seen["sample_rate_hz"], seen["channels"]) == version[:2]
        assert seen["frames"] == version.sample_rate_hz
        assert seen["tracks"] == [
            {"number": number, "codec": "pcm_f32le", **each._asdict()}
            for number, each in enumerate(VERSIONS, 1)
        ]
    shown = stemtool("info", film).stdout
    assert "  track 1      pcm_f32le, 44100 Hz, mono, eng, Commentary\n" in shown
    assert "  track 2      pcm_f32le, 48000 Hz, 2 channels, deu, Ton\n" in shown


def test_each_file_fails_and_is_damaged_for_itself(tmp_path: Path) -> None:
    sound = make_flac(tmp_path / "sound.flac")
    content = bytearray(sound.read_bytes())
    half = len(content) // 2
    content[half : half + 600] = bytes(600)
    (damaged := tmp_path / "damaged.flac").write_bytes(content)
    (cut := tmp_path / "cut.flac").write_bytes(sound.read_bytes()[:half])
    (noise := tmp_path / "noise.wav").write_bytes(bytes(range(256)) * 20)
    missing = tmp_path / "missing.wav"
    report, said = info(damaged, noise, missing, tmp_path, cut, sound, status=1)
    seen = {Path(each["source"]): each for each in report["files"]}
    assert list(seen) == [damaged, cut, sound]
    assert seen[damaged]["frames"] == 100_000
    assert "s of silence stand there" in seen[damaged]["warnings"][0]
    assert seen[cut]["frames"] < 100_000 == seen[cut]["claimed_frames"]
    assert "a part of it is missing" in seen[cut]["warnings"][-1]
    assert not seen[sound]["warnings"]
    assert [each["source"] for each in report["failed"]] == [*map(str, (noise, missing, tmp_path))]
    sentences = [text for each in seen.values() for text in each["warnings"]]
    sentences += [each["error"] for each in report["failed"]]
    assert sorted(said.splitlines()) == sorted(f"stemtool: {each}" for each in sentences)
    run = stemtool("info", cut)
    assert run.returncode == 1
    assert "fewer than the file says" in run.stdout


def test_standard_input_and_pipes_are_read(tmp_path: Path) -> None:
    path = make_flac(tmp_path / "take")
    for command in ('cat "$1" | "$0" info - --json', '"$0" info <(cat "$1") --json'):
        run = subprocess.run(
            ["bash", "-c", command, STEMTOOL, path], capture_output=True, text=True, check=True
        )
        assert json.loads(run.stdout)["files"][0]["frames"] == 100_000


def test_help_shows_examples() -> None:
    assert "stemtool info film.mkv --track 2" in stemtool("info", "--help").stdout
    assert "stemtool info" in stemtool("--help").stdout


@pytest.mark.usefixtures("home_with_weights")
def test_stems_of_a_track_sum_to_it(film: Path, tmp_path: Path) -> None:
    run = stemtool("separate", film, "-o", tmp_path, "--track", 2, "--bits", "32f",
                   "--start", "0.25", "--length", "0.5", "--json")  # fmt: skip
    assert run.returncode == 0, run.stderr
    (report,) = json.loads(run.stdout)["separated"]
    assert (report["sample_rate_hz"], report["frames"]) == (48_000, 24_000)
    paths = [Path(path) for path in report["outputs"].values()]
    expected = VERSIONS[1].samples[:, 12_000:36_000]
    rest = sum(Audio.read(path).samples for path in paths) - expected
    assert level_db(rest, expected) <= -120
    assert read_tags(paths[0]).fields == {"title": ["The film"]}


@pytest.mark.usefixtures("home_with_weights")
def test_a_remix_is_of_its_track_and_of_no_other_tracks_stems(film: Path, tmp_path: Path) -> None:
    for number, provider in ((1, "cpu"), (2, "cpu"), (2, "cache"), (1, "cache")):
        out = tmp_path / "out.wav"
        run = stemtool("remix", film, "-o", out, "--track", number, "--bits", "32f",
                       "--provider", "cpu", "--overwrite", "--json")  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert json.loads(run.stdout)["provider"] == provider
        remix, expected = Audio.read(out), VERSIONS[number - 1]
        assert remix.sample_rate_hz == expected.sample_rate_hz
        assert level_db(remix.samples - expected.samples, expected.samples) <= -120


@pytest.mark.usefixtures("home_with_weights")
def test_an_upmix_folds_down_to_its_track(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    run = stemtool("upmix", film, "-o", out, "--track", 2, "--bits", "32f", "--json")
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert (report["sample_rate_hz"], report["frames"]) == (48_000, 48_000)
    assert report["null_db"] <= -120


@pytest.mark.usefixtures("network_path")
def test_a_server_separates_the_track_that_is_said(film: Path, tmp_path: Path) -> None:
    with Server(tmp_path, tmp_path / "state") as server:
        run = stemtool("send", film, "-o", tmp_path / "sent", "--to", f"{HOST}:{server.port}",
                       "--track", 2, "--start", "0.25", "--bits", "32f", "--json")  # fmt: skip
    assert run.returncode == 0, run.stderr
    expected = VERSIONS[1].samples[:, 12_000:]
    stems = [Audio.read(path) for path in json.loads(run.stdout)["outputs"].values()]
    assert {each.sample_rate_hz for each in stems} == {48_000}
    assert level_db(sum(each.samples for each in stems) - expected, expected) <= -120


@pytest.mark.usefixtures("network_path")
def test_a_track_that_is_not_there_is_one_sentence(film: Path, tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, make_noise(44_100).samples.T, 44_100)
    for file, there in ((film, "2 audio tracks"), (song, "one audio track")):
        sentence = f"stemtool: {file} has {there}, and no track 3.\n"
        for command in ("info", "separate", "remix", "upmix"):
            output = [] if command == "info" else ["-o", tmp_path / "new" / "out.wav"]
            run = stemtool(command, file, *output, "--track", 3)
            assert (run.returncode, run.stdout, run.stderr) == (1, "", sentence)
    assert not (tmp_path / "new").exists()
    run = stemtool("info", film, "--track", 0)
    assert (run.returncode, run.stdout) == (2, "")
