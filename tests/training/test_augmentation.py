"""Each augmentation alone: it does what it says, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from daw_bridge.training.augmentation import change_speed, code, place, produce, vary
from daw_bridge.training.config import Augmentation
from tests.conftest import level_db, make_noise

RATE_HZ = 44100
NOISE = make_noise(RATE_HZ // 2).samples
NOTHING: dict[str, Any] = {
    "gain_db": 0,
    "normalise": 0,
    "swap": 0,
    "pan": 0,
    "production": 0,
    "lossy": 0,
}


def varied(source: np.ndarray, seed: int = 0, **augmentation: Any) -> np.ndarray:
    options = Augmentation(**{**NOTHING, **augmentation})
    return vary(source, "vocals", RATE_HZ, options, np.random.default_rng(seed))


def rms(signal: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(signal))))


def width(signal: np.ndarray) -> float:
    """Return the level of the difference of the channels relative to that of their mean."""
    return rms(signal[0] - signal[1]) / rms(signal.mean(axis=0))


def test_nothing_and_silence_change_nothing() -> None:
    np.testing.assert_array_equal(varied(NOISE), NOISE)
    silence = np.zeros_like(NOISE)
    np.testing.assert_array_equal(varied(silence, normalise=1, production=1, gain_db=6), silence)


def test_swap() -> None:
    np.testing.assert_array_equal(varied(NOISE, swap=1), NOISE[::-1])
    swapped = [np.array_equal(varied(NOISE, seed, swap=0.5), NOISE[::-1]) for seed in range(100)]
    assert 30 < sum(swapped) < 70


def test_gain_has_its_standard_deviation() -> None:
    gains_db = [level_db(varied(NOISE, seed, gain_db=4.5), NOISE) for seed in range(300)]
    assert np.mean(gains_db) == pytest.approx(0, abs=0.8)
    assert np.std(gains_db) == pytest.approx(4.5, rel=0.15)


@pytest.mark.parametrize("gain", [0.05, 1, 3])
def test_normalise_brings_all_to_one_level(gain: float) -> None:
    normalised = varied(NOISE * np.float32(gain), normalise=1)
    assert rms(normalised) == pytest.approx(0.07, rel=1e-3)
    np.testing.assert_allclose(normalised / rms(normalised), NOISE / rms(NOISE), rtol=1e-4)


def test_place_changes_width_and_pan_within_bounds() -> None:
    pans_db = []
    for seed in range(40):
        placed = place(NOISE, "vocals", np.random.default_rng(seed))
        pans_db.append(level_db(placed[1], placed[0]))
        pan = (10 ** (pans_db[-1] / 20) - 1) / (10 ** (pans_db[-1] / 20) + 1)
        unpanned = placed / np.array([[1 - pan], [1 + pan]])
        assert abs(pan) < 0.62
        assert width(unpanned) < 1.5 * width(NOISE)
        np.testing.assert_allclose(placed.mean(axis=0).std(), NOISE.mean(axis=0).std(), rtol=0.3)
    assert min(pans_db) < -3
    assert max(pans_db) > 3


def test_bass_stays_in_the_middle() -> None:
    placed = [place(NOISE, "bass", np.random.default_rng(seed)) for seed in range(60)]
    mono = [np.array_equal(left, right) for left, right in placed]
    assert 30 < sum(mono) < 55
    assert all(abs(level_db(right, left)) < 2 for left, right in placed)


@pytest.mark.parametrize("ratio", [0.9, 0.97, 1.0, 1.1])
def test_change_speed_shifts_a_tone_by_the_ratio(ratio: float) -> None:
    frames = 44100
    time = np.arange(round(frames * ratio)) / RATE_HZ
    tone = np.sin(2 * np.pi * 1000 * time).astype(np.float32) * np.ones((2, 1), np.float32)
    played = change_speed(tone, frames)
    assert played.shape == (2, frames)
    spectrum = np.abs(np.fft.rfft(played[0] * np.hanning(frames)))
    assert np.argmax(spectrum) == pytest.approx(1000 * ratio, abs=1)  # Hz: bins of a second
    expected = np.sin(2 * np.pi * 1000 * ratio * np.arange(frames) / RATE_HZ)
    middle = slice(1000, -1000)
    assert level_db(played[0, middle] - expected[middle], expected[middle]) < -25


@pytest.mark.parametrize("frames", [3999, 4000, 4001, 4397])
def test_change_speed_keeps_the_length(frames: int) -> None:
    assert change_speed(NOISE[:, :frames], 4000).shape == (2, 4000)


@pytest.mark.parametrize("stem", ["drums", "bass", "vocals"])
def test_production_keeps_length_and_gives_numbers(stem: str) -> None:
    changed = 0
    for seed in range(12):
        made = produce(NOISE, stem, RATE_HZ, np.random.default_rng(seed))
        assert made.shape == NOISE.shape
        assert made.dtype == np.float32
        assert np.isfinite(made).all()
        assert rms(made) > 1e-3
        changed += not np.array_equal(made, NOISE)
    assert changed > 9


def test_coding_keeps_length_and_place() -> None:
    """What the encoder delays, pedalboard takes back: it is like its source best unshifted."""
    coded = code(NOISE, RATE_HZ, np.random.default_rng(0))
    assert coded.shape == NOISE.shape
    assert -60 < level_db(coded - NOISE, NOISE) < -1
    for channel, source in zip(coded, NOISE, strict=True):
        spectra = np.fft.rfft([channel, source], 2 * len(source))
        likeness = np.fft.irfft(spectra[0] * spectra[1].conj())
        assert np.argmax(likeness) == 0
