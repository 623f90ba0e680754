from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from daw_bridge.rendering.smoothing import running_mean, running_minimum, weighted_mean

GAINS = np.random.default_rng(0).random(1001)


@pytest.mark.parametrize("size", [1, 2, 7, 500, 1001])
def test_windows_are_those_that_lie_within(size: int) -> None:
    windows = sliding_window_view(GAINS, size)
    assert np.array_equal(running_minimum(GAINS, size), windows.min(axis=1))
    np.testing.assert_allclose(running_mean(GAINS, size), windows.mean(axis=1), atol=1e-12)
    weights = np.hanning(size + 2)[1:-1]
    expected = windows @ weights
    np.testing.assert_allclose(weighted_mean(GAINS, weights), expected, atol=1e-10)


def test_what_is_one_everywhere_stays_exactly_one() -> None:
    assert np.array_equal(running_mean(np.ones(5000), 221), np.ones(4780))
