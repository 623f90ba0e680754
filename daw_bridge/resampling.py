"""Streaming sample-rate conversion with libsoxr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

if TYPE_CHECKING:
    from daw_bridge.files.blocks import Block


class Resampler:
    """Converts a signal that comes in pieces; passes it through where the rates are equal.

    Args:
        channels: number of channels.
        source_hz: the sample rate that goes in.
        target_hz: the sample rate that comes out, without delay.
    """

    def __init__(self, channels: int, source_hz: float, target_hz: float) -> None:
        self._channels = channels
        self._stream = (
            soxr.ResampleStream(source_hz, target_hz, channels, dtype="float32", quality="VHQ")
            if source_hz != target_hz
            else None
        )

    def push(self, samples: Block, *, last: bool = False) -> Block:
        """Return what a piece (channels, samples) completes; with ``last`` also what is left."""
        if self._stream is None:
            return samples
        resampled = self._stream.resample_chunk(np.ascontiguousarray(samples.T), last=last)
        return np.ascontiguousarray(resampled.reshape(-1, self._channels).T)

    def flush(self) -> Block:
        """Return what is left when the signal has ended."""
        return self.push(np.empty((self._channels, 0), np.float32), last=True)
