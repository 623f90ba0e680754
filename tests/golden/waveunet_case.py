"""Wave-U-Net's case: flavours of its networks, and the noise that they are shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.golden.songs import GOLDEN

FOLDER = GOLDEN / "waveunet"

FLAVOURS: dict[str, dict[str, Any]] = {
    "full": {"channels": 2, "context": True, "upsampling": "learned", "sources": 2},
    "instruments": {"channels": 2, "context": True, "upsampling": "linear", "sources": 4},
    "baseline": {"channels": 1, "context": False, "upsampling": "linear", "sources": 2},
    "padded": {"channels": 2, "context": False, "upsampling": "learned", "sources": 3},
}
"""Some of the authors' models, and one that they did not publish, all with very few filters."""
DIRECT = ("baseline",)
CLIPPED = ("padded",)
DEPTH, FILTERS, WIDTH, MERGE_WIDTH = 2, 3, 15, 5
LOWEST_FRAMES = 200


def make_mixture(name: str) -> np.ndarray:
    """Return noise, float32 (channels, samples), as long as what a flavour's network gives."""
    flavour = FLAVOURS[name]
    samples = LOWEST_FRAMES * 2**DEPTH
    if flavour["context"]:
        samples = LOWEST_FRAMES
        for _ in range(DEPTH):
            samples = 2 * samples - MERGE_WIDTH
    numbers = np.random.default_rng(5).standard_normal((flavour["channels"], samples))
    return (numbers * 0.4).astype(np.float32)
