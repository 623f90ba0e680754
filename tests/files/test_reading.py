from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.errors import AudioError
from daw_bridge.files.blocks import BLOCK_FRAMES, Fifo, rechunk
from daw_bridge.files.reading import open_audio
from tests.conftest import level_db, make_noise
from tests.encoded import KINDS, damaged, encode

NOISE = make_noise(100_000)


@pytest.mark.parametrize(
    ("suffix", "file_format", "subtype", "limit_db"),
    [
        ("wav", "WAV", "FLOAT", -200),
        ("wav", "WAV", "DOUBLE", -200),
        ("wav", "WAV", "PCM_24", -110),
        ("wav", "WAV", "PCM_16", -70),
        ("wav", "RF64", "PCM_24", -110),
        ("w64", "W64", "FLOAT", -200),
        ("flac", "FLAC", "PCM_24", -110),
        ("aiff", "AIFF", "PCM_24", -110),
        ("ogg", "OGG", "VORBIS", -1),
        ("opus", "OGG", "OPUS", -1),
        ("mp3", "MP3", "MPEG_LAYER_III", -3),
    ],
)
def test_what_libsndfile_knows_is_read(
    suffix: str, file_format: str, subtype: str, limit_db: float, tmp_path: Path
) -> None:
    path = tmp_path / f"ünï cödé \u266b.{suffix}"
    rate = 48_000 if subtype == "OPUS" else 44_100
    soundfile.write(path, NOISE.samples.T, rate, subtype, format=file_format)
    audio = Audio.read(path)
    assert audio.sample_rate_hz == rate
    assert audio.samples.shape == NOISE.samples.shape
    assert level_db(audio.samples - NOISE.samples, NOISE.samples) < limit_db


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("m4a", "alac"), ("mkv", "pcm_s16le"), ("mp4", "aac"), ("webm", "libopus")],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_other_containers_are_read(suffix: str, codec: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / f"tone.{suffix}"
    time_s = np.arange(96_000) / 48_000
    tone = np.repeat(0.5 * np.sin(2 * np.pi * 440 * time_s)[np.newaxis], channels, axis=0)
    layout = "mono" if channels == 1 else "stereo"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=48_000, layout=layout)
        frame = av.AudioFrame.from_ndarray(tone.astype(np.float32), "fltp", layout)
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    audio = Audio.read(path)
    assert audio.sample_rate_hz == 48_000
    assert audio.channels == channels
    frames = min(audio.frames, 96_000)
    assert abs(audio.frames - 96_000) <= 2048  # lossy codecs pad their last packet
    middle = slice(10_000, frames - 10_000)
    assert level_db(audio.samples[:, middle] - tone[:, middle], tone[:, middle]) < -15


@pytest.mark.parametrize("suffix", ["flac", "mkv"])
def test_start_and_length_are_exact(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"noise.{suffix}"
    soundfile.write(tmp_path / "noise.flac", NOISE.samples.T, 44_100, "PCM_16")
    if suffix == "mkv":
        with av.open(str(tmp_path / "noise.flac")) as source, av.open(str(path), "w") as target:
            stream = target.add_stream_from_template(source.streams.audio[0])
            for packet in source.demux(source.streams.audio[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
    whole = Audio.read(tmp_path / "noise.flac").samples
    with open_audio(path) as reader:
        part = np.concatenate(list(reader.blocks(70_001, 12_345)), axis=1)
        rest = np.concatenate(list(reader.blocks(99_000)), axis=1) if suffix == "flac" else None
    assert np.array_equal(part, whole[:, 70_001:82_346])
    if rest is not None:
        assert np.array_equal(rest, whole[:, 99_000:])


def test_blocks_have_one_size(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "noise.wav", make_noise(3 * BLOCK_FRAMES + 5).samples.T, 44_100)
    with open_audio(tmp_path / "noise.wav") as reader:
        assert [block.shape[1] for block in reader.blocks()] == [*[BLOCK_FRAMES] * 3, 5]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def wav_bytes(tmp_path: Path, samples: np.ndarray = NOISE.samples) -> bytes:
    soundfile.write(tmp_path / "whole.wav", samples.T, 44_100, "FLOAT")
    return (tmp_path / "whole.wav").read_bytes()


def test_bad_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    bad = {
        tmp_path / "missing.wav": "There is no file",
        tmp_path: "is a folder",
        write(tmp_path / "empty.wav", b""): "is empty",
        write(tmp_path / "text.wav", b"These are words, not audio.\n" * 50): "cannot be read as",
        write(tmp_path / "cut.wav", wav_bytes(tmp_path)[:30]): "cannot be read as audio",
        write(tmp_path / "zero.wav", wav_bytes(tmp_path, np.zeros((2, 0)))): "holds no audio",
        write(tmp_path / "noise.mp3", np.random.default_rng(0).bytes(5000)): "cannot be read as",
    }
    for path, message in bad.items():
        with pytest.raises(AudioError, match=message) as caught:
            Audio.read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_found(value: float, tmp_path: Path) -> None:
    samples = NOISE.samples.copy()
    samples[1, 77_777] = value
    soundfile.write(tmp_path / "bad.wav", samples.T, 44_100, "FLOAT")
    with pytest.raises(AudioError, match="frame 77777 is infinite or not a number"):
        Audio.read(tmp_path / "bad.wav")
    with pytest.raises(AudioError, match="frame 77777"):
        Audio(samples, 44_100)


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "silent.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match="no audio track"):
        Audio.read(tmp_path / "silent.mkv")


def test_a_start_beyond_the_end_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "noise.wav", NOISE.samples.T, 44_100)
    with open_audio(tmp_path / "noise.wav") as reader, pytest.raises(AudioError, match="there"):
        list(reader.blocks(200_000))


def test_fifo_and_rechunk_keep_every_frame() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 50, 100)
    ends = np.cumsum(sizes)
    signal = rng.standard_normal((2, ends[-1])).astype(np.float32)
    blocks = [signal[:, end - n : end] for end, n in zip(ends, sizes, strict=True)]
    again = list(rechunk(iter(blocks), 64))
    assert {block.shape[1] for block in again[:-1]} == {64}
    assert np.array_equal(np.concatenate(again, axis=1), signal)
    fifo = Fifo(signal[:, :10])
    fifo.push(signal[:, 10:30])
    assert np.array_equal(fifo.peek(15), signal[:, :15])
    assert np.array_equal(fifo.take(20), signal[:, :20])
    assert fifo.frames == 10


@pytest.mark.parametrize("is_damaged", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_read_can_be_read_again(kind: str, is_damaged: bool, tmp_path: Path) -> None:
    path = tmp_path / f"song.{kind}"
    encode(kind, path)
    if is_damaged:
        path.write_bytes(damaged(path.read_bytes()))
    with open_audio(path) as reader:
        first = np.concatenate(list(reader.blocks()), axis=1)
        warnings = reader.warnings
        again = np.concatenate(list(reader.blocks()), axis=1)
        assert reader.warnings == warnings
        part = np.concatenate(list(reader.blocks(1000, 2000)), axis=1)
    assert np.array_equal(again, first)
    assert np.array_equal(part, first[:, 1000:3000])
