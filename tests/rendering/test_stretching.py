from __future__ import annotations

import math

import numpy as np
import pytest

from daw_bridge import Audio
from daw_bridge.rendering.stretching import PitchTempo
from tests.conftest import make_noise

RATE = 44_100


def change(samples: np.ndarray, *, block_frames: int = 1 << 16, **how: float) -> np.ndarray:
    speed = PitchTempo(len(samples), RATE, **how)
    starts = range(0, samples.shape[1], block_frames)
    blocks = [speed.push(samples[:, start : start + block_frames]) for start in starts]
    return np.concatenate([*blocks, speed.flush()], axis=1)


def tone(frequency_hz: float, seconds: float = 25) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.sin(2 * np.pi * frequency_hz * time).astype(np.float32)[np.newaxis] / 2


def pitch_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples[0] * np.hanning(samples.shape[1])))
    return float(np.argmax(spectrum)) * RATE / samples.shape[1]


def test_nothing_changes_nothing(song: Audio) -> None:
    np.testing.assert_array_equal(change(song.samples), song.samples)


@pytest.mark.parametrize(
    ("semitones", "tempo"), [(0, 0.75), (0, 1.25), (3, 1), (-5, 1), (12 * math.log2(1.25), 1.25)]
)
def test_pitch_and_tempo_are_what_was_asked_for(semitones: float, tempo: float) -> None:
    changed = change(tone(440), semitones=semitones, tempo=tempo)
    assert changed.shape[1] == round(25 * RATE / tempo)
    expected = 440 * 2 ** (semitones / 12)
    if semitones == 12 * math.log2(tempo):
        expected = 440 * tempo
    assert pitch_hz(changed) == pytest.approx(expected, rel=0.002)


def test_seams_are_not_heard() -> None:
    """Pieces of a steady tone join without a click or a dip."""
    stretched = change(tone(440, 45), tempo=0.8)[0]
    envelope = np.abs(stretched[RATE:-RATE]).reshape(-1, RATE // 100).max(axis=1)
    assert envelope.min() > 0.45
    assert envelope.max() < 0.56


@pytest.mark.parametrize("tempo", [0.5, 0.8, 1.25, 1.5])
def test_beats_stay_where_they_belong(tempo: float) -> None:
    beats = np.zeros((2, 50 * RATE), np.float32)
    noise = make_noise(900).samples
    positions = np.arange(1, 49) * RATE
    for position in positions:
        beats[:, position : position + 900] = noise
    stretched = np.abs(change(beats, tempo=tempo)).max(axis=0)
    window = round(0.1 * RATE)
    for position in np.round(positions / tempo).astype(int):
        around = stretched[position - window : position + window]
        onset = int(np.argmax(around > 0.2 * around.max())) - window
        assert abs(onset) < 0.025 * RATE


@pytest.mark.parametrize("frames", [1, 1000, 10 * RATE + 10, 10 * RATE + RATE // 2, 20 * RATE])
def test_any_length_comes_out_exact(frames: int) -> None:
    assert change(make_noise(frames).samples, tempo=0.8).shape == (2, round(frames / 0.8))


def test_blocks_make_no_difference() -> None:
    noise = make_noise(12 * RATE, channels=1).samples
    whole = change(noise, tempo=1.25, semitones=1, block_frames=noise.shape[1])
    np.testing.assert_allclose(change(noise, tempo=1.25, semitones=1), whole, atol=1e-6)
