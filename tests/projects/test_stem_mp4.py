"""Stem files, decoded by FFmpeg's own programs and taken apart as players do it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen.flac import FLAC, Picture

from daw_bridge.errors import AudioError, Cancelled, DiskFullError
from daw_bridge.library.colours import COLOURS, colour_of
from daw_bridge.projects.composition import Original, compose
from daw_bridge.projects.destination import Destination
from daw_bridge.projects.formats import FORMATS
from daw_bridge.projects.project import Project, Track
from daw_bridge.projects.stem_mp4 import FOUR, Routing
from daw_bridge.projects.writing import write_project
from tests.conftest import level_db, make_noise
from tests.disks import fill_up, small_disk
from tests.stem_files import RATE_HZ, Band, make_band, walk

COVER = b"\x89PNG\r\n\x1a\n" + bytes(5000)
CODECS = {"stem.mp4": "aac", "stem.mp4:alac": "alac"}

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")


@pytest.fixture(scope="module")
def band(tmp_path_factory: pytest.TempPathFactory) -> Band:
    band = make_band(tmp_path_factory.mktemp("band"))
    tagged: Any = FLAC(band.mixture)
    tagged.update(title=["Sång <&> 🎵"], artist=["Wer"])
    picture = Picture()
    picture.data, picture.mime, picture.type = COVER, "image/png", 3
    tagged.add_picture(picture)
    tagged.save()
    return band


@pytest.fixture(scope="module", params=CODECS)
def stem_file(
    request: pytest.FixtureRequest, band: Band, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp("files") / "Song.stem.mp4"
    return CODECS[request.param], band.write(path, request.param)


def decode(path: Path, track: int) -> np.ndarray:
    """Return a track as FFmpeg's own program decodes it: int32 (2, frames)."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", f"0:a:{track}", "-f", "s32le", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    return np.frombuffer(done.stdout, "<i4").reshape(-1, 2).T


def probe(path: Path) -> list[dict[str, Any]]:
    command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, check=True)
    streams: list[dict[str, Any]] = json.loads(done.stdout)["streams"]
    return [each for each in streams if each["codec_type"] == "audio"]


def lag_of(signal: np.ndarray, reference: np.ndarray) -> int:
    """Return by how many frames a signal is late, where the two correlate most."""
    size = 1 << 20
    spectra = (np.fft.rfft(each.astype(np.float64), size) for each in (signal, reference))
    first, second = spectra
    lag = int(np.argmax(np.fft.irfft(first * second.conj(), size)))
    return lag - size if lag > size // 2 else lag


@needs_ffmpeg
def test_five_tracks_in_step(stem_file: tuple[str, Path], band: Band) -> None:
    codec, path = stem_file
    frames = soundfile.info(band.mixture).frames
    streams = probe(path)
    facts = ("codec_name", "channels", "sample_rate", "start_pts", "duration_ts")
    assert [tuple(each[fact] for fact in facts) for each in streams] == 5 * [
        (codec, 2, str(RATE_HZ), 0, frames)
    ]
    assert [each["disposition"]["default"] for each in streams] == [1, 0, 0, 0, 0]
    lengths = set()
    for number, source in enumerate(band.tracks):
        decoded = decode(path, number)
        expected = soundfile.read(source, dtype="int32")[0].T
        lengths.add(decoded.shape[1])
        if codec == "alac":
            assert np.array_equal(decoded, expected)
            continue
        assert lag_of(decoded[0], expected[0]) == 0
        error = decoded[:, :frames] / 2**31 - expected / 2**31
        assert level_db(error, expected / 2**31) < -20
    assert len(lengths) == 1


def test_what_a_player_finds(stem_file: tuple[str, Path]) -> None:
    content = stem_file[1].read_bytes()
    assert walk(content, b"ftyp")[0].startswith(b"M4A ")
    (manifest,) = walk(content, b"moov", b"udta", b"stem")
    told = json.loads(manifest)
    assert told["version"] == 1
    assert told["stems"] == [
        {"name": name.capitalize(), "color": str(COLOURS[name])} for name in FOUR
    ]
    assert not told["mastering_dsp"]["compressor"]["enabled"]
    assert not told["mastering_dsp"]["limiter"]["enabled"]
    flags = [head[1:4] for head in walk(content, b"moov", b"trak", b"tkhd")]
    assert flags == [b"\0\0\1", *4 * [b"\0\0\0"]]


def test_tags_and_cover_come_along(stem_file: tuple[str, Path]) -> None:
    tagged: Any = mutagen.File(stem_file[1])
    assert tagged["\xa9nam"] == ["Sång <&> 🎵"]
    assert tagged["\xa9ART"] == ["Wer"]
    assert bytes(tagged["covr"][0]) == COVER


def test_the_same_song_gives_the_same_bytes(
    stem_file: tuple[str, Path], band: Band, tmp_path: Path
) -> None:
    codec, path = stem_file
    form = next(name for name, each in CODECS.items() if each == codec)
    assert band.write(tmp_path / "again.stem.mp4", form).read_bytes() == path.read_bytes()


def track(stem: str, file: Path = Path("x.wav")) -> Track:
    return Track(stem, stem, file, colour_of(stem), 2, 1, 1)


