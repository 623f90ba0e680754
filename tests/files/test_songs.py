"""Data sets in each of their forms, written and read back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.errors import AudioError
from daw_bridge.files.songs import Track, find_songs
from tests.conftest import level_db, make_noise
from tests.encoded import encode
from tests.songs import RATE_HZ, write_song

STEM_FILE_RATE_HZ = 44100
STEM_FILE_FRAMES = 3 * STEM_FILE_RATE_HZ + 123
Codec = Literal["aac", "alac"]
PACKETS = {"aac": ("fltp", 1024), "alac": ("s16p", 4096)}
"""What a codec's packets hold: the kind of samples, and how many frames."""


def noise(seed: int, frames: int = 1000, channels: int = 2) -> np.ndarray:
    return make_noise(frames, channels=channels, seed=seed).samples


def chirps(number: int) -> np.ndarray:
    """Tones that rise, others in each stream and channel, so that no two passages are alike."""
    time = np.arange(STEM_FILE_FRAMES) / STEM_FILE_RATE_HZ
    starts_hz = np.array([[200], [170]]) * (number + 1)
    return (0.3 * np.sin(2 * np.pi * starts_hz * time * (1 + 0.05 * time))).astype(np.float32)


def write_stem_file(path: Path, codec: Codec = "aac", streams: int = 5) -> Path:
    # Noise substitution would be other noise each time that a passage is decoded.
    options = {"aac_pns": "0"} if codec == "aac" else {}
    with av.open(str(path), "w", format="mp4") as container:
        for _ in range(streams):
            container.add_stream(codec, STEM_FILE_RATE_HZ, layout="stereo", options=options)
        for number, stream in enumerate(container.streams.audio):
            for part in cut(chirps(number), codec):
                container.mux(stream.encode(part))
            container.mux(stream.encode(None))
    return path


def cut(signal: np.ndarray, codec: Codec) -> Iterator[av.AudioFrame]:
    """Yield a signal in the frames that a codec takes."""
    kind, frames = PACKETS[codec]
    samples = signal if kind == "fltp" else (signal * 32768).astype(np.int16)
    for start in range(0, STEM_FILE_FRAMES, frames):
        part = np.ascontiguousarray(samples[:, start : start + frames])
        frame = av.AudioFrame.from_ndarray(part, kind, "stereo")
        frame.sample_rate, frame.pts = STEM_FILE_RATE_HZ, start
        frame.time_base = Fraction(1, STEM_FILE_RATE_HZ)
        yield frame


def decode_whole(path: Path, stream: int) -> np.ndarray:
    with av.open(str(path)) as container:
        frames = container.decode(container.streams.audio[stream])
        whole = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
    scale = 1 if whole.dtype == np.float32 else -float(np.iinfo(whole.dtype).min)
    return (whole / scale).astype(np.float32)


def test_folders_at_any_depth_are_songs(tmp_path: Path) -> None:
    stems: Mapping[str, np.ndarray] = {"drums": noise(0), "bass": noise(1)}
    for name in ("train/b", "train/a", "test/deep/c"):
        write_song(tmp_path / name, stems)
    soundfile.write(tmp_path / "loose.wav", noise(2).T, RATE_HZ)
    (tmp_path / "train/a/notes.txt").write_text("no audio")
    songs = find_songs(tmp_path)
    assert [song.name for song in songs] == ["test/deep/c", "train/a", "train/b"]
    for song in songs:
        assert (sorted(song.stems), song.mixture) == (["bass", "drums"], None)
        assert (song.sample_rate_hz, song.frames) == (RATE_HZ, 1000)
        for stem, samples in stems.items():
            np.testing.assert_array_equal(song.read(stem, 100, 50), samples[:, 100:150])


def test_a_mixture_is_a_file_or_the_sum_of_the_stems(tmp_path: Path) -> None:
    stems = {"drums": noise(0), "bass": noise(1)}
    write_song(tmp_path / "sum", stems)
    write_song(tmp_path / "file", {**stems, "mixture": noise(2)})
    file, total = find_songs(tmp_path)
    np.testing.assert_array_equal(file.read_mixture(10), noise(2)[:, 10:])
    np.testing.assert_array_equal(total.read_mixture(10), (noise(0) + noise(1))[:, 10:])
    assert sorted(file.stems) == ["bass", "drums"]


def test_mono_unequal_and_absent_stems(tmp_path: Path) -> None:
    mono, short = noise(0, channels=1), noise(1, frames=700)
    write_song(tmp_path / "song", {"bass": mono, "drums": short})
    (song,) = find_songs(tmp_path)
    assert song.frames == 700
    np.testing.assert_array_equal(song.read("bass"), np.repeat(mono[:, :700], 2, axis=0))
    np.testing.assert_array_equal(song.read("drums", 600, 200)[:, :100], short[:, 600:])
    assert not song.read("drums", 600, 200)[:, 100:].any()
    assert not song.read("vocals").any()
    assert song.read("vocals").shape == (2, 700)


