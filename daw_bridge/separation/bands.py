"""Signals → joined spectra of bands of several sample rates, and back.

Frames are centred on multiples of the hop, from the first sample on, as librosa has them; the
signal is silent before and after. The lower bands are resampled one from the other.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from daw_bridge.fft import irfft
from daw_bridge.files.blocks import Fifo
from daw_bridge.separation.framing import Cut
from daw_bridge.stft import Stft

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from daw_bridge.library.bands import Band, Resampling, RollOff, Slope
    from daw_bridge.library.manifest import BandedModel
    from daw_bridge.separation.framing import Segment
    from daw_bridge.stft import Signal, Spectra

    Gains = NDArray[np.float32]
    """(bins,)"""

_REACHES = {"polyphase": 10, "sinc": 20}
"""Samples at the lower rate, on either side, that resampling looks at."""
_SINC_CUTOFF, _SINC_BETA, _SINC_HALF_SAMPLES = 0.83147, 10.078, 19.233
"""Of libsamplerate's ``sinc_fastest``: a sinc in a Kaiser window, fitted to -114 dB."""
_DECIBELS_A_BIN = 3.5
_SILENT = 1e-30


class Shown(NamedTuple):
    """The joined spectra of a segment and how many frames of it are there to be kept.

    Context precedes these frames and follows them; it is silent outside of the signal.
    """

    spectra: Spectra
    kept: int


