"""A limiter that keeps true peaks below a ceiling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.loudness import Oversampler
from daw_bridge.rendering.smoothing import running_mean, running_minimum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daw_bridge.files.blocks import Block
    from daw_bridge.loudness import Peaks

    Gains = NDArray[np.float64]
    """(frames,), in dB or as factors"""

_ATTACK_S = 0.005
_RELEASE_DB_PER_S = 150.0
_MARGIN_DB = 0.05  # the gain is that of whole frames, and peaks lie between them


class TruePeakLimiter:
    """Turns a signal down about its peaks, by as much as they need and no more.

    It looks ahead: the gain falls along a line before a peak, and recovers at a constant rate. All
    channels share it. What comes out is late; :meth:`flush` gives the rest.

    Args:
        channels: number of channels.
        sample_rate_hz: frames a second.
        ceiling_db: the highest true peak, relative to full scale.
    """

    def __init__(self, channels: int, sample_rate_hz: int, ceiling_db: float) -> None:
        self._ceiling = 10 ** ((ceiling_db - _MARGIN_DB) / 20)
        self._release_db = _RELEASE_DB_PER_S / sample_rate_hz
        self._attack = max(round(_ATTACK_S * sample_rate_hz), 1)
        self._delay = self._attack + Oversampler.delay_frames
        self._oversampler = Oversampler(channels)
        self._waiting = np.empty((channels, 0), np.float32)
        self._released_db = 0.0
        self._held = np.zeros(self._delay)
        self._gains = np.ones(self._attack - 1)

    def push(self, block: Block) -> Block:
        """Return what a block (channels, frames) completes."""
        if not block.shape[1]:
            return block
        gains = self._smooth(self._needed_db(self._oversampler.push(block, floor=self._ceiling)))
        waiting = np.concatenate([self._waiting, block], axis=1)
        # The gain that comes with a frame is that of the frame so much earlier.
        ready = max(waiting.shape[1] - self._delay, 0)
        self._waiting = waiting[:, ready:]
        limited: Block = waiting[:, :ready] * gains[len(gains) - ready :].astype(np.float32)
        return limited

    def flush(self) -> Block:
        """Return the rest when the signal has ended."""
        frames = self._waiting.shape[1]
        silence = np.zeros((len(self._waiting), self._delay), np.float32)
        return self.push(silence)[:, -frames:] if frames else self._waiting

    def _needed_db(self, peaks: Peaks) -> Gains:
        """Return each peak's gain: as low as it needs, or as earlier peaks still hold it.

        Recovery is ``q[n] = min(needed[n], q[n - 1] + release)``, which is a running minimum of
        ``needed[n] - n · release``.
        """
        needed = np.zeros(len(peaks))
        is_high = peaks > self._ceiling
        needed[is_high] = 20 * np.log10(self._ceiling / peaks[is_high])
        slope = self._release_db * np.arange(1, len(needed) + 1)
        running = np.minimum.accumulate(np.append(self._released_db, needed - slope))
        released = np.minimum(running[1:] + slope, 0.0)
        self._released_db = float(released[-1])
        return released

    def _smooth(self, needed_db: Gains) -> Gains:
        """Return factors; a gain is held for as long as the average and a peak may reach back."""
        held = np.concatenate([self._held, needed_db])
        self._held = held[len(held) - self._delay :]
        lowest = running_minimum(held, self._delay + 1)
        factors = np.ones(len(lowest))
        is_low = lowest < 0
        factors[is_low] = 10 ** (lowest[is_low] / 20)
        gains = np.concatenate([self._gains, factors])
        self._gains = gains[len(gains) - (self._attack - 1) :]
        return running_mean(gains, self._attack)