def test_what_is_no_data_set_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.csv").write_bytes(b"mix_path\n\xff\n")
    (tmp_path / "other.csv").write_text("path,title\na.wav,A\n")
    for name, sentence in (
        ("empty", "holds no songs"),
        ("none", "There is no data set"),
        ("latin.csv", "cannot be read"),
        ("none.csv", "cannot be read"),
        ("other.csv", "a line of a .csv with a mix_path"),
    ):
        with pytest.raises(AudioError, match=sentence):
            find_songs(tmp_path / name)


def test_stems_that_do_not_fit_get_one_sentence(tmp_path: Path) -> None:
    write_song(tmp_path / "song", {"drums": noise(0), "bass": noise(1, channels=3)})
    (song,) = find_songs(tmp_path)
    with pytest.raises(AudioError, match="has 3 channels; stems have at most two"):
        song.read("bass")
    soundfile.write(tmp_path / "song" / "vocals.wav", noise(2).T, 2 * RATE_HZ)
    (song,) = find_songs(tmp_path)
    with pytest.raises(AudioError, match="song have different sample rates"):
        _ = song.frames


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])  # the second is Excel's
def test_a_table_as_spleeter_trains_by(tmp_path: Path, encoding: str) -> None:
    write_song(tmp_path / "audio" / "one", {"mixture": noise(0), "vocals": noise(1)})
    write_song(tmp_path / "audio" / "two", {"mixture": noise(2), "other": noise(3)})
    table = tmp_path / "songs.csv"
    table.write_text(
        "mix_path,vocals_path,other_path,duration\n"
        "audio/one/mixture.wav,audio/one/vocals.wav,,0.125\n"
        f"{tmp_path}/audio/two/mixture.wav,,audio/two/other.wav\n"
        ",audio/one/vocals.wav,,0.125\n",
        encoding,
    )
    one, two = find_songs(table)
    assert (one.name, sorted(one.stems)) == ("0000-one", ["vocals"])
    assert (two.name, sorted(two.stems)) == ("0001-two", ["other"])
    np.testing.assert_array_equal(one.read("vocals"), noise(1))
    np.testing.assert_array_equal(two.read_mixture(), noise(2))


@pytest.mark.parametrize("codec", ["aac", "alac"])
def test_a_stem_file_is_read_to_the_sample(tmp_path: Path, codec: Codec) -> None:
    path = write_stem_file(tmp_path / "a song.stem.mp4", codec)
    (song,) = find_songs(tmp_path)
    assert song.name == "a song"
    assert list(song.stems) == ["drums", "bass", "other", "vocals"]
    assert song.sample_rate_hz == STEM_FILE_RATE_HZ
    assert abs(song.frames - STEM_FILE_FRAMES) <= STEM_FILE_RATE_HZ / 1000  # MP4 counts in ms
    rng = np.random.default_rng(0)
    assert song.mixture is not None
    for number, track in enumerate([song.mixture, *song.stems.values()]):
        whole = decode_whole(path, number)
        error = whole[:, :STEM_FILE_FRAMES] - chirps(number)
        assert level_db(error, chirps(number)) < -20  # it is this stream, and in its place
        whole = np.pad(whole, ((0, 0), (0, 9000)))
        edges = [0, 1, 1023, 1024, 1025, STEM_FILE_FRAMES - 100]
        for start in [*edges, *rng.integers(STEM_FILE_FRAMES, size=6)]:
            frames = int(rng.integers(1, 9000))
            passage = track.read(int(start), frames)
            np.testing.assert_array_equal(passage, whole[:, start : start + frames])


def test_a_stem_file_that_is_none_gets_one_sentence(tmp_path: Path) -> None:
    path = write_stem_file(tmp_path / "few.stem.mp4", streams=2)
    assert Track(path, 1).read(0, 10).shape == (2, 10)
    with pytest.raises(AudioError, match=re.escape("has 2 audio streams; a stem file has five")):
        Track(path, 4).read(0, 10)
    broken = tmp_path / "broken.stem.mp4"
    broken.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(AudioError, match="cannot be read as"):
        Track(broken, 1).read(0, 10)
    with pytest.raises(AudioError, match="cannot be read as"):
        _ = Track(broken, 1).shape


def test_a_song_whose_files_do_not_say_how_long_they_are_is_read_whole(tmp_path: Path) -> None:
    for stem in ("drums", "bass"):
        path = tmp_path / "song" / f"{stem}.mp3"
        path.parent.mkdir(exist_ok=True)
        encode("mp3 without write_xing", path)
    (song,) = find_songs(tmp_path)
    exact = Audio.read(path).frames
    assert song.exact_frames == exact != song.frames
    assert song.read("bass").shape == (2, exact)
    assert song.read_mixture()[:, -2000:].any()
