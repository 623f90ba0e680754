from __future__ import annotations

import math

import numpy as np
import pytest

from daw_bridge import Audio
from daw_bridge.rendering.limiter import TruePeakLimiter
from tests.conftest import level_db, make_noise
from tests.levels import peak_db, sine


def limit(samples: np.ndarray, ceiling_db: float, *, block_frames: int = 10_007) -> np.ndarray:
    limiter = TruePeakLimiter(len(samples), 44_100, ceiling_db)
    starts = range(0, samples.shape[1], block_frames)
    blocks = [limiter.push(samples[:, start : start + block_frames]) for start in starts]
    return np.concatenate([*blocks, limiter.flush()], axis=1)


@pytest.mark.parametrize("gain_db", [0, 6, 20])
def test_no_true_peak_passes_the_ceiling(gain_db: float, song: Audio) -> None:
    limited = limit(song.samples * 10 ** (gain_db / 20), -6)
    assert limited.shape == song.samples.shape
    assert -6.3 < peak_db(limited) <= -6


def test_a_peak_between_samples_is_caught() -> None:
    tone = sine(11_025, rate=44_100, phase=math.pi / 4)
    assert peak_db(limit(tone, -3)) <= -3


def test_what_is_below_the_ceiling_is_left_alone() -> None:
    noise = make_noise(50_000).samples
    np.testing.assert_allclose(limit(noise, 0), noise, atol=1e-7)


def test_gain_recovers_and_precedes_the_peak() -> None:
    quiet = np.full((1, 88_200), 0.1, np.float32)
    quiet[:, 44_100] = 2.0
    limited = limit(quiet, 0)
    np.testing.assert_allclose(limited[:, : 44_100 - 300], 0.1, atol=1e-6)
    np.testing.assert_allclose(limited[:, 44_100 + 8000 :], 0.1, atol=1e-6)
    assert 0.9 < limited[0, 44_100] <= 1
    assert level_db(limited - quiet, quiet) < 0


@pytest.mark.parametrize("block_frames", [1, 100, 50_000])
def test_blocks_make_no_difference(block_frames: int) -> None:
    noise = make_noise(3000 if block_frames == 1 else 50_000).samples * 5
    expected = limit(noise, -3)
    np.testing.assert_allclose(limit(noise, -3, block_frames=block_frames), expected, atol=1e-6)


def test_nothing_at_all() -> None:
    assert limit(np.empty((2, 0), np.float32), 0).shape == (2, 0)
