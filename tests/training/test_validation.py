"""Validation: whole songs through the engine's transform, and its figure."""

from __future__ import annotations

import math

import numpy as np
import pytest

from daw_bridge.evaluation.oracle import separate_ideally
from daw_bridge.stft import Stft
from daw_bridge.training.validation import frame_sdr_db, residual_db, separate
from tests.conftest import level_db, make_noise

RATE_HZ = 44100
STFT = Stft(window_samples=4096, hop_samples=1024)
FRAMES = 600_000  # more than a segment of 512 frames
NOISE = make_noise(4 * RATE_HZ).samples


def make_sources() -> np.ndarray:
    """Two noises that take turns."""
    turns = 1 + np.cos(2 * np.pi * np.arange(FRAMES) / RATE_HZ)
    noises = [make_noise(FRAMES, seed=seed).samples for seed in range(2)]
    return np.stack([noises[0] * turns, noises[1] * (2 - turns)]).astype(np.float32)


@pytest.mark.parametrize("error_db", [-20, 0])
def test_residual_is_relative_to_the_reference(error_db: float) -> None:
    quiet = NOISE / np.float32(8)
    error = make_noise(4 * RATE_HZ, seed=1).samples * np.float32(10 ** (error_db / 20) / 8)
    assert residual_db(quiet, quiet + error) == pytest.approx(error_db, abs=0.1)
    assert residual_db(quiet, quiet) == -120
    assert math.isnan(residual_db(0 * quiet, quiet))


def test_ideal_masks_give_what_the_oracle_gives() -> None:
    sources = make_sources()
    window = STFT.window_samples
    padded = np.pad(sources, ((0, 0), (0, 0), (window, 2 * window)))
    powers = np.stack([np.square(np.abs(STFT.forward(source))) for source in padded]) + 1e-20
    ideal = np.pad(powers / powers.sum(axis=0), ((0, 0), (0, 0), (0, 512), (0, 0)))
    position = 0

    def mask(magnitudes: np.ndarray) -> np.ndarray:
        nonlocal position
        assert magnitudes.shape[1] % 64 == 0
        first, position = position, position + magnitudes.shape[1]
        return ideal[:, :, first:position]

    mixture = sources.sum(axis=0)
    stems = separate(mask, mixture, STFT, bins=STFT.bins)
    assert level_db(stems.sum(axis=0) - mixture, mixture) < -100
    oracle = separate_ideally(sources, mixture, STFT)
    for source, ours, theirs in zip(sources, stems, oracle, strict=True):
        sdr_db = frame_sdr_db(source, theirs, RATE_HZ)
        assert sdr_db > 5
        assert frame_sdr_db(source, ours, RATE_HZ) == pytest.approx(sdr_db, abs=0.01)


@pytest.mark.parametrize("frames", [1000, 44100])
def test_a_mask_of_one_gives_the_mixture(frames: int) -> None:
    mixture = make_noise(frames).samples
    (stem,) = separate(lambda shown: np.ones((1, *shown.shape), np.float32), mixture, STFT, bins=64)
    assert level_db(stem - mixture, mixture) < -100


@pytest.mark.parametrize("sdr_db", [-5, 0, 12.5, 40])
def test_sdr_of_a_known_error(sdr_db: float) -> None:
    error = NOISE * np.float32(10 ** (-sdr_db / 20))
    assert frame_sdr_db(NOISE, NOISE - error, RATE_HZ) == pytest.approx(sdr_db, abs=1e-3)


def test_sdr_is_the_median_of_the_frames_that_are_heard() -> None:
    reference, error = NOISE.copy(), NOISE.copy()
    for second, level_of_error_db in enumerate((-10, -20, -50, 0)):
        error[:, second * RATE_HZ : (second + 1) * RATE_HZ] *= 10 ** (level_of_error_db / 20)
    reference[:, 3 * RATE_HZ :] = 0
    assert frame_sdr_db(reference, reference - error, RATE_HZ) == pytest.approx(20, abs=1e-3)


def test_a_silent_reference_has_no_sdr() -> None:
    assert math.isnan(frame_sdr_db(0 * NOISE, NOISE, RATE_HZ))
    assert math.isnan(frame_sdr_db(NOISE, NOISE, frame=NOISE.shape[1] + 1))
