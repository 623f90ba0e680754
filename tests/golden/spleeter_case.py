"""Spleeter's case: narrow U-Nets, and which excerpts of songs are kept."""

from __future__ import annotations

import numpy as np

from tests.mini_model import make_weights

EXCERPT_FRAMES = 1024
EXCERPTS = 24
SEGMENT_SAMPLES = 512 * 1024
LEADING_SAMPLES = 4096
STEM_COUNTS = (2, 4, 5)
NARROW_FILTERS = (4, 8, 16, 32, 64, 128)
THIN = np.s_[..., ::16]
"""Enough of the excerpts to tell one network's output from another's."""


def excerpt_starts(frames: int) -> list[int]:
    """Return where excerpts of a song of so many frames start: ends, seams and 24 more places."""
    last = frames - EXCERPT_FRAMES
    seams = range(SEGMENT_SAMPLES - LEADING_SAMPLES, last, SEGMENT_SAMPLES)
    places = np.random.default_rng(frames).integers(0, last, EXCERPTS)
    return sorted({0, last, *(seam - EXCERPT_FRAMES // 2 for seam in seams), *map(int, places)})


def excerpts(samples: np.ndarray, starts: list[int]) -> np.ndarray:
    """Cut excerpts out of (…, frames): (…, excerpts, frames)."""
    return np.stack([samples[..., start : start + EXCERPT_FRAMES] for start in starts], axis=-2)


def narrow_unets(stems: int) -> list[dict[str, np.ndarray]]:
    """Return random weights of narrow U-Nets whose masks take all values.

    Each layer's output is about as loud as its input, but for the first, which brings magnitudes of
    hundreds down to tens: where all logits are below -18, ONNX Runtime's sigmoids have no digits
    left to tell stems by, and TensorFlow's have.
    """
    unets = [make_weights(seed, NARROW_FILTERS) for seed in range(stems)]
    for unet in unets:
        for name in unet:
            if name.endswith("kernel"):
                unet[name] *= 5 / np.sqrt(unet[name][0].size)
            elif name.endswith("gamma"):
                unet[name] += 1
        unet["encoder1.kernel"] *= 0.03
        unet["output.kernel"] *= 2
    return unets
