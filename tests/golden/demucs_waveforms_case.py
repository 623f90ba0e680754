"""The case of Demucs on samples alone: something like a song, and which excerpts are kept."""

from __future__ import annotations

import numpy as np

from daw_bridge import Audio
from tests.golden.songs import GOLDEN, SONG

FOLDER = GOLDEN / "demucs-waveforms"

SAMPLE_RATE_HZ = 8_000
MIXTURE_SAMPLES = 240_000
ALIKE_SAMPLES = 180_000
SHORT_SAMPLES = 5_021
SOURCES = ["drums", "bass", "other", "vocals"]


def make_mixture() -> np.ndarray:
    """Return half a minute of something like a song: float32 (channels, samples)."""
    return Audio.read(SONG).samples[:, :MIXTURE_SAMPLES]


def excerpts(stems: np.ndarray) -> np.ndarray:
    """Keep some samples of (…, samples), those at the start among them.

    Of the last passage, the reference sees more of what precedes it, so nothing of it is kept.
    """
    starts = np.linspace(0, ALIKE_SAMPLES - 64, 10).astype(int)
    return np.stack([stems[..., start : start + 64] for start in starts], axis=-2)
