"""Examples: what they are made of, and that they depend on seed and number alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
from torch.utils.data import DataLoader

from daw_bridge.errors import AudioError, OptionError
from daw_bridge.training.config import TrainingConfig
from daw_bridge.training.examples import Examples
from tests.conftest import level_db, make_noise

RATE_HZ = 44100
SAMPLES = 4000
FRAMES = 10_000
STEMS = ("drums", "bass", "piano")
PLAIN: dict[str, Any] = {
    "remix": 0,
    "absent": 0,
    "layered": 0,
    "gain_db": 0,
    "normalise": 0,
    "swap": 0,
    "pan": 0,
    "speed": 0,
    "production": 0,
    "lossy": 0,
    "extra": 0,
}


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three songs of noises; the network's stems are drums and bass, so piano belongs to none."""
    root = tmp_path_factory.mktemp("songs")
    for number in range(3):
        for stem in STEMS:
            write(root, number, stem)
    return root


def write(root: Path, number: int, stem: str, frames: int = FRAMES, rate_hz: int = RATE_HZ) -> None:
    folder = root / f"song{number}"
    folder.mkdir(exist_ok=True)
    noise = track(number, stem)[:, :frames]
    soundfile.write(folder / f"{stem}.wav", noise.T, rate_hz, "FLOAT")


def track(number: int, stem: str) -> np.ndarray:
    return make_noise(FRAMES, seed=10 * number + STEMS.index(stem)).samples


def examples(
    songs: Path,
    *,
    first: int = 0,
    seed: int = 0,
    data: Any = None,
    teacher: Any = None,
    **augmentation: Any,
) -> Examples:
    tables = {
        "name": "mine",
        "seed": seed,
        "stems": {"drums": ["drums"], "bass": ["bass"]},
        "optimiser": {"steps": 50, "batch": 2},
        "data": {"train": [str(songs)], **(data or {})},
        "augmentation": augmentation,
        "teacher": teacher,
    }
    config = msgspec.convert(tables, TrainingConfig)
    return Examples(config, samples=SAMPLES, sample_rate_hz=RATE_HZ, first=first)


def find(part: np.ndarray, stem: str) -> tuple[int, int, float]:
    """Return the song, the start and the gain of a passage of noise, or raise."""
    for number in range(3):
        whole = track(number, stem)
        likeness = np.correlate(whole[0], part[0])
        start = int(np.argmax(np.abs(likeness)))
        passage = whole[:, start : start + SAMPLES]
        gain = float(np.vdot(passage, part) / np.vdot(passage, passage))
        if level_db(part - gain * passage, part) < -100:
            return number, start, gain
    raise AssertionError(f"This is no passage of {stem}.")


def test_an_example_depends_on_seed_and_number_alone(songs: Path) -> None:
    numbers = [5, 2, 7, 2]
    ours = {number: examples(songs)[number] for number in numbers}
    assert ours[2].shape == (3, 2, SAMPLES)
    assert ours[2].dtype == np.float32
    resumed = examples(songs, first=2)
    for number in reversed(numbers):
        assert resumed[number - 2].tobytes() == ours[number].tobytes()
    assert len({example.tobytes() for example in ours.values()}) == 3
    assert examples(songs, seed=1)[2].tobytes() != ours[2].tobytes()
    assert len(resumed) == 98


@pytest.mark.parametrize("workers", [0, 2])
def test_an_example_does_not_depend_on_the_number_of_workers(songs: Path, workers: int) -> None:
    made = examples(songs, first=94)
    loader: DataLoader[Any] = DataLoader(made, 2, num_workers=workers)
    batches = np.concatenate([batch.numpy() for batch in loader])
    assert batches.tobytes() == np.stack([made[number] for number in range(6)]).tobytes()


def test_plain_examples_are_passages_of_a_song(songs: Path) -> None:
    made = examples(songs, **PLAIN)
    found = set()
    for number in range(8):
        mixture, drums, bass = made[number]
        place = find(drums, "drums")
        assert find(bass, "bass") == pytest.approx(place, rel=1e-4)
        piano = find(mixture - drums - bass, "piano")
        assert piano == pytest.approx(place, rel=1e-4)
        assert 0.4 <= place[2] <= 1
        found.add(place[:2])
    assert len({song for song, _ in found}) > 1
    assert len(found) == 8


