"""Networks that give masks: STFT → masks, cross-faded → spectra of stems → inverse STFT."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from daw_bridge.separation import wiener
from daw_bridge.separation.framing import CrossFade, Cut
from daw_bridge.separation.masks import apply_masks
from daw_bridge.separation.phase import derive
from daw_bridge.stft import Stft, StreamingInverse

if TYPE_CHECKING:
    from daw_bridge.library.manifest import MagnitudeModel
    from daw_bridge.separation import framing
    from daw_bridge.separation.network import Magnitudes, MaskNetwork, Masks
    from daw_bridge.separation.options import Plan
    from daw_bridge.stft import Signal, Spectra

_FRAMES_AT_A_TIME = 32  # so that spectra of stems stay in the processor's cache


class Masked(NamedTuple):
    """The spectra of a segment, and the masks of their lowest bins that the network gave.

    Masks are those of the stems that are made, or of all where Wiener's refinement needs them.
    """

    spectra: Spectra
    masks: Masks


class Masking:
    """Runs a network that gives masks, segment by segment.

    Args:
        plan: what is asked for.
        network: what gives the masks.
        manifest: the network's.
    """

    def __init__(self, plan: Plan, network: MaskNetwork, manifest: MagnitudeModel) -> None:
        segment = manifest.segment
        stft = Stft(manifest.transform.window_samples, manifest.transform.hop_samples)
        context_frames = segment.context_frames
        overlap_frames = max(round(plan.overlap * segment.frames), 2 * context_frames)
        self.cut = Cut(
            lead=stft.window_samples,
            tail=stft.overlap_samples,
            grain=stft.hop_samples,
            segment=stft.count_samples(segment.frames),
            stride=(segment.frames - overlap_frames) * stft.hop_samples,
        )
        self._plan = plan
        self._network = network
        self._stft = stft
        self._segment = segment
        self._wiener_epsilon = manifest.wiener_epsilon
        self._features = manifest.features
        self._bins = manifest.bins(plan.options.bandwidth)
        self._cross_fade = CrossFade(overlap_frames, context_frames)
        self._inverse = StreamingInverse(stft)

    def estimate(self, segment: framing.Segment) -> Masked:
        """Run the network on one segment; it sees mono as two equal channels."""
        spectra = self._stft.forward(segment.samples)
        frames = spectra.shape[1]
        masks = self._network(self._show(spectra[..., : self._bins]))[:, :, :frames]
        if not self._plan.options.wiener_iterations:
            masks = masks[list(self._plan.made)]
        if self._plan.channels < self._plan.shown_channels:
            masks = masks.mean(axis=1, keepdims=True)
        return Masked(spectra, masks)

    def join(self, estimate: Masked, *, last: bool) -> Signal:
        """Return what a segment completes of the stems made: (stems · channels, samples)."""
        spectra, masks = estimate
        masks = self._cross_fade.push(masks, last=last)
        frames = masks.shape[2]
        # Statistics of Wiener's are those of a segment; a mask is for one frame.
        count = frames if self._plan.options.wiener_iterations else _FRAMES_AT_A_TIME
        parts = [slice(start, min(start + count, frames)) for start in range(0, frames, count)]
        return np.concatenate(
            [
                self._inverse.push(self._stem_spectra(masks[:, :, part], spectra[:, part]))
                for part in parts
            ],
            axis=1,
        )

    def _show(self, spectra: Spectra) -> Magnitudes:
        """Return what the network sees: the channels' magnitudes, then each feature of each.

        All these planes are channels: ((1 + features) · shown channels, padded time_frames, bins).
        """
        _, frames, bins = spectra.shape
        shape = (self._plan.shown_channels, self._padded(frames), bins)
        planes = np.zeros((1 + len(self._features), *shape), np.float32)
        planes[0, :, :frames] = np.abs(spectra)
        for plane, feature in zip(planes[1:], self._features, strict=True):
            plane[:, :frames] = derive(feature, spectra, self._stft)
        return planes.reshape(-1, *shape[1:])

    def _padded(self, frames: int) -> int:
        """Return how many frames the network is shown for a segment of ``frames``."""
        if self._plan.options.whole_segments:
            return self._segment.frames
        multiple = self._segment.multiple_frames
        return -(-frames // multiple) * multiple

    def _stem_spectra(self, masks: Masks, mixture: Spectra) -> Spectra:
        """Return the spectra of the stems that are made: (stems · channels, time_frames, bins)."""
        options = self._plan.options
        spectra = apply_masks(masks, mixture, options.extension)
        if options.wiener_iterations:
            refined = wiener.refine(
                spectra,
                mixture,
                iterations=options.wiener_iterations,
                epsilon=self._wiener_epsilon,
            )
            spectra = refined[list(self._plan.made)]
        return spectra.reshape(-1, *spectra.shape[2:])
