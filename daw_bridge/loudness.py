"""Loudness and true peak of a signal that comes in blocks, after ITU-R BS.1770-4."""

from __future__ import annotations

import math
from array import array
from copy import copy
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from daw_bridge.biquads import Biquads
from daw_bridge.errors import AudioError
from daw_bridge.files.blocks import Fifo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from daw_bridge.files.blocks import Block
    from daw_bridge.files.reading import Reader

    Peaks = NDArray[np.float32]
    """(frames,), the highest magnitude of any channel about each frame, full scale 1"""

LOWEST_RATE_HZ = 4000
"""The frequency of the filters of annex 1, 1682 Hz, must be well below the half."""
HIGHEST_RATE_HZ = 768_000
"""The highest that converters have; some effects crash not far beyond."""

# Annex 1: gating blocks of 400 ms that overlap by 75 %, in steps of 100 ms.
_STEPS_PER_S = 10
_STEPS_PER_GATE = 4
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_OFFSET_DB = -0.691
_PIECE_FRAMES = 1 << 14

# Annex 2: the interpolator from one to four times the sample rate, by phases; the last two phases
# are the first two backwards.
_PHASES = np.array(
    [
        [
            0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000,
            -0.0594482421875, 0.1373291015625, 0.9721679687500, -0.1022949218750,
            0.0476074218750, -0.0266113281250, 0.0148925781250, -0.0083007812500,
        ],
        [
            -0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250,
            -0.1665039062500, 0.4650878906250, 0.7797851562500, -0.2003173828125,
            0.1015625000000, -0.0582275390625, 0.0330810546875, -0.0189208984375,
        ],
    ],
    np.float32,
)  # fmt: skip
_INTERPOLATOR = np.concatenate([_PHASES, _PHASES[:, ::-1]])
_HISTORY_FRAMES = _PHASES.shape[1] - 1
_HIGHEST_GAIN = 1.0001 * float(np.abs(_PHASES).sum(axis=1).max())  # a margin for rounding
_STRETCH_FRAMES = 64


def check_rate(reader: Reader) -> None:
    """Raise :class:`AudioError` if a source's sample rate is too low or too high to render it."""
    rate = reader.sample_rate_hz
    if not LOWEST_RATE_HZ <= rate <= HIGHEST_RATE_HZ:
        raise AudioError(
            f"{reader.name} has {rate} Hz, and what is to be mixed and measured has from"
            f" {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz; resample it."
        )


