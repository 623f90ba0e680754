"""Masks and spectra of segments → blocks of stems as long as the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from daw_bridge.audio import Stems
from daw_bridge.files.blocks import Fifo
from daw_bridge.resampling import Resampler
from daw_bridge.separation import wiener
from daw_bridge.separation.masks import CrossFade, apply_masks
from daw_bridge.stft import StreamingInverse

if TYPE_CHECKING:
    from daw_bridge.audio import StemBlock
    from daw_bridge.files.blocks import Block
    from daw_bridge.separation.framing import Segment
    from daw_bridge.separation.network import Masks
    from daw_bridge.separation.options import Plan
    from daw_bridge.stft import Signal, Spectra


class MaskedSegment(NamedTuple):
    """A segment, its spectra and the masks that the network gave for them."""

    segment: Segment
    spectra: Spectra
    masks: Masks


class Synthesis:
    """Takes masked segments in order and gives the stems of the source that they complete."""

    def __init__(self, plan: Plan) -> None:
        rows = len(plan.made) * plan.channels
        self._plan = plan
        self._cross_fade = CrossFade(plan.overlap_frames, plan.context_frames)
        self._inverse = StreamingInverse(plan.stft)
        self._resampler = Resampler(rows, plan.model_hz, plan.source_hz)
        self._made = Fifo(np.empty((rows, 0), np.float32))
        self._source = Fifo(np.empty((plan.channels, 0), np.float32))

    def push(self, masked: MaskedSegment) -> Stems:
        """Return the stems that a segment completes; with the last one, all that are left."""
        segment, spectra, masks = masked
        self._source.push(segment.source)
        masks = self._cross_fade.push(masks, last=segment.last)
        made = self._inverse.push(self._stem_spectra(masks, spectra[:, : masks.shape[2]]))
        self._made.push(self._resampler.push(made, last=segment.last))
        if segment.last:  # the last frame's padding may end short of the source by a sample or so
            shortage = max(self._source.frames - self._made.frames, 0)
            self._made.push(np.zeros((len(made), shortage), np.float32))
        frames = min(self._source.frames, self._made.frames)
        return self._complete(self._made.take(frames), self._source.take(frames))

    def _stem_spectra(self, masks: Masks, mixture: Spectra) -> Spectra:
        """Return the spectra of the stems that are made: (stems · channels, time_frames, bins)."""
        options, made = self._plan.options, list(self._plan.made)
        if options.wiener_iterations:
            estimates = apply_masks(masks, mixture, options.extension)
            refined = wiener.refine(
                estimates,
                mixture,
                iterations=options.wiener_iterations,
                epsilon=self._plan.wiener_epsilon,
            )
            spectra = refined[made]
        else:
            spectra = apply_masks(masks[made], mixture, options.extension)
        return spectra.reshape(-1, *spectra.shape[2:])

    def _complete(self, made: Signal, mixture: Block) -> Stems:
        """Add the stem that is the rest of the mixture, where there is one."""
        plan = self._plan
        samples: StemBlock = made.reshape(len(plan.made), *mixture.shape)
        if plan.last_is_rest and plan.given != plan.made:
            rest = mixture - samples.sum(axis=0)
            every = np.concatenate([samples, rest[np.newaxis]])
            samples = every[list(plan.given)]
        names = tuple(plan.stems[index] for index in plan.given)
        return Stems(names, samples, mixture, plan.source_hz)
