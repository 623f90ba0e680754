"""Networks that see the magnitudes of joined bands, as those of Ultimate Vocal Remover do.

What they see is divided by the largest magnitude of the whole signal, which is looked for before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from daw_bridge.separation.bands import BandAnalysis, BandSynthesis
from daw_bridge.separation.framing import cut_segments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from daw_bridge.files.blocks import Block
    from daw_bridge.library.manifest import BandedModel
    from daw_bridge.separation.framing import Segment
    from daw_bridge.separation.network import MaskNetwork
    from daw_bridge.separation.options import Plan
    from daw_bridge.stft import Signal, Spectra


class Masked(NamedTuple):
    """A segment's joined spectra, and the mask of the first stem: (2, frames, bins)."""

    spectra: Spectra
    mask: NDArray[np.float32]


class Banded:
    """Runs a network that gives the mask of joined bands, segment by segment.

    Args:
        plan: what is asked for; it knows the largest magnitude.
        network: what gives the mask.
        manifest: the network's.

    Raises:
        ValueError: the plan does not know it.
    """

    def __init__(self, plan: Plan, network: MaskNetwork, manifest: BandedModel) -> None:
        if plan.loudest is None:
            raise ValueError("nobody has looked for the largest magnitude")
        self._context = manifest.segment.context_frames
        self._analysis = BandAnalysis(manifest, self._context)
        self.cut = self._analysis.cut
        self._plan = plan
        self._network = network
        self._powers = _powers(manifest)
        self._synthesis = BandSynthesis(manifest, 2 * len(plan.made))

    def estimate(self, segment: Segment) -> Masked:
        """Run the network on one segment, or more than once where the last is longer."""
        spectra, kept = self._analysis.show(segment)
        magnitudes = np.abs(spectra)
        magnitudes /= self._plan.loudest or 1
        frames, stride = self._analysis.frames, self._analysis.stride
        masks = [
            self._mask(magnitudes[:, start : start + frames]) for start in range(0, kept, stride)
        ]
        mask = np.concatenate(masks, axis=1)[:, :kept]
        return Masked(spectra[:, self._context : self._context + kept], mask)

    def join(self, estimate: Masked, *, last: bool) -> Signal:
        """Return what a segment completes of the stems made: (stems · channels, samples)."""
        mixture, mask = estimate
        stems = (mask * mixture, (1 - mask) * mixture)
        made = np.concatenate([stems[index] for index in self._plan.made])
        signals = self._synthesis.push(made, last=last)
        if self._plan.channels < self._plan.shown_channels:
            signals = signals.reshape(len(self._plan.made), 2, signals.shape[1]).mean(axis=1)
        return signals

    def _mask(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mask of the frames between context: (2, frames, bins)."""
        shown = np.ascontiguousarray(magnitudes.transpose(0, 2, 1))
        (mask,) = self._network(shown)
        kept = slice(self._context, self._context + self._analysis.stride)
        return np.power(mask[..., kept].transpose(0, 2, 1), self._powers)


def find_loudest(plan: Plan, blocks: Iterable[Block], manifest: BandedModel) -> float:
    """Return the largest magnitude of a whole signal's joined spectra."""
    analysis = BandAnalysis(manifest, context_frames=0)
    segments = cut_segments(blocks, plan, analysis.cut)
    return max(float(np.abs(analysis.show(segment).spectra).max()) for segment in segments)


def _powers(manifest: BandedModel) -> NDArray[np.float32]:
    """Return what masks (…, bins) are raised to."""
    powers = np.ones(manifest.bins, np.float32)
    if sharpening := manifest.sharpening:
        powers[: sharpening.split_bin] = sharpening.below
        powers[sharpening.split_bin :] = sharpening.above
    return powers
