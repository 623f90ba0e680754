"""Hybrid Demucs's case: the song, and networks like the one that was saved."""

from __future__ import annotations

import numpy as np

from daw_bridge import Audio
from tests.golden.songs import GOLDEN, SONG

FOLDER = GOLDEN / "demucs"
GIVEN = FOLDER / "stems.npz"

SOURCES = ("drums", "bass", "other", "vocals")
MORE_SOURCES = (*SOURCES, "guitar", "piano")
SAMPLE_RATE_HZ = 44_100
SEGMENT_SAMPLES = 30_870  # 0.7 s, as 7.8 s are 343,980
STRIDE_SAMPLES = 23_152
SHORT_SAMPLES = 11_025
WHOLE_SAMPLES = 2 * STRIDE_SAMPLES + SEGMENT_SAMPLES
WEIGHTS = ((1.0, 0.25, 0.0, 0.5), (0.5, 1.0, 2.0, 0.5))


def make_mixture() -> Audio:
    """Return three passages of a song, and some of a fourth."""
    song = Audio.read(SONG)
    return Audio(song.samples[:, : WHOLE_SAMPLES + 9_000].copy(), song.sample_rate_hz)


def vary(arrays: dict[str, np.ndarray], seed: int, sources: int = 4) -> dict[str, np.ndarray]:
    """Return the arrays of another network like one of four sources, in half precision.

    It may make more of them, with more channels in the last layer of each branch.
    """
    rng = np.random.default_rng(seed)
    last = max(name for name in arrays if name.endswith("conv_tr.bias")).split(".")[1]
    wider = {}
    for name, array in arrays.items():
        axis = 0 if name.endswith("bias") else 1
        width = array.shape[axis] if f"decoder.{last}.conv_tr." in name else 0
        places = np.arange(width * sources // 4) % max(width, 1)
        wider[name] = np.take(array, places, axis) if width else array
    return {
        name: (array * rng.uniform(0.5, 1.5, array.shape)).astype(np.float16)
        for name, array in wider.items()
    }
