"""Versions of one stem that ensembles vote on, and what is kept of their votes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

VOTES = Path(__file__).with_name("votes.npz")
RULES = {
    "mean": "avg_fft",
    "median": "median_wave",
    "median-spectrum": "median_fft",
    "max-magnitude": "max_fft",
    "min-magnitude": "min_fft",
}
"""What rules are called by audio-separator."""
THIN = (slice(None), slice(None, None, 4))
_FRAMES = 8 * 1024  # whole hops: the reference leaves the rest of one to a single frame


def make_versions() -> list[np.ndarray]:
    """Return three versions: (channels, frames) each."""
    rng = np.random.default_rng(0)
    stem = rng.standard_normal((2, _FRAMES))
    return [((stem + rng.standard_normal((2, _FRAMES))) / 10).astype(np.float32) for _ in range(3)]