@pytest.mark.parametrize(
    ("stems", "told"),
    [
        (["vocals", "drums", "bass", "other"], []),
        (
            ["vocals", "accompaniment"],
            [
                "the track Drums is silent",
                "the track Bass is silent",
                "the track Other is accompaniment",
            ],
        ),
        (
            ["drums.kick", "drums.hihat", "bass", "vocals.lead", "guitar", "piano", "other"],
            [
                "the track Drums is drums.kick + drums.hihat",
                "the track Other is guitar + piano + other",
                "the track Vocals is vocals.lead",
            ],
        ),
        (["drums", "drums.kick", "drums.kick.in", "bass", "other", "vocals"], []),
        (
            ["kick", "snare", "rest", "bass", "voice", "<b>"],
            [
                "the track Drums is kick + snare",
                "the track Other is rest + <b>",
                "the track Vocals is voice",
            ],
        ),
    ],
)
def test_four_of_any(stems: list[str], told: list[str]) -> None:
    project = Project("Song", RATE_HZ, track(""), tuple(map(track, stems)))
    routing = Routing.of(project)
    assert list(routing.remarks(project)) == told
    assert routing.matrix[0].tolist() == [1] + [0] * (len(routing.tracks) - 1)
    assert routing.matrix[1:].sum(axis=0).tolist() == [0] + [1] * (len(routing.tracks) - 1)


def write_stems(folder: Path, rate_hz: int, subtype: str, *parts: np.ndarray) -> dict[str, Path]:
    """Write parts (channels, frames) as files of stems."""
    names = ("vocals", "guitar", "piano")
    stems = {name: folder / f"{name}.wav" for name, _ in zip(names, parts, strict=False)}
    for path, samples in zip(stems.values(), parts, strict=True):
        soundfile.write(path, samples.T, rate_hz, subtype)
    return stems


def written(tmp_path: Path, stems: dict[str, Path]) -> list[np.ndarray]:
    """Write stems without their original as ALAC; return the tracks, float64 (2, frames) each."""
    path = tmp_path / "Song.stem.mp4"
    write_project(compose("Song", stems), FORMATS["stem.mp4:alac"], Destination(path))
    return [decode(path, number) / 2**31 for number in range(5)]


@needs_ffmpeg
def test_parts_are_summed_and_mono_becomes_stereo(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts = [make_noise(70_001, channels=1, seed=seed).samples for seed in range(3)]
    stems = write_stems(tmp_path, RATE_HZ, "PCM_16", *parts)
    voice, guitar, piano = (soundfile.read(path)[0] for path in stems.values())
    mixture, drums, bass, other, vocals = written(tmp_path, stems)
    assert np.array_equal(vocals, np.stack([voice, voice]))
    assert np.array_equal(other, np.stack([guitar + piano] * 2))
    assert np.array_equal(mixture, np.stack([voice + guitar + piano] * 2))
    assert drums.shape == vocals.shape
    assert not drums.any()
    assert not bass.any()
    assert "the mixture is the sum of the stems" in caplog.text
    assert "Song.stem.mp4: the track Other is guitar + piano." in caplog.text


@needs_ffmpeg
def test_sixteen_bits_stay_sixteen(tmp_path: Path) -> None:
    band = make_band(tmp_path, "PCM_16")
    path = band.write(tmp_path / "Song.stem.mp4", "stem.mp4:alac")
    assert [each["bits_per_raw_sample"] for each in probe(path)] == 5 * ["16"]
    for number, source in enumerate(band.tracks):
        assert np.array_equal(decode(path, number), soundfile.read(source, dtype="int32")[0].T)


@needs_ffmpeg
@pytest.mark.parametrize(("rate_hz", "expected_hz"), [(88_200, 44_100), (96_000, 48_000)])
def test_other_rates_become_those_that_djs_play(
    rate_hz: int, expected_hz: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    time_s = np.arange(rate_hz) / rate_hz
    tone = np.tile(0.5 * np.sin(2 * np.pi * 1000 * time_s), (2, 1))
    *_, vocals = written(tmp_path, write_stems(tmp_path, rate_hz, "PCM_24", tone))
    assert vocals.shape == (2, expected_hz)
    again = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(expected_hz) / expected_hz)
    middle = slice(expected_hz // 4, -expected_hz // 4)
    assert level_db(vocals[0, middle] - again[middle], again[middle]) < -100
    assert f"its sample rate is {expected_hz:,} Hz" in caplog.text


@needs_ffmpeg
def test_what_would_clip_is_turned_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loud = make_noise(RATE_HZ).samples * 20
    *_, vocals = written(tmp_path, write_stems(tmp_path, RATE_HZ, "FLOAT", loud))
    peak = np.abs(loud).max()
    assert level_db(vocals * peak - loud, loud) < -100
    assert f"turned down by {20 * np.log10(peak):.2f} dB" in caplog.text


def test_it_can_be_called_off(band: Band, tmp_path: Path) -> None:
    beats = 0

    def stop() -> None:
        nonlocal beats
        beats += 1
        if beats == 3:
            raise Cancelled("It was called off.")

    with pytest.raises(Cancelled):
        band.write(tmp_path / "new.stem.mp4", heartbeat=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_nothing_of_it(band: Band, tmp_path: Path) -> None:
    size = band.write(tmp_path / "whole.stem.mp4").stat().st_size
    with small_disk(tmp_path / "disk", 2) as disk:
        for missing in (size // 2, 6_000, 1):
            ballast = fill_up(disk, leave=size - missing)
            with pytest.raises(DiskFullError, match=r"no room left for .*new"):
                band.write(disk / "new.stem.mp4")
            assert list(disk.iterdir()) == [ballast]
            ballast.unlink()


def test_an_original_of_another_length(band: Band, tmp_path: Path) -> None:
    project = compose("Song", band.stems, Original(band.mixture))
    short = tmp_path / "short.wav"
    soundfile.write(short, np.zeros((9000, 2)), RATE_HZ)
    assert project.original
    wrong = Project("Song", RATE_HZ, track("", short), project.stems)
    with pytest.raises(AudioError, match="is not as long as"):
        write_project(wrong, FORMATS["stem.mp4"], Destination(tmp_path / "x.stem.mp4"))