class BandAnalysis:
    """Transforms segments, each after as many frames of context as follow it.

    Args:
        manifest: the model's.
        context_frames: at either end of a segment.
    """

    def __init__(self, manifest: BandedModel, context_frames: int) -> None:
        self._bands = manifest.bands
        self._gains = _joined_gains(manifest)
        self._context = context_frames
        self._margin = _margin_hops(manifest.bands)
        self.frames = manifest.segment.frames
        self.stride = self.frames - 2 * context_frames
        hop = manifest.bands[-1].hop_samples
        self.cut = Cut(
            lead=(self._margin + context_frames) * hop,
            tail=0,
            grain=1,
            segment=(2 * self._margin + self.frames - 1) * hop,
            stride=self.stride * hop,
        )

    def show(self, segment: Segment) -> Shown:
        """Transform a segment: (2, frames, bins), mono as two equal channels.

        Of the last segment, as many strides as its end takes.
        """
        hop = self._bands[-1].hop_samples
        start = 0 if segment.before.shape[1] else self.cut.lead
        end = segment.samples.shape[1]
        kept = self.stride
        if segment.last:
            kept = end // hop - self._margin + 1 - self._context
        frames = -(-kept // self.stride) * self.stride + 2 * self._context
        whole = np.zeros((2, (2 * self._margin + frames - 1) * hop), np.float32)
        whole[:, :end] = segment.samples
        spectra = self._join(whole, frames, (start, end if segment.last else whole.shape[1]))
        if start:
            spectra[:, : self._context] = 0
        if segment.last:
            spectra[:, self._context + kept :] = 0
        return Shown(spectra, kept)

    def _join(self, samples: Signal, frames: int, bounds: tuple[int, int]) -> Spectra:
        """Transform so many frames of samples, which are silent out of bounds."""
        joined = np.zeros((2, frames, len(self._gains)), np.complex64)
        above = self._bands[-1]
        for band, place in zip(reversed(self._bands), reversed(_places(self._bands)), strict=True):
            samples, bounds = _resample(samples, bounds, above, band)
            first = self._margin * band.hop_samples - band.window_samples // 2
            last = first + band.window_samples + (frames - 1) * band.hop_samples
            stft = Stft(band.window_samples, band.hop_samples)
            spectra = stft.forward(samples[:, first:last])[..., band.first_bin : band.end_bin]
            joined[..., place] = _mix(spectra, np.array(band.mixing))
            above = band
        joined *= self._gains
        return joined


class BandSynthesis:
    """Transforms joined spectra of consecutive frames back, in flat memory.

    Args:
        manifest: the model's.
        rows: channels of all stems together, left and right in turn.
    """

    def __init__(self, manifest: BandedModel, rows: int) -> None:
        bands = manifest.bands
        self._places = _places(bands)
        self._steps = [
            _Step(band, below, rows) for band, below in zip(bands, (None, *bands), strict=False)
        ]

    def push(self, spectra: Spectra, *, last: bool) -> Signal:
        """Return the samples (rows, samples) that these frames (rows, frames, bins) complete."""
        signal = np.zeros((len(spectra), 0), np.float32)
        for step, place in zip(self._steps, self._places, strict=True):
            signal = step.push(spectra[..., place], signal, last=last)
        return signal


class _Step:
    """Adds one band to what those below it make, at the rate of the next of these, if any."""

    def __init__(self, band: Band, below: Band | None, rows: int) -> None:
        self._band = band
        self._unmixing = np.linalg.inv(np.array(band.mixing))
        self._gains = _slope_gains(band.slopes, band.window_samples // 2 + 1)
        self._inverse = CentredInverse(Stft(band.window_samples, band.hop_samples), rows)
        self._own = Fifo(np.zeros((rows, 0), np.float32))
        self._below = Fifo(np.zeros((rows, 0), np.float32))
        self._upsampling = below and Upsampling(_ratio(below, band), rows)

    def push(self, spectra: Spectra, below: Signal, *, last: bool) -> Signal:
        """Return the samples (rows, samples) that are complete."""
        self._own.push(self._inverse.push(self._place(spectra), last=last))
        if not self._upsampling:
            return self._own.take(self._own.frames)
        self._below.push(self._upsampling.push(below, last=last))
        frames = min(self._own.frames, self._below.frames)
        return self._own.take(frames) + self._below.take(frames)

    def _place(self, spectra: Spectra) -> Spectra:
        """Return left and right, filtered, as the band's own transform has them."""
        placed = np.zeros((*spectra.shape[:2], len(self._gains)), np.complex64)
        bins = slice(self._band.first_bin, self._band.end_bin)
        for left in range(0, len(spectra), 2):
            pair = slice(left, left + 2)
            placed[pair, :, bins] = _mix(spectra[pair], self._unmixing)
        placed *= self._gains
        return placed


class Upsampling:
    """Takes a signal that comes in pieces to a higher rate, as libsamplerate's fastest sinc does.

    Args:
        ratio: of the rates, the higher first.
        rows: of the signal.
    """

    def __init__(self, ratio: Fraction, rows: int) -> None:
        self._ratio = ratio
        self._reach = -(-_REACHES["sinc"] // ratio.denominator) * ratio.denominator
        self._samples = Fifo(np.zeros((rows, self._reach), np.float32))

    def push(self, samples: Signal, *, last: bool) -> Signal:
        """Return what a piece completes: (rows, samples); with the last, a little silence more."""
        if self._ratio == 1:
            return samples
        self._samples.push(samples)
        step = self._ratio.denominator
        if last:
            self._samples.push(np.zeros((len(samples), self._reach + step - 1), np.float32))
        ready = max(self._samples.frames - 2 * self._reach, 0) // step * step
        around = self._samples.peek(ready + 2 * self._reach) if ready else samples[:, :0]
        self._samples.take(ready)
        start, end = (int(count * self._ratio) for count in (self._reach, self._reach + ready))
        return resample(around, self._ratio, "sinc")[:, start:end]


class CentredInverse:
    """Overlaps and adds frames that are centred on multiples of the hop, the first on 0.

    What frames cover is divided by the sum of their squared windows, of those that are there. The
    last sample is the one before the centre of the last frame.
    """

    def __init__(self, stft: Stft, rows: int) -> None:
        self._stft = stft
        self._sums = np.zeros((rows + 1, stft.overlap_samples), np.float32)
        self._skip = stft.window_samples // 2

    def push(self, spectra: Spectra, *, last: bool) -> Signal:
        """Return the samples that these frames complete: float32 (rows, samples)."""
        stft, count = self._stft, spectra.shape[1]
        windowed = irfft(spectra, stft.window_samples) * stft.window
        sums = np.zeros((len(self._sums), stft.count_samples(count)), np.float32)
        sums[:, : stft.overlap_samples] = self._sums
        for frame in range(count):
            covered = slice(
                frame * stft.hop_samples, frame * stft.hop_samples + stft.window_samples
            )
            sums[:-1, covered] += windowed[:, frame]
            sums[-1, covered] += np.square(stft.window)
        complete = count * stft.hop_samples
        self._sums = sums[:, complete:].copy()
        if last:
            complete += stft.overlap_samples - stft.window_samples // 2
        skipped = min(self._skip, complete)
        self._skip -= skipped
        given = sums[:, skipped:complete]
        return given[:-1] / np.maximum(given[-1], _SILENT)


def _places(bands: Sequence[Band]) -> list[slice]:
    """Return where the bins of each band are among the joined ones."""
    ends = [0, *accumulate(band.bins for band in bands)]
    return [slice(start, end) for start, end in pairwise(ends)]


def _margin_hops(bands: Sequence[Band]) -> int:
    """Return how many hops around a frame's centre tell all about it, in every band."""
    half_windows = max(band.window_samples / 2 / band.hop_samples for band in bands)
    reach = sum(
        (_REACHES[low.resampling] + 1) / low.hop_samples
        for low, high in pairwise(bands)
        if low.sample_rate_hz != high.sample_rate_hz
    )
    return math.ceil(half_windows + reach)


def _mix(pair: Spectra, shares: NDArray[np.float64]) -> Spectra:
    """Return sums of two planes (2, frames, bins), by the shares of each."""
    first, second = pair
    mixed = [np.float32(a) * first + np.float32(b) * second for a, b in shares]
    return np.stack(mixed)


def _resample(
    samples: Signal, bounds: tuple[int, int], above: Band, band: Band
) -> tuple[Signal, tuple[int, int]]:
    """Take samples within bounds from the rate of one band to that of the one below it."""
    ratio = _ratio(above, band)
    if ratio == 1:
        return samples, bounds
    resampled = resample(samples, ratio, band.resampling)
    start, end = (math.ceil(bound * ratio) for bound in bounds)
    resampled[:, :start] = 0
    resampled[:, end:] = 0
    return resampled, (start, end)


def resample(samples: Signal, ratio: Fraction, way: Resampling) -> Signal:
    """Take a whole signal, (rows, samples), to another rate; it is silent before and after."""
    from scipy.signal import resample_poly  # slow to load

    up, down = ratio.as_integer_ratio()
    window: Any = ("kaiser", 5.0) if way == "polyphase" else _sinc(max(up, down))
    resampled: Signal = resample_poly(samples, up, down, axis=1, window=window)
    return resampled


@cache
def _sinc(taps: int) -> NDArray[np.float32]:
    """Return a low-pass (elements,) of so many for each sample at the lower rate."""
    half = int(_SINC_HALF_SAMPLES * taps)
    places = np.arange(-half, half + 1) / taps
    window = np.i0(_SINC_BETA * np.sqrt(1 - np.square(places / _SINC_HALF_SAMPLES)))
    low_pass = np.sinc(_SINC_CUTOFF * places) * window
    return (low_pass / low_pass.sum()).astype(np.float32)


def _ratio(source: Band, target: Band) -> Fraction:
    """Return how many samples one band has for each of another."""
    return Fraction(target.hop_samples, source.hop_samples)


def _joined_gains(manifest: BandedModel) -> Gains:
    """Return what the joined bins are multiplied by."""
    gains = _slope_gains(manifest.slopes, manifest.bins)
    if manifest.roll_off:
        _roll_off(gains, manifest.roll_off)
    return gains


def _slope_gains(slopes: Iterable[Slope], bins: int) -> Gains:
    """Return the product of several filters."""
    gains = np.ones(bins)
    for slope in slopes:
        places = np.arange(bins) - slope.silent_bin
        gains *= np.clip(places / (slope.full_bin - slope.silent_bin), 0, 1)
    return gains.astype(np.float32)


def _roll_off(gains: Gains, table: RollOff) -> None:
    """Apply what Ultimate Vocal Remover does to several bands, bin by bin."""
    gain = 1.0
    for place in range(table.first_bin + 1, min(table.end_bin, len(gains))):
        gain = 10 ** ((gain - _DECIBELS_A_BIN) * (place - table.first_bin) / 20)
        gains[place] *= gain
