"""The case of X-UMX and D3Net: the song, their sizes, and which estimates are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import soundfile

from tests.golden.songs import GOLDEN, SONG

GIVEN = GOLDEN / "nnabla.npz"

XUMX_STEMS = ("bass", "drums", "vocals", "other")
XUMX_WINDOW = 256
XUMX: dict[str, Any] = {"seen_bins": 65, "hidden": 8, "layers": 3}
D3NET_WINDOW = 4096
LOW = {"init": 4, "k": (3, 2, 4), "layers": (2, 3, 2), "blocks": (2, 1, 2)}
MIDDLE = {"init": 3, "k": (2, 2, 2, 2, 2), "layers": (1,) * 5, "blocks": (1,) * 5}
FULL = {"init": 4, "k": (3, 2, 4, 3, 3), "layers": (2, 1, 3, 2, 2), "blocks": (2, 3, 1, 2, 1)}
D3NET: dict[str, Any] = {
    "seen_bins": 1600, "low": LOW, "middle": MIDDLE, "full": FULL, "k": 4, "layers": 3
}  # fmt: skip
SPLITS = {"vocals": 256, "bass": 192}
"""Where the lowest band ends, in bins, by D3Net's stems."""
SECONDS = 2.7


def make_mixture(window: int) -> np.ndarray:
    """Return some seconds of a song, and silence for as long as a window: (channels, samples)."""
    song, sample_rate_hz = soundfile.read(SONG, dtype="float32", always_2d=True)
    hop = window // 4
    samples = song.T[:, : round(SECONDS * sample_rate_hz) // hop * hop].copy()
    samples[:, -window:] = 0
    return samples


def thin_out(estimates: np.ndarray) -> np.ndarray:
    """Keep some frames and bins of (…, time_frames, bins), about 20,000 numbers."""
    frames, bins = estimates.shape[-2:]
    return estimates[..., :: max(1, frames // 12), :: max(1, bins // 90)]
