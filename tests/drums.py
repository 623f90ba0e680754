"""Drums of a tempo that is known."""

from __future__ import annotations

import numpy as np


def play_drums(bpm: float, rate_hz: int, seconds: float) -> np.ndarray:
    """Return hits of noise on quarters, accented on two and four, and soft ones on eighths."""
    random = np.random.default_rng(1)
    samples = np.zeros((2, round(seconds * rate_hz)), np.float32)
    decay = np.exp(-np.arange(rate_hz // 10) / (0.02 * rate_hz))
    for eighth in range(int(seconds * bpm / 30) - 1):
        at = round(eighth * 30 / bpm * rate_hz)
        level = 0.2 if eighth % 2 else 0.5 if eighth % 4 else 0.8
        hit = level * decay * random.standard_normal((2, len(decay)))
        samples[:, at : at + len(decay)] += hit[:, : samples.shape[1] - at]
    return samples
