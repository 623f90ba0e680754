"""Where golden files lie, the songs that they are of, and which samples of these they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent
SONGS = sorted((GOLDEN.parent / "audio").glob("*.ogg"))
SONG = GOLDEN.parent / "audio" / "rubidium.ogg"


def excerpts(stems: np.ndarray) -> np.ndarray:
    """Keep some samples of (…, samples), those at both ends among them."""
    starts = np.linspace(0, stems.shape[-1] - 96, 10).astype(int)
    return np.stack([stems[..., start : start + 96] for start in starts], axis=-2)