class LoudnessMeter:
    """Measures integrated loudness.

    Args:
        sample_rate_hz: frames a second.
        weights: the weight of each channel's power: 1 for fronts, 1.41 for surrounds, 0 for the LFE
            (annex 1, table 4).
    """

    def __init__(self, sample_rate_hz: int, weights: Sequence[float]) -> None:
        self._heard = np.flatnonzero(weights)
        self._scales = np.sqrt(np.array(weights, np.float32)[self._heard, np.newaxis])
        self._filter = Biquads(_k_weighting(sample_rate_hz), len(self._heard))
        self._waiting = Fifo(np.empty((len(self._heard), 0), np.float32))
        self._step_frames = round(sample_rate_hz / _STEPS_PER_S)
        self._powers = np.empty(0)
        self._steps = array("d")

    def add(self, block: Block) -> None:
        """Take a block: float32 (channels, frames)."""
        self._waiting.push(block[self._heard])
        while self._waiting.frames >= _PIECE_FRAMES:
            piece = self._waiting.take(_PIECE_FRAMES)
            steps, self._powers = self._measure(piece, self._filter)
            self._steps.extend(steps)

    def _measure(
        self, piece: Block, k_weighting: Biquads
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the power of each step that a piece (channels, frames) completes: (steps,).

        And that of each frame that no step is left for: (frames,).
        """
        weighted = k_weighting.push(piece * self._scales)
        came = np.square(weighted, out=weighted).sum(axis=0)
        powers = np.concatenate([self._powers, came])
        whole = len(powers) // self._step_frames * self._step_frames
        return powers[:whole].reshape(-1, self._step_frames).mean(axis=1), powers[whole:]

    @property
    def integrated_lufs(self) -> float:
        """The loudness of all that came; -inf where nothing is above the absolute gate."""
        rest = self._waiting.peek(self._waiting.frames)
        steps = np.concatenate([self._steps, self._measure(rest, copy(self._filter))[0]])
        if len(steps) < _STEPS_PER_GATE:
            return -math.inf
        powers = np.convolve(steps, np.full(_STEPS_PER_GATE, 1 / _STEPS_PER_GATE), "valid")
        powers = powers[powers > _power(_ABSOLUTE_GATE_LUFS)]
        if not len(powers):
            return -math.inf
        gate = _power(_lufs(powers.mean()) + _RELATIVE_GATE_LU)
        return _lufs(powers[powers > gate].mean())


class TruePeakMeter:
    """Measures the highest peak between samples, at four times the sample rate.

    Args:
        channels: number of channels.
    """

    def __init__(self, channels: int) -> None:
        self._oversampler = Oversampler(channels)
        self._peak = 0.0

    def add(self, block: Block) -> None:
        """Take a block: float32 (channels, frames)."""
        self._peak = max(self._peak, float(np.abs(block).max(initial=0)))
        self._peak = float(self._oversampler.push(block, floor=self._peak).max(initial=self._peak))

    @property
    def peak_db(self) -> float:
        """The peak of all that came, in dB relative to full scale; -inf for silence."""
        peak = max(self._peak, float(self._oversampler.rest().max()))
        return 20 * math.log10(peak) if peak else -math.inf


class Oversampler:
    """Tells how high the signal rises about each frame.

    Args:
        channels: number of channels.

    Attributes:
        delay_frames: a peak that is told with a frame lies so many frames before it at most.
    """

    delay_frames = _HISTORY_FRAMES

    def __init__(self, channels: int) -> None:
        self._history = np.zeros((channels, _HISTORY_FRAMES), np.float32)

    def push(self, block: Block, *, floor: float = 0.0) -> Peaks:
        """Return a peak for each frame of a block, late by ``delay_frames`` at most.

        Peaks up to a floor may be told lower than they are: those are not looked for where the
        samples are too low for others.
        """
        signal = np.concatenate([self._history, block], axis=1)
        self._history = signal[:, signal.shape[1] - _HISTORY_FRAMES :]
        return self._peaks(signal, floor)

    def rest(self) -> Peaks:
        """Return the peaks that would come if the signal ended here, of ``delay_frames``."""
        return self._peaks(np.pad(self._history, ((0, 0), (0, _HISTORY_FRAMES))), floor=0.0)

    @staticmethod
    def _peaks(signal: Block, floor: float) -> Peaks:
        """Return the peak with each frame after the first, which are history."""
        channels, frames = signal.shape[0], signal.shape[1] - _HISTORY_FRAMES
        stretches = max(-(-frames // _STRETCH_FRAMES), 1)
        size = stretches * _STRETCH_FRAMES
        padded = np.pad(signal, ((0, 0), (0, size - frames)))
        # The interpolator is 0.24 dB short at a lone sample, so samples count too.
        peaks = np.abs(padded[:, _HISTORY_FRAMES:]).reshape(channels, -1, _STRETCH_FRAMES)
        seen = sliding_window_view(padded, _STRETCH_FRAMES + _HISTORY_FRAMES, axis=1)
        seen = seen[:, ::_STRETCH_FRAMES]
        is_high = np.abs(seen).max(axis=2) * _HIGHEST_GAIN > floor
        peaks[is_high] = np.maximum(peaks[is_high], _between(seen[is_high]))
        highest: Peaks = peaks.reshape(channels, -1)[:, :frames].max(axis=0)
        return highest


def _between(stretches: Block) -> Block:
    """Return the highest magnitude about each frame after the first, which are history.

    A stretch is (stretches, frames), and what comes of it is that much shorter.
    """
    highest = np.zeros_like(stretches[:, _HISTORY_FRAMES:])
    for phase in _INTERPOLATOR:
        between = np.zeros_like(highest)
        for delay, factor in enumerate(phase):
            start = _HISTORY_FRAMES - delay
            between += factor * stretches[:, start : start + highest.shape[1]]
        np.maximum(highest, np.abs(between, out=between), out=highest)
    return highest


def _k_weighting(sample_rate_hz: int) -> NDArray[np.float64]:
    """Return the two filters of annex 1 as second-order sections: (2 filters, 6).

    The standard gives coefficients at 48 kHz only. These are the analogue parameters behind them,
    by B. De Man, Evaluation of Implementations of the EBU R128 Loudness Measurement (AES 145).
    """
    frequency, gain_db, q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
    k = math.tan(math.pi * frequency / sample_rate_hz)
    high = 10 ** (gain_db / 20)
    middle = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [
        (high + middle * k / q + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - middle * k / q + k * k) / a0,
        1,
        2 * (k * k - 1) / a0,
        (1 - k / q + k * k) / a0,
    ]
    frequency, q = 38.13547087602444, 0.5003270373238773
    k = math.tan(math.pi * frequency / sample_rate_hz)
    a0 = 1 + k / q + k * k
    highpass = [1, -2, 1, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    return np.array([shelf, highpass], np.float64)


def _lufs(power: float) -> float:
    return _OFFSET_DB + 10 * math.log10(power)


def _power(lufs: float) -> float:
    return 10 ** ((lufs - _OFFSET_DB) / 10)
