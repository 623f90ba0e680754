"""A signal that comes in blocks → overlapping segments, and what they give → one signal again."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
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

_LEAST_WEIGHT = 1e-6  # where a segment fades in alone, its estimate is whole all the same


@dataclass(frozen=True)
class Cut:
    """How a signal is cut, in samples at the model's rate.

    Attributes:
        lead: zeros that precede the signal.
        tail: zeros that follow it.
        grain: the signal with its lead is filled up to a multiple of this, before the tail.
        segment: length of a segment; the last is as short as need be.
        stride: from one segment's start to the next's.
        mirrored: in place of zeros, a signal that is longer than two of its leads lies between
            mirror images of its ends; a shorter one has nothing around it.
    """

    lead: int
    tail: int
    grain: int
    segment: int
    stride: int
    mirrored: bool = False

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
    preceding: int = 0
    """How many samples of the first segment precede the signal, as a mirror image of it."""
    last: bool = False


def cut_segments(blocks: Iterable[Block], plan: Plan, cut: Cut) -> Iterator[Segment]:
    """Resample a signal and cut it into segments."""
    source = Fifo(np.empty((plan.channels, 0), np.float32))
    samples = Fifo(np.zeros((plan.channels, 0 if cut.mirrored else cut.lead), np.float32))
    passed = samples.peek(0)
    mirrors = Mirrors(cut.lead)
    signal = _resample(blocks, plan, source)
    if cut.mirrored:
        signal = mirrors.surround(signal)
    for piece in chain(signal, _fill(samples, cut)):
        samples.push(piece)
        while samples.frames > cut.segment:
            new = source.take(source.frames)
            yield Segment(samples.peek(cut.segment), new, passed, mirrors.before)
            passed = samples.take(cut.stride)
    new = source.take(source.frames)
    yield Segment(samples.take(samples.frames), new, passed, mirrors.before, last=True)


def _resample(blocks: Iterable[Block], plan: Plan, source: Fifo) -> Iterator[Signal]:
    """Yield a signal after its delay, at the model's rate, and keep the blocks that it is of."""
    resampler = Resampler(plan.channels, plan.source_hz, plan.model_hz)
    yield np.zeros((plan.channels, plan.delay_samples), np.float32)
    for block in blocks:
        source.push(block)
        yield resampler.push(block)
    yield resampler.flush()


def _fill(samples: Fifo, cut: Cut) -> Iterator[Signal]:
    """Yield the zeros that follow a signal of which these samples are left."""
    head = samples.peek(0)
    yield np.zeros((*head.shape[:-1], cut.filled(samples.frames) - samples.frames), np.float32)


class Mirrors:
    """Puts mirror images of a signal's ends around it, unless it is shorter than two of them.

    Args:
        samples: length of an image.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self.before = 0
        """How many samples precede the signal, as soon as it is known."""

    def surround(self, pieces: Iterator[Signal]) -> Iterator[Signal]:
        """Yield a signal that comes in pieces, (channels, samples), with what is around it."""
        head = self._gather(pieces)
        if head.shape[1] <= 2 * self._samples:
            yield from (head, *pieces)
            return
        self.before = self._samples
        yield head[:, self._samples : 0 : -1]
        end = head
        for piece in chain([head], pieces):
            yield piece
            end = np.concatenate([end, piece], axis=1)[:, -1 - self._samples :]
        yield end[:, -2::-1]

    def _gather(self, pieces: Iterator[Signal]) -> Signal:
        """Take pieces until they are long enough to be mirrored, or there are no more."""
        head = next(pieces)
        taken = [head]
        while sum(each.shape[1] for each in taken) <= 2 * self._samples:
            piece = next(pieces, None)
            if piece is None:
                break
            taken.append(piece)
        return np.concatenate(taken, axis=1)


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


class WeightedAverage:
    """Averages the estimates of segments that overlap, each of which fades in and out.

    All segments that see a sample count there; the first does not fade in, the last not out.

    Args:
        segment_frames: length of a whole segment.
        stride_frames: from one segment's start to the next's.
        fade_frames: length of a fade, which is linear.
    """

    def __init__(self, segment_frames: int, stride_frames: int, fade_frames: int) -> None:
        self._stride = stride_frames
        rise = np.linspace(0, 1, fade_frames, dtype=np.float32).clip(min=_LEAST_WEIGHT)
        self._fade_out = np.ones(segment_frames, np.float32)
        self._fade_out[segment_frames - fade_frames :] = rise[::-1]
        self._rise = rise
        self._sum: Estimates | None = None
        self._weight = np.zeros(0, np.float32)

    def push(self, estimates: Estimates, *, last: bool) -> Estimates:
        """Take a segment's estimates, return those of the frames that no later segment touches.

        Both are (stems, channels, frames).
        """
        frames = estimates.shape[-1]
        weight = np.ones(frames, np.float32) if last else self._fade_out[:frames].copy()
        if self._sum is not None:
            weight[: len(self._rise)] *= self._rise[:frames]
        estimates *= weight
        shared = len(self._weight)
        if self._sum is not None:
            estimates[..., :shared] += self._sum
            weight[:shared] += self._weight
        whole = frames if last else self._stride
        self._sum, self._weight = estimates[..., whole:].copy(), weight[whole:]
        return estimates[..., :whole] / weight[:whole]
