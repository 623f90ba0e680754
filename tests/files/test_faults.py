"""Every container and codec, whole and with the faults of the world, beside FFmpeg's own decode."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_bridge.errors import AudioError
from daw_bridge.files.blocks import Block
from daw_bridge.files.reading import open_audio
from tests.encoded import KINDS, RATE_HZ, SECONDS, damaged, encode

JOINABLE = ("flac", "mp3", "mp3 without write_xing", "adts", "ac3", "ogg", "opus")
MEASURED = {"wav", "aiff", "flac", "mp3", "asf", "wv", "tta"}  # their heads say how long they are
INDEXED = {"mp4", "mov"}  # at the end of the file
# Where damage is heard but no decoder tells of it: its samples are as good as any others.
UNTOLD = {"wav", "aiff", "mp2", "mov", "asf", "webm", "mp3 without write_xing"}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def source(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "audio"
    encode(kind, path)
    return path


@pytest.fixture(scope="module")
def content(source: Path) -> bytes:
    return source.read_bytes()


def read(path: Path) -> tuple[Block, tuple[str, ...]]:
    with open_audio(path) as reader:
        samples = np.concatenate(list(reader.blocks()), axis=1)
        return samples, reader.warnings


def decode(path: Path) -> Block:
    """Decode as FFmpeg does by itself."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        planar = av.AudioResampler("fltp", "stereo", stream.rate)
        frames = [*container.decode(stream), None]
        parts = [part for frame in frames for part in planar.resample(frame)]
    return np.concatenate([np.asarray(part.to_ndarray(), np.float32) for part in parts], axis=1)


def write(folder: Path, content: bytes, name: str = "take.raw") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["take.raw", "take.wav", "Artist: Title.mp3", "take"])
def test_all_is_read_whatever_its_name(content: bytes, name: str, tmp_path: Path) -> None:
    path = write(tmp_path, content, name)
    samples, flaws = read(path)
    expected = decode(write(tmp_path, content, "plain"))
    assert samples.shape == expected.shape
    assert np.abs(samples - expected).max() < 1e-6
    assert not flaws


@pytest.mark.parametrize("kind", JOINABLE, indirect=True)
def test_files_that_were_joined_are_read_to_the_end(content: bytes, tmp_path: Path) -> None:
    once, _ = read(write(tmp_path, content))
    twice, flaws = read(write(tmp_path, content * 2))
    assert not flaws
    assert abs(twice.shape[1] - 2 * once.shape[1]) < 0.1 * RATE_HZ
    assert np.abs(twice[:, :RATE_HZ] - once[:, :RATE_HZ]).max() < 1e-6
    second = twice[0, once.shape[1] :]
    lags = range(-2500, 2500)  # what encoders pad the beginning and the end with
    assert (
        min(np.abs(second[RATE_HZ + lag :][:500] - once[0, RATE_HZ:][:500]).max() for lag in lags)
        < 0.05
    )


def test_a_damaged_spot_becomes_silence_and_nothing_shifts(
    kind: str, content: bytes, tmp_path: Path
) -> None:
    whole, _ = read(write(tmp_path, content))
    samples, flaws = read(write(tmp_path, damaged(content)))
    assert samples.shape == whole.shape
    end = slice(-RATE_HZ, -RATE_HZ // 2)
    assert np.abs(samples[:, end] - whole[:, end]).max() < 0.1  # AC-3 has noise of its own
    if kind in UNTOLD:
        return
    assert flaws
    for flaw in flaws:
        said = re.search(r"take\.raw is damaged at 0:0(\d\.\d+): (\d\.\d+) s of silence", flaw)
        assert said
        start, length = map(float, said.groups())
        assert abs(start - SECONDS / 2) < 1.5
        rate = 48_000 if KINDS[kind] == "libopus" else RATE_HZ
        assert not samples[:, int(start * rate) + 100 : int((start + length) * rate) - 100].any()


def test_damage_at_the_beginning_shifts_nothing(tmp_path: Path) -> None:
    encode("mp4", tmp_path / "whole")
    whole, _ = read(tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    spot = content.index(b"mdat") + 300
    noise = np.random.default_rng(0).bytes(600)
    samples, flaws = read(write(tmp_path, content[:spot] + noise + content[spot + 600 :]))
    assert len(flaws) == 1
    assert samples.shape == whole.shape
    assert np.abs(samples[:, -RATE_HZ:] - whole[:, -RATE_HZ:]).max() < 0.1


def test_what_is_cut_off_is_read_as_far_as_it_goes(
    kind: str, content: bytes, tmp_path: Path
) -> None:
    whole, _ = read(write(tmp_path, content))
    path = write(tmp_path, content[: len(content) * 2 // 3])
    if kind in INDEXED:
        with pytest.raises(AudioError, match=re.escape(str(path))):
            read(path)
        return
    samples, warnings = read(path)
    assert RATE_HZ < samples.shape[1] < whole.shape[1]
    if kind in MEASURED:
        assert f"{path} ends at 0:0" in warnings[-1]
    start = slice(0, samples.shape[1] // 2)
    assert np.abs(samples[:, start] - whole[:, start]).max() < 0.01


@settings(max_examples=25, deadline=None)
@given(
    place=st.floats(0, 1, exclude_max=True),
    length=st.integers(0, 2000),
    filling=st.binary(max_size=200),
)
def test_no_bytes_end_in_anything_but_audio_or_a_sentence(
    source: Path,
    tmp_path_factory: pytest.TempPathFactory,
    place: float,
    length: int,
    filling: bytes,
) -> None:
    content = source.read_bytes()
    start = int(place * len(content))
    broken = content[:start] + filling + content[start + length :]
    path = write(tmp_path_factory.mktemp("fuzz"), broken)
    with suppress(AudioError):
        samples, _ = read(path)
        assert np.isfinite(samples).all()


def test_a_change_of_channels_on_the_way_is_followed(tmp_path: Path) -> None:
    parts = []
    for channels, layout in ((2, "stereo"), (1, "mono")):
        time_s = np.arange(RATE_HZ * 2) / RATE_HZ
        tone = 0.25 * np.sin(2 * np.pi * 440 * time_s)[np.newaxis].repeat(channels, 0)
        path = tmp_path / f"{layout}.aac"
        with av.open(str(path), "w", format="adts") as container:
            stream: Any = container.add_stream("aac", rate=RATE_HZ, layout=layout)
            frame = av.AudioFrame.from_ndarray(tone.astype(np.float32), "fltp", layout)
            frame.sample_rate, frame.pts = RATE_HZ, 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        parts.append(path.read_bytes())
    samples, flaws = read(write(tmp_path, b"".join(parts)))
    assert not flaws
    assert samples.shape[0] == 2
    assert abs(samples.shape[1] - 4 * RATE_HZ) < 4096
    for second, level in ((1, 0.25 / np.sqrt(2)), (3, 0.125)):  # -3 dB in each of two channels
        heard = samples[:, second * RATE_HZ - 4000 : second * RATE_HZ]
        assert np.sqrt(np.mean(heard**2)) == pytest.approx(level, rel=0.05)


@pytest.mark.parametrize("size", [0, 100, 0x7FFFF000, 0xFFFFFFFF])
def test_a_header_that_does_not_know_its_length_is_not_believed(size: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((10_000, 2)), RATE_HZ, "PCM_16")
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = size.to_bytes(4, "little")
    samples, _ = read(write(tmp_path, bytes(content)))
    assert samples.shape[1] == (25 if size == 100 else 10_000)
