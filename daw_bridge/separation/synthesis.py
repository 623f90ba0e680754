"""Estimates of segments → blocks of stems, together as long as the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from daw_bridge.files.blocks import BLOCK_FRAMES, Fifo
from daw_bridge.resampling import Resampler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.audio import Stems
    from daw_bridge.separation.framing import Cut, Segment
    from daw_bridge.separation.options import Plan
    from daw_bridge.stft import Signal

Estimate = TypeVar("Estimate")


class Estimator(Protocol[Estimate]):
    """How a kind of network is run on the segments of one signal."""

    cut: Cut

    def estimate(self, segment: Segment) -> Estimate:
        """Run the network on one segment; calls come from several threads."""
        ...

    def join(self, estimate: Estimate, *, last: bool) -> Signal:
        """Take estimates in order; return the (stems · channels, samples) that one completes."""
        ...


class Synthesis:
    """Takes segments' estimates in order and gives the stems of the source that they complete."""

    def __init__(self, plan: Plan, estimator: Estimator[Any]) -> None:
        rows = len(plan.made) * plan.channels
        self._plan = plan
        self._ahead: int | None = None  # until the first segment tells
        self._estimator = estimator
        self._resampler = Resampler(rows, plan.model_hz, plan.source_hz)
        self._made = Fifo(np.empty((rows, 0), np.float32))
        self._source = Fifo(np.empty((plan.channels, 0), np.float32))

    def push(self, segment: Segment, estimate: Any) -> Iterator[Stems]:
        """Yield the stems that a segment completes; with the last one, all that are left."""
        last, signal = segment.last, self._estimator.join(estimate, last=segment.last)
        signal = self._drop_ahead(signal, segment)
        self._source.push(segment.source)
        del segment, estimate  # which are large, before others work on the stems
        for start in range(0, signal.shape[1], BLOCK_FRAMES):
            self._made.push(self._resampler.push(signal[:, start : start + BLOCK_FRAMES]))
            yield from self._take(min(self._source.frames, self._made.frames))
        if last:  # the last frame's padding may end short of the source by a sample or so
            self._made.push(self._resampler.flush())
            shortage = max(self._source.frames - self._made.frames, 0)
            self._made.push(np.zeros((len(signal), shortage), np.float32))
            yield from self._take(self._source.frames)

    def _take(self, frames: int) -> Iterator[Stems]:
        """Yield the next stems, if there are any."""
        if not frames:
            return
        mixture = self._source.take(frames)
        made = self._made.take(frames).reshape(len(self._plan.made), *mixture.shape)
        yield self._plan.complete(made, mixture)

    def _drop_ahead(self, made: Signal, segment: Segment) -> Signal:
        """Leave out what was put before the signal: (stems · channels, samples)."""
        if self._ahead is None:
            self._ahead = segment.preceding + self._plan.delay_samples
        dropped = min(self._ahead, made.shape[1])
        self._ahead -= dropped
        return made[:, dropped:]
