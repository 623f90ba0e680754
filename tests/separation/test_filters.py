from __future__ import annotations

import numpy as np
import pytest

from daw_bridge.separation.filters import HarmonicPercussive, LowPass


def direct_masks(magnitudes: np.ndarray, *, frames: int, bins: int, exponent: int) -> np.ndarray:
    """Fitzgerald's formula, value by value; beyond an edge lies what is at it."""
    masks = np.empty((2, *magnitudes.shape))
    for channel, time, place in np.ndindex(magnitudes.shape):
        times = np.clip(np.arange(time - frames // 2, time + frames // 2 + 1), 0, None)
        places = np.clip(np.arange(place - bins // 2, place + bins // 2 + 1), 0, None)
        of_channel = magnitudes[channel].astype(np.float64)
        harmonic = np.median(of_channel[np.minimum(times, len(of_channel) - 1), place])
        percussive = np.median(of_channel[time, np.minimum(places, of_channel.shape[1] - 1)])
        powers = np.array([percussive, harmonic]) ** exponent
        masks[:, channel, time, place] = powers / powers.sum()
    return masks


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("frames", "bins", "exponent"), [(31, 31, 2), (5, 17, 1), (31, 3, 2), (1, 1, 2)]
)
def test_medians_are_fitzgeralds(channels: int, frames: int, bins: int, exponent: int) -> None:
    rng = np.random.default_rng(frames)
    magnitudes = np.abs(rng.standard_normal((channels, 24, 37))).astype(np.float32)
    masks = HarmonicPercussive(frames, bins, exponent)(magnitudes)
    expected = direct_masks(magnitudes, frames=frames, bins=bins, exponent=exponent)
    assert masks.dtype == np.float32
    assert np.allclose(masks, expected, atol=1e-6)
    assert np.allclose(masks.sum(axis=0), 1, atol=1e-7)


def test_clicks_are_percussive_and_tones_harmonic() -> None:
    magnitudes = np.zeros((2, 64, 128), np.float32)
    magnitudes[:, 20] = 1
    magnitudes[:, :, 50] = 1
    percussive, harmonic = HarmonicPercussive(31, 31, 2)(magnitudes)
    elsewhere = np.arange(128) != 50
    assert percussive[:, 20, elsewhere].min() > 0.999
    assert harmonic[:, np.arange(64) != 20, 50].min() > 0.999


def test_silence_is_shared_equally() -> None:
    assert np.all(HarmonicPercussive(31, 31, 2)(np.zeros((2, 40, 40), np.float32)) == 0.5)


def test_a_low_pass_keeps_the_lowest_bins() -> None:
    masks = LowPass(19)(np.ones((2, 3, 64), np.float32))
    assert np.array_equal(masks[0, 1, 2], np.arange(64) < 19)
    assert np.array_equal(masks[0] + masks[1], np.ones((2, 3, 64)))


@pytest.mark.parametrize("split", [HarmonicPercussive(31, 31, 2), LowPass(19)])
def test_filters_are_networks_of_the_cpu(split: HarmonicPercussive | LowPass) -> None:
    assert split.provider == "cpu"
    assert split.concurrent_runs >= 1
