"""Masks of segments → masks of the whole signal → spectra of the stems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daw_bridge.separation.network import Masks
    from daw_bridge.stft import Spectra

Extension: TypeAlias = Literal["ratio", "zeros"]

_SILENCE = np.float32(1e-20)  # where a frame has no energy, the plain mean of its masks decides


class CrossFade:
    """Blends the masks of overlapping segments, linearly over frames that they share.

    Args:
        overlap_frames: how many frames a segment shares with the next.
        context_frames: how many of them, at each end, are there for the network to see alone: they
            take the masks of the segment that they are further inside of.
    """

    def __init__(self, overlap_frames: int, context_frames: int = 0) -> None:
        self._overlap = overlap_frames
        fade_frames = overlap_frames - 2 * context_frames
        rise = (np.arange(fade_frames, dtype=np.float32) + 0.5) / max(fade_frames, 1)
        self._rise = np.pad(rise, context_frames, constant_values=(0, 1))[:, np.newaxis]
        self._tail: Masks | None = None

    def push(self, masks: Masks, *, last: bool) -> Masks:
        """Take a segment's masks, return those of the frames that no later segment touches."""
        if self._tail is not None:
            head = masks[:, :, : self._overlap]
            head[...] = self._tail + self._rise * (head - self._tail)
        if last or not self._overlap:
            return masks
        self._tail = masks[:, :, -self._overlap :].copy()  # lets go of the rest
        return masks[:, :, : -self._overlap]


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
    """Return each stem's share of the energy of the band's upper half, in each frame."""
    upper = slice(masks.shape[-1] // 2, masks.shape[-1])
    energy = np.square(np.abs(mixture[..., upper])) + _SILENCE
    share = np.einsum("sctf,ctf->sct", masks[..., upper], energy) / energy.sum(axis=-1)
    return share[..., np.newaxis].astype(np.float32)
