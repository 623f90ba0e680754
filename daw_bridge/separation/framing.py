"""A signal that comes in blocks → overlapping segments, and what they give → one signal again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daw_bridge.files.blocks import Fifo
from daw_bridge.resampling import Resampler

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from daw_bridge.files.blocks import Block
    from daw_bridge.separation.options import Plan
    from daw_bridge.stft import Signal

Estimates: TypeAlias = NDArray[np.float32]
"""Masks or signals of stems: (stems, channels, time_frames or samples, …)"""


@dataclass(frozen=True)
class Cut:
    """How a signal is cut, in samples at the model's rate.

    Attributes:
        lead: zeros that precede the signal.
        tail: zeros that follow it.
        grain: the signal with its lead is filled up to a multiple of this, before the tail.
        segment: length of a segment; the last is as short as need be.
        stride: from one segment's start to the next's.
    """

    lead: int
    tail: int
    grain: int
    segment: int
    stride: int

    def filled(self, samples: int) -> int:
        """Return how long a rest of so many samples is with all that follows it."""
        return -(-samples // self.grain) * self.grain + self.tail


class Segment(NamedTuple):
    """What the network sees at once, and the new part of the source that it was made from."""

    samples: Signal
    """(channels, samples) at the model's rate: the last segment may be shorter than the others."""
    source: Block
    """(channels, frames) at the source's rate: segments' sources follow each other gaplessly."""
    before: Signal
    """The samples that precede it, (channels, samples), a stride at most, from earlier segments."""
    last: bool = False


def cut_segments(blocks: Iterable[Block], plan: Plan, cut: Cut) -> Iterator[Segment]:
    """Resample a signal and cut it into segments."""
    resampler = Resampler(plan.channels, plan.source_hz, plan.model_hz)
    samples = Fifo(np.zeros((plan.channels, cut.lead + plan.delay_samples), np.float32))
    source = Fifo(np.empty((plan.channels, 0), np.float32))
    passed = samples.peek(0)
    for block in blocks:
        source.push(block)
        samples.push(resampler.push(block))
        while samples.frames >= cut.segment:
            yield Segment(samples.peek(cut.segment), source.take(source.frames), passed)
            passed = samples.take(cut.stride)
    samples.push(resampler.flush())
    rest = cut.filled(samples.frames)
    samples.push(np.zeros((plan.channels, rest - samples.frames), np.float32))
    while samples.frames > cut.segment:
        yield Segment(samples.peek(cut.segment), source.take(source.frames), passed)
        passed = samples.take(cut.stride)
    yield Segment(samples.take(samples.frames), source.take(source.frames), passed, last=True)


class CrossFade:
    """Blends the estimates of overlapping segments, linearly over frames that they share.

    Args:
        overlap_frames: how many frames a segment shares with the next.
        context_frames: how many of them, at each end, only show the network more: the estimates of
            these are those of the segment that they lie further inside of.
    """

    def __init__(self, overlap_frames: int, context_frames: int = 0) -> None:
        self._overlap = overlap_frames
        fade_frames = overlap_frames - 2 * context_frames
        rise = (np.arange(fade_frames, dtype=np.float32) + 0.5) / max(fade_frames, 1)
        self._rise = np.pad(rise, context_frames, constant_values=(0, 1))
        self._tail: Estimates | None = None

    def push(self, estimates: Estimates, *, last: bool) -> Estimates:
        """Take a segment's estimates, return those of the frames that no later segment touches."""
        if self._tail is not None:
            head = estimates[:, :, : self._overlap]
            rise = self._rise.reshape(-1, *[1] * (estimates.ndim - 3))
            head[...] = self._tail + rise * (head - self._tail)
        if last or not self._overlap:
            return estimates
        self._tail = estimates[:, :, -self._overlap :].copy()  # lets go of the rest
        return estimates[:, :, : -self._overlap]
