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
    from numpy.typing import NDArray

    from daw_bridge.stft import Spectra

    Powers = NDArray[np.float32]
    """(…, time_frames, bins)"""

_TINY = np.float32(1e-20)


class Image(NamedTuple):
    """A stem's two channels: powers and cross power, up to a factor, (time_frames, bins) each."""

    power1: Powers
    power2: Powers
    cross_real: Powers
    cross_imaginary: Powers

    def common_share(self) -> Powers:
        """Return how much of (left + right) / 2 is common: 0 … 1, (time_frames, bins)."""
        total, twice = self.power1 + self.power2, 2 * self.cross_real
        ratio = np.maximum(total - twice, 0) / (np.maximum(total + twice, 0) + _TINY)
        share = np.maximum(1 - np.sqrt(ratio), 0)
        share *= share * (3 - 2 * share)
        return share

    def ambience_gains(self) -> tuple[Powers, Powers]:
        """Return what each channel's ambience is that channel times: (time_frames, bins) each."""
        direct = np.square(self.power1 - self.power2)
        direct += 4 * (np.square(self.cross_real) + np.square(self.cross_imaginary))
        ambient: Powers = self.power1 + self.power2
        ambient -= np.sqrt(direct, out=direct)
        np.maximum(ambient, 0, out=ambient)
        ambient *= np.float32(0.5)
        return np.divide(ambient, self.power1 + _TINY), np.divide(ambient, self.power2 + _TINY)


class Imaging:
    """Sums up a stem's spectra, which come in pieces, over time that fades.

    Args:
        smoothing: how much of a sum stays from frame to frame.
    """

    def __init__(self, smoothing: float) -> None:
        self._smoothing = np.float32(smoothing)
        self._last: Powers = np.zeros((4, 1), np.float32)

    def push(self, spectra: Spectra) -> Image:
        """Take frames: complex64 (2, time_frames, bins)."""
        powers: Powers = np.empty((4, *spectra.shape[1:]), np.float32)
        np.square(np.abs(spectra, out=powers[:2]), out=powers[:2])
        cross = spectra[1].conj()
        cross *= spectra[0]
        powers[2], powers[3] = cross.real, cross.imag
        for frame in range(powers.shape[1]):
            powers[:, frame] += self._smoothing * self._last
            self._last = powers[:, frame]
        self._last = self._last.copy()  # lets go of the rest
        return Image(*powers)
