"""What is common to a stem's two channels, and what is ambience: primary-ambient decomposition.

The model is Faller's: in each bin the two channels hold one direct sound at two gains, and ambience
of equal power in both that is uncorrelated with all else. With the powers P and Q of the channels
and their cross power X, averaged over time, the ambience has the power

    A = (P + Q - √((P - Q)² + 4 |X|²)) / 2

    C. Faller, Multiple-Loudspeaker Playback of Stereo Signals, JAES 54 (2006), section 1

A real gain takes it from each channel, as Avendano and Jot take theirs: A / P, which is Wiener's.
So the rest of a channel is that channel turned down, never a sum with another.

    C. Avendano, J.-M. Jot, A Frequency-Domain Approach to Multichannel Upmix, JAES 52 (2004)
    J. Merimaa, M. Goodwin, J.-M. Jot, Correlation-Based Ambience Extraction from Stereo Recordings,
    AES 123 (2007)

What is common is a share of (left + right) / 2: the one that makes what is then left in the two
channels uncorrelated. It is 1 for a sound in the middle, 0 for a hard-panned one and for ambience.

    E. Vickers, Frequency-Domain Two- to Three-Channel Upmix for Center Channel Derivation and
    Speech Enhancement, AES 127 (2009)

Shares between are drawn towards 0 and 1, because a sound from three loudspeakers at once is less
loud than from two or from one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from daw_bridge.stft import Spectra

    Powers = NDArray[np.float32]
    """(…, time_frames, bins)"""

_TINY = np.float32(1e-20)


class Parts(NamedTuple):
    """Of each stem: what both channels share, and each channel's ambience."""

    common: Spectra
    """(stems, time_frames, bins)"""
    ambience: Spectra
    """(stems, 2, time_frames, bins)"""


class Decomposition:
    """Splits spectra of stereo stems that come in pieces.

    Args:
        smoothing: of a power's running average, how much stays from frame to frame.
        gains: each stem's ambience is multiplied by its own.
        highest: the most that any bin is multiplied by.
    """

    def __init__(self, smoothing: float, gains: Sequence[float], highest: float) -> None:
        self._gains = np.array(gains, np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
        self._highest = np.float32(highest)
        self._smoothing = np.float32(smoothing)
        self._last: Powers | None = None

    def push(self, spectra: Spectra) -> Parts:
        """Split frames: complex64 (stems, 2, time_frames, bins)."""
        left, right = spectra[:, 0], spectra[:, 1]
        cross = left * right.conj()
        power1, power2, real, imaginary = self._average(
            np.stack([_square(left), _square(right), cross.real, cross.imag])
        )
        total = power1 + power2
        direct = np.sqrt((power1 - power2) ** 2 + 4 * (real**2 + imaginary**2))
        ambient = np.maximum(total - direct, 0) / 2
        ratio = np.maximum(total - 2 * real, 0) / (np.maximum(total + 2 * real, 0) + _TINY)
        share = np.maximum(1 - np.sqrt(ratio), 0)
        share *= share * (3 - 2 * share)
        gains = np.stack([ambient / (power + _TINY) for power in (power1, power2)], axis=1)
        gains = np.minimum(self._gains * gains, self._highest)
        return Parts(share * (left + right) / 2, gains * spectra)

    def _average(self, powers: Powers) -> Powers:
        """Return running averages over time, in place."""
        if self._last is None:
            self._last = np.zeros_like(powers[..., 0, :])
        powers *= 1 - self._smoothing
        for frame in range(powers.shape[-2]):
            powers[..., frame, :] += self._smoothing * self._last
            self._last = powers[..., frame, :]
        self._last = self._last.copy()  # lets go of the rest
        return powers


def _square(spectra: Spectra) -> Powers:
    """Return |spectra|², of the same shape: (…, time_frames, bins)."""
    return np.square(spectra.real) + np.square(spectra.imag)
