"""How well a network does while it is trained: whole songs through the engine's own transforms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.separation.masks import apply_masks

if TYPE_CHECKING:
    from collections.abc import Callable

    from daw_bridge.audio import StemBlock
    from daw_bridge.files.blocks import Block
    from daw_bridge.separation.network import Magnitudes, Masks
    from daw_bridge.stft import Stft

    Masker = Callable[[Magnitudes], Masks]

SEGMENT_FRAMES = 512
MULTIPLE_FRAMES = 64
_SILENT_POWER = 1e-8
_TINY = 1e-12


def separate(mask: Masker, mixture: Block, stft: Stft, *, bins: int) -> StemBlock:
    """Separate a song, segment by segment."""
    window = stft.window_samples
    spectra = stft.forward(np.pad(mixture, ((0, 0), (window, 2 * window))))
    frames = spectra.shape[1]
    padded = -(-frames // MULTIPLE_FRAMES) * MULTIPLE_FRAMES
    magnitudes = np.zeros((len(mixture), padded, bins), np.float32)
    magnitudes[:, :frames] = np.abs(spectra[..., :bins])
    masks = np.concatenate(
        [
            mask(magnitudes[:, first : first + SEGMENT_FRAMES])
            for first in range(0, padded, SEGMENT_FRAMES)
        ],
        axis=2,
    )
    stems = apply_masks(masks[:, :, :frames], spectra, "ratio")
    length = mixture.shape[1]
    return np.stack([stft.inverse(stem)[:, window : window + length] for stem in stems])


def residual_db(reference: Block, estimate: Block) -> float:
    """Return the level in dB of what differs, relative to the reference; NaN where it is silent."""
    power = np.square(reference, dtype=np.float64).mean()
    if power < _SILENT_POWER:
        return math.nan
    error = np.square(reference - estimate, dtype=np.float64).mean()
    return float(10 * np.log10(error / power + _TINY))


def frame_sdr_db(reference: Block, estimate: Block, frame: int) -> float:
    """Return the median over frames, of ``frame`` samples, of the signal-to-distortion ratio in dB.

    Frames in which the reference is silent do not count; NaN where all are. Unlike BSS Eval, it
    forgives no filter: this is quick, and enough to choose a checkpoint by.
    """
    count = reference.shape[1] // frame
    cut = (slice(None), slice(count * frame))
    shape = (len(reference), count, frame)
    signal = np.square(reference[cut].reshape(shape)).mean(axis=(0, 2))
    error = np.square((reference - estimate)[cut].reshape(shape)).mean(axis=(0, 2))
    heard = signal > _SILENT_POWER
    if not heard.any():
        return math.nan
    return float(np.median(10 * np.log10(signal[heard] / (error[heard] + _TINY))))
