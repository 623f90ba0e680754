"""What the phase of a spectrum tells a network beside its magnitudes.

A phase as such looks like noise. Its derivatives do not: along time it tells how far a partial is
from the middle of its bin, along frequency, how far an event is from the middle of its frame.

J. Muth et al., "Improving DNN-based music source separation using phase features", Joint Workshop
on Machine Learning for Music, ICML 2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from daw_bridge.library.manifest import Feature
    from daw_bridge.stft import Spectra, Stft

Radians: TypeAlias = NDArray[np.float32]
"""(channels, time_frames, bins), from -π to π"""


def derive(feature: Feature, spectra: Spectra, stft: Stft) -> Radians:
    """Return one of the derivatives of the phase.

    Differences of neighbours are wrapped after what any signal's phase does is taken away: a bin's
    own frequency turns it by 2π · bin · hop / window a frame, and an event in the middle of the
    window by π a bin. What has no earlier neighbour is 0.

    Args:
        feature: which derivative.
        spectra: complex64 (channels, time_frames, bins), bins from 0 Hz.
        stft: what made them.
    """
    derivative = np.zeros(spectra.shape, np.float32)
    if feature == "time-derivative":
        cycles = np.arange(spectra.shape[2]) * stft.hop_samples % stft.window_samples
        turn = np.exp(-2j * np.pi * cycles / stft.window_samples).astype(np.complex64)
        derivative[:, 1:] = np.angle(turn * spectra[:, 1:] * spectra[:, :-1].conj())
    else:
        derivative[..., 1:] = np.angle(-spectra[..., 1:] * spectra[..., :-1].conj())
    return derivative
