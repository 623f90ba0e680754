"""Running minima and means of gains, which are smoothed before a signal is multiplied by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from daw_bridge.fft import fast_size, irfft, rfft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Gains = NDArray[np.floating[Any]]
    """(frames,), in dB or as factors"""


def running_minimum(gains: Gains, size: int) -> Gains:
    """Return the lowest of every ``size`` neighbours: (frames - size + 1,).

    M. van Herk, A fast algorithm for local minimum and maximum filters on rectangular and octagonal
    kernels, Pattern Recognition Letters 13 (1992)
    """
    runs = np.pad(gains, (0, -len(gains) % size), constant_values=np.inf).reshape(-1, size)
    before = np.minimum.accumulate(runs, axis=1).ravel()
    after = np.minimum.accumulate(runs[:, ::-1], axis=1)[:, ::-1].ravel()
    count = len(gains) - size + 1
    lowest: Gains = np.minimum(after[:count], before[size - 1 :][:count])
    return lowest


def running_mean(gains: Gains, size: int) -> NDArray[np.float64]:
    """Return the mean of every ``size`` neighbours: (frames - size + 1,)."""
    sums = np.cumsum(np.concatenate([[0.0], gains]))
    means: NDArray[np.float64] = (sums[size:] - sums[:-size]) / size
    return means


def weighted_mean(gains: Gains, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of every as many neighbours as there are weights: (frames - weights + 1,).

    The weights, (frames,), read the same backwards and add up to 1.
    """
    size = fast_size(len(gains))
    spectrum = rfft(gains, size) * rfft(weights, size)
    means: NDArray[np.float64] = irfft(spectrum, size)[len(weights) - 1 : len(gains)]
    return means
