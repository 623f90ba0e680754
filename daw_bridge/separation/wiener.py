"""Multichannel Wiener filtering by expectation-maximisation, a block of frames at a time.

The algorithm is norbert's: Liutkus and Stöter, "sigsep/norbert", 2019, after Duong, Vincent and
Gribonval, "Under-determined reverberant audio source separation using a full-rank spatial
covariance model", IEEE TASLP 18(7), 2010. Spatial covariances are estimated from the block alone,
so that memory does not grow with the signal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daw_bridge.stft import Spectra


def refine(estimates: Spectra, mixture: Spectra, *, iterations: int, epsilon: float) -> Spectra:
    """Refine stems so that their spatial images explain the mixture best.

    Args:
        estimates: complex64 (stems, channels, time_frames, bins), one or two channels.
        mixture: complex64 (channels, time_frames, bins).
        iterations: rounds of expectation-maximisation.
        epsilon: the energy of the noise that the mixture is said to hold besides its stems.

    Returns:
        complex64 (stems, channels, time_frames, bins).
    """
    scale = np.float32(max(1.0, np.abs(mixture).max() / 10))  # norbert's guard of its constants
    mixture = mixture / scale
    estimates = estimates / scale
    for _ in range(iterations):
        power, covariance = _gaussian_model(estimates, epsilon)
        whitened = _solve(_mixture_covariance(power, covariance, epsilon), mixture)
        estimates = power[:, np.newaxis] * np.einsum("jabf,btf->jatf", covariance, whitened)
    refined: Spectra = estimates * scale
    return refined


def _gaussian_model(estimates: Spectra, epsilon: float) -> tuple[NDArray[np.float32], Spectra]:
    """Model estimates (stems, channels, time_frames, bins) by Gaussians.

    Returns:
        power (stems, time_frames, bins) and spatial covariance (stems, channels, channels, bins).
    """
    power = np.mean(estimates.real**2 + estimates.imag**2, axis=1)
    covariance = np.einsum("jatf,jbtf->jabf", estimates, estimates.conj())
    covariance /= (power.sum(axis=1) + epsilon)[:, np.newaxis, np.newaxis]
    return power, covariance


def _mixture_covariance(power: NDArray[np.float32], covariance: Spectra, epsilon: float) -> Spectra:
    """Return the model's covariance of the mixture: (channels, channels, time_frames, bins)."""
    mixed: Spectra = np.einsum("jtf,jabf->abtf", power, covariance)
    for channel in range(mixed.shape[0]):
        mixed[channel, channel] += np.float32(epsilon**0.5)
    return mixed


def _solve(matrix: Spectra, vector: Spectra) -> Spectra:
    """Solve matrix · solution = vector in each bin, for Hermitian matrices of one or two rows.

    It is done in double precision: channels that are almost equal cancel.

    Args:
        matrix: (channels, channels, time_frames, bins).
        vector: (channels, time_frames, bins), as is what is returned.
    """
    if len(vector) == 1:
        return vector / matrix[0, 0].real
    left, right = (matrix[row, row].real.astype(np.float64) for row in (0, 1))
    across = matrix[0, 1].astype(np.complex128)
    inverse = 1 / (left * right - (across.real**2 + across.imag**2))
    solution = np.empty_like(vector)
    solution[0] = (right * vector[0] - across * vector[1]) * inverse
    solution[1] = (left * vector[1] - across.conj() * vector[0]) * inverse
    return solution
