"""Loudness and true peak of a signal that comes in blocks, after ITU-R BS.1770-4."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import sosfilt, upfirdn

from daw_bridge.errors import AudioError

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
        self._weights = np.array(weights, np.float64)
        self._filter = _k_weighting(sample_rate_hz)
        self._state = np.zeros((len(self._filter), len(self._weights), 2))
        self._step_frames = round(sample_rate_hz / _STEPS_PER_S)
        self._powers = np.empty(0)
        self._steps = array("d")

    def add(self, block: Block) -> None:
        """Take a block: float32 (channels, frames)."""
        if not block.shape[1]:
            return
        weighted, self._state = sosfilt(self._filter, block, zi=self._state)
        powers = np.concatenate([self._powers, self._weights @ np.square(weighted)])
        whole = len(powers) // self._step_frames * self._step_frames
        self._steps.extend(powers[:whole].reshape(-1, self._step_frames).mean(axis=1))
        self._powers = powers[whole:]

    @property
    def integrated_lufs(self) -> float:
        """The loudness of all that came; -inf where nothing is above the absolute gate."""
        steps = np.asarray(self._steps)
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
        if block.shape[1]:
            self._peak = max(self._peak, float(self._oversampler.push(block).max()))

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

    def push(self, block: Block) -> Peaks:
        """Return a peak for each frame of a block, late by ``delay_frames`` at most."""
        signal = np.concatenate([self._history, block], axis=1)
        self._history = signal[:, signal.shape[1] - _HISTORY_FRAMES :]
        return self._peaks(signal)

    def rest(self) -> Peaks:
        """Return the peaks that would come if the signal ended here, of ``delay_frames``."""
        return self._peaks(np.pad(self._history, ((0, 0), (0, _HISTORY_FRAMES))))

    @staticmethod
    def _peaks(signal: Block) -> Peaks:
        """Return the peak with each frame after the first, which are history."""
        # The interpolator is 0.24 dB short at a lone sample, so samples count too.
        peaks = np.abs(signal[:, _HISTORY_FRAMES:])
        for phase in _INTERPOLATOR:
            between = upfirdn(phase, signal)[:, _HISTORY_FRAMES : signal.shape[1]]
            np.maximum(peaks, np.abs(between, out=between), out=peaks)
        highest: Peaks = peaks.max(axis=0)
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
