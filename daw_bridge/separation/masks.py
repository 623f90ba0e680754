"""Masks and the spectra of a mixture → spectra of its stems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daw_bridge.separation.network import Masks
    from daw_bridge.stft import Spectra

Extension: TypeAlias = Literal["ratio", "zeros"]

_SILENCE = np.float32(1e-20)  # where a frame has no energy, the plain mean of its masks decides


def apply_masks(masks: Masks, mixture: Spectra, extension: Extension) -> Spectra:
    """Mask a mixture, also above the band that the network sees.

    Args:
        masks: float32 (stems, channels, time_frames, bins of the band).
        mixture: complex64 (channels, time_frames, bins), of at least as many bins.
        extension: what becomes of the bins above the band. ``ratio``: each stem gets the share that
            it has of the energy in the band's upper half, so that stems still sum to the mixture;
            ``zeros``: nothing, as Spleeter does.

    Returns:
        complex64 (stems, channels, time_frames, bins).
    """
    band = masks.shape[-1]
    spectra = np.empty((len(masks), *mixture.shape), np.complex64)
    np.multiply(masks, mixture[..., :band], out=spectra[..., :band])
    share = _upper_share(masks, mixture) if extension == "ratio" else np.float32(0)
    np.multiply(share, mixture[..., band:], out=spectra[..., band:])
    return spectra


def _upper_share(masks: Masks, mixture: Spectra) -> NDArray[np.float32]:
    """Return each stem's share of the energy of the band's upper half, in each frame.

    Masks (stems, channels, time_frames, bins) → shares (stems, channels, time_frames, 1).
    """
    upper = slice(masks.shape[-1] // 2, masks.shape[-1])
    energy = np.square(np.abs(mixture[..., upper])) + _SILENCE
    share = np.einsum("sctf,ctf->sct", masks[..., upper], energy) / energy.sum(axis=-1)
    return share[..., np.newaxis].astype(np.float32)
