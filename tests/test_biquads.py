"""Filters by products, held to those that loop over frames."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from daw_bridge.biquads import Biquads, butterworth
from daw_bridge.loudness import _k_weighting
from tests.conftest import make_noise

ROWS = [64, 4096, 10_240, 4032, 333]
SECTIONS = {
    "none's delay": np.array([[0.0, 1, 0, 1, 0, 0]]),
    "low-pass": np.concatenate([butterworth(100, 44_100), butterworth(100, 44_100)]),
    "weighting at 44.1 kHz": _k_weighting(44_100),
    "weighting at 768 kHz": _k_weighting(768_000),
}


@pytest.mark.parametrize("sections", SECTIONS.values(), ids=SECTIONS)
def test_blocks_are_filtered_as_by_a_loop(sections: np.ndarray) -> None:
    noise = make_noise(sum(ROWS), channels=3).samples
    expected = sosfilt(sections, noise.astype(np.float64))
    biquads, blocks = Biquads(sections, 3), np.split(noise, np.cumsum(ROWS)[:-1], axis=1)
    filtered = np.concatenate([biquads.push(block) for block in blocks], axis=1)
    np.testing.assert_allclose(filtered, expected, atol=1e-7)


def test_nothing_at_all() -> None:
    assert Biquads(butterworth(100, 44_100), 2).push(np.empty((2, 0))).shape == (2, 0)


@pytest.mark.parametrize("cutoff_hz", [40, 200, 10_000])
def test_a_low_pass_is_butterworths(cutoff_hz: float) -> None:
    expected = butter(2, cutoff_hz, fs=48_000, output="sos")
    np.testing.assert_allclose(butterworth(cutoff_hz, 48_000), expected, atol=1e-12)