@pytest.mark.parametrize("has_songs", [False, True])
def test_mixes_are_examples_whose_stems_are_silent(
    songs: Path, tmp_path: Path, has_songs: bool
) -> None:
    for number in range(2):
        write(tmp_path, number, "piano")
    teacher = {"model": "spleeter-2stems", "mixes": [str(tmp_path)]}
    data: dict[str, list[str]] = {} if has_songs else {"train": []}
    made = examples(songs, data=data, teacher=teacher, **PLAIN)
    passages = set()
    for number in range(12):
        mixture, *stems = made[number]
        if np.any(stems):
            find(stems[0], "drums")
        else:
            passages.add(find(mixture, "piano")[:2])
    assert {song for song, _ in passages} == {0, 1}
    assert (len(passages) == 12) != has_songs


def test_remixed_examples_take_each_stem_from_a_song_of_its_own(songs: Path) -> None:
    made = examples(songs, **{**PLAIN, "remix": 1})
    places = []
    for number in range(8):
        mixture, drums, bass = made[number]
        np.testing.assert_allclose(mixture, drums + bass, atol=1e-6)
        places.append((find(drums, "drums")[:2], find(bass, "bass")[:2]))
    assert any(drums[0] != bass[0] for drums, bass in places)
    assert all(drums[1] != bass[1] for drums, bass in places)


def test_absent_layered_and_extra(songs: Path) -> None:
    remixed: dict[str, Any] = {**PLAIN, "remix": 1}
    assert not examples(songs, **{**remixed, "absent": 1})[0].any()
    drums = examples(songs, **{**remixed, "layered": 1})[0][1]
    with pytest.raises(AssertionError, match="no passage"):  # but of two
        find(drums, "drums")
    for number in range(4):
        made = examples(songs, **{**remixed, "extra": 1, "extra_gain_db": [-20, -10]})
        mixture, drums, bass = made[number]
        gain = find(drums, "drums")[2]
        extra_db = 20 * np.log10(find(mixture - drums - bass, "piano")[2] / gain)
        assert -20.1 <= extra_db <= -9.9


def test_all_augmentations_at_once(songs: Path) -> None:
    made = examples(songs, remix=1, production=1, lossy=1, speed=0.5, swap=1, pan=1, normalise=1)
    for number in range(4):
        example = made[number]
        assert np.isfinite(example).all()
        assert np.abs(example[0]).max() <= 1
        assert example[1:].any()


def test_weights_decide_how_often_a_song_is_drawn(songs: Path) -> None:
    made = examples(songs, data={"weights": {"song1": 1, "song*": 0}}, **PLAIN)
    assert {find(made[number][1], "drums")[0] for number in range(6)} == {1}


def test_songs_that_cannot_be_used_get_one_sentence(songs: Path, tmp_path: Path) -> None:
    write(tmp_path, 0, "drums")
    with pytest.raises(OptionError, match="has a stem 'bass'"):
        examples(tmp_path)
    write(tmp_path, 0, "bass", frames=SAMPLES)
    with pytest.raises(AudioError, match=r"No song of .* is longer than 0.1 s\."):
        examples(tmp_path)
    write(tmp_path, 1, "drums", rate_hz=48000)
    with pytest.raises(AudioError, match="song1 has 48000 Hz and the network 44100 Hz"):
        examples(tmp_path)
    with pytest.raises(OptionError, match="has a stem"):
        examples(songs, data={"weights": {"*": 0}})


def test_songs_as_short_as_can_be(tmp_path: Path) -> None:
    for stem in ("drums", "bass"):
        write(tmp_path, 0, stem, frames=round(1.5 * SAMPLES) + 1)
    made = examples(tmp_path, remix=1, speed=0.5)
    for number in range(20):
        assert made[number].shape == (3, 2, SAMPLES)
