"""A signal that comes in blocks → overlapping segments of whole frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from daw_bridge.files.blocks import Fifo
from daw_bridge.resampling import Resampler

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from daw_bridge.files.blocks import Block
    from daw_bridge.separation.options import Plan
    from daw_bridge.stft import Signal


class Segment(NamedTuple):
    """What the network sees at once, and the new part of the source that it was made from."""

    samples: Signal
    """(channels, samples) at the model's rate: the last segment may be shorter than the others."""
    source: Block
    """(channels, frames) at the source's rate: segments' sources follow each other gaplessly."""
    last: bool


def cut_segments(blocks: Iterable[Block], plan: Plan) -> Iterator[Segment]:
    """Resample a signal and cut it into segments, framed as :mod:`.stft` says."""
    resampler = Resampler(plan.channels, plan.source_hz, plan.model_hz)
    window = np.zeros((plan.channels, plan.stft.window_samples), np.float32)
    samples = Fifo(window)
    source = Fifo(np.empty((plan.channels, 0), np.float32))
    for block in blocks:
        source.push(block)
        samples.push(resampler.push(block))
        while samples.frames >= plan.segment_samples:
            yield _next_segment(samples, source, plan)
    samples.push(resampler.flush())
    frames = plan.stft.count_hops(samples.frames)
    samples.push(window)  # completes the last frame
    while frames > plan.segment_frames:
        yield _next_segment(samples, source, plan)
        frames -= plan.segment_frames - plan.overlap_frames
    rest = samples.take(plan.stft.count_samples(frames))
    yield Segment(rest, source.take(source.frames), last=True)


def _next_segment(samples: Fifo, source: Fifo, plan: Plan) -> Segment:
    whole = samples.peek(plan.segment_samples)
    samples.take(plan.stride_samples)
    return Segment(whole, source.take(source.frames), last=False)
