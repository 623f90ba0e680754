"""The best that masks can do: ideal masks, which know the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.files.blocks import BLOCK_FRAMES
from daw_bridge.stft import StreamingForward, StreamingInverse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.evaluation.bss_eval import Sources
    from daw_bridge.files.blocks import Block
    from daw_bridge.stft import Spectra, Stft

_SILENCE = np.float32(1e-20)


def separate_ideally(references: Sources, mixture: Block, stft: Stft) -> Sources:
    """Separate a mixture by the ideal ratio masks, each source's share of the sum of energies.

    Source: "IRM2" of F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 Signal Separation Evaluation
    Campaign", LVA/ICA 2018, section 4; every channel is masked on its own.

    Args:
        references: float32 (sources, channels, frames).
        mixture: float32 (channels, frames).
        stft: the transform, best that of the model to compare with.

    Returns:
        float32 (sources, channels, frames).
    """
    sources, channels, frames = references.shape
    signals = np.concatenate([references.reshape(sources * channels, frames), mixture])
    forward, inverse = StreamingForward(stft), StreamingInverse(stft)
    blocks = [
        inverse.push(_mask(forward.push(block), channels)) for block in _padded(signals, stft)
    ]
    return np.concatenate(blocks, axis=1)[:, :frames].reshape(references.shape)


def _padded(signals: Block, stft: Stft) -> Iterator[Block]:
    """Yield blocks of signals, and the zeros that complete their last time frames."""
    frames = signals.shape[1]
    for start in range(0, frames, BLOCK_FRAMES):
        yield signals[:, start : start + BLOCK_FRAMES]
    missing = -frames % stft.hop_samples
    yield np.zeros((len(signals), stft.window_samples + missing), np.float32)


def _mask(spectra: Spectra, channels: int) -> Spectra:
    """Mask the mixture, the last of these signals, by the others.

    (sources · channels + channels, time_frames, bins) → (sources · channels, time_frames, bins).
    """
    mixture = spectra[-channels:]
    sources = spectra[:-channels].reshape(-1, *mixture.shape)
    energies = np.square(sources.real) + np.square(sources.imag)
    masked: Spectra = energies / (energies.sum(axis=0) + _SILENCE) * mixture
    return masked.reshape(-1, *mixture.shape[1:])
