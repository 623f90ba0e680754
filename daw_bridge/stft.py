"""Short-time Fourier transform and its inverse, for signals that come in pieces.

Framing is Spleeter's: the signal is preceded by one window of zeros and followed by as many as
complete its last frame, so frame t covers samples [t · hop - window, t · hop) and every sample lies
in window / hop frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from daw_bridge.fft import irfft, rfft

if TYPE_CHECKING:
    from collections.abc import Iterator

Signal: TypeAlias = NDArray[np.float32]
"""(channels, samples)"""
Spectra: TypeAlias = NDArray[np.complex64]
"""(channels, time_frames, bins)"""
WindowShape: TypeAlias = Literal["hann", "rectangular"]
"""Of a window: a periodic Hann window, or one that leaves all samples as they are."""

_FRAMES_AT_A_TIME = 16


@dataclass(frozen=True)
class Stft:
    """A transform with one window, analysis and synthesis alike."""

    window_samples: int
    hop_samples: int
    window_shape: WindowShape = "hann"

    @property
    def bins(self) -> int:
        """Bins from 0 Hz to half the sample rate."""
        return self.window_samples // 2 + 1

    @property
    def overlaps(self) -> int:
        """How many frames a hop of the signal lies in, wholly or in part."""
        return -(-self.window_samples // self.hop_samples)

    @property
    def overlap_samples(self) -> int:
        """Samples that neighbouring frames share."""
        return self.window_samples - self.hop_samples

    @cached_property
    def window(self) -> NDArray[np.float32]:
        """The window: float32 (window_samples,)."""
        if self.window_shape == "rectangular":
            return np.ones(self.window_samples, np.float32)
        phase = 2 * np.pi * np.arange(self.window_samples) / self.window_samples
        return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)

    @cached_property
    def synthesis_window(self) -> NDArray[np.float32]:
        """The window, scaled so that overlapping squares add up to one: (overlaps · hop_samples,).

        Zeros fill its last hop.
        """
        window = np.zeros((self.overlaps, self.hop_samples))
        window.flat[: self.window_samples] = self.window
        return (window / np.square(window).sum(axis=0)).astype(np.float32).reshape(-1)

    def count_samples(self, frames: int) -> int:
        """Return how many samples so many frames cover."""
        return (frames - 1) * self.hop_samples + self.window_samples

    def forward(self, samples: Signal) -> Spectra:
        """Transform every whole frame that starts on a hop of ``samples``."""
        frames = sliding_window_view(samples, self.window_samples, axis=-1)[:, :: self.hop_samples]
        spectra = np.empty((*frames.shape[:2], self.bins), np.complex64)
        for channel, part in product(range(len(frames)), _parts(frames.shape[1])):
            windowed = frames[channel, part] * self.window
            spectra[channel, part] = rfft(windowed)
        return spectra

    def inverse(self, spectra: Spectra) -> Signal:
        """Overlap and add frames: float32 (channels, overlap_samples + time_frames · hop)."""
        channels, count, _ = spectra.shape
        added = np.zeros((channels, count + self.overlaps - 1, self.hop_samples), np.float32)
        for part in _parts(count):
            frames = irfft(spectra[:, part], self.window_samples)
            hops = self._in_hops(frames)
            for shift in range(self.overlaps):
                added[:, part.start + shift : part.stop + shift] += hops[:, :, shift]
        return added.reshape(channels, -1)[:, : self.overlap_samples + count * self.hop_samples]

    def _in_hops(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Window frames and cut them into hops.

        (channels, time_frames, window_samples) → (channels, time_frames, overlaps, hop_samples).
        """
        rest = len(self.synthesis_window) - self.window_samples
        if rest:
            frames = np.pad(frames, ((0, 0), (0, 0), (0, rest)))
        frames *= self.synthesis_window
        return frames.reshape(*frames.shape[:2], self.overlaps, self.hop_samples)


def _parts(frames: int) -> Iterator[slice]:
    """Cut a number of frames into parts whose transforms stay in the processor's cache."""
    return (
        slice(start, min(start + _FRAMES_AT_A_TIME, frames))
        for start in range(0, frames, _FRAMES_AT_A_TIME)
    )


@dataclass
class StreamingForward:
    """Transforms a signal that comes in pieces, with one window of zeros before it."""

    stft: Stft
    _carry: Signal | None = None

    def push(self, samples: Signal) -> Spectra:
        """Return the frames that these samples complete: (channels, time_frames, bins)."""
        if self._carry is None:
            self._carry = np.zeros((len(samples), self.stft.window_samples), np.float32)
        signal = np.concatenate([self._carry, samples], axis=1)
        if signal.shape[1] < self.stft.window_samples:
            self._carry = signal
            return np.empty((len(signal), 0, self.stft.bins), np.complex64)
        spectra = self.stft.forward(signal)
        self._carry = signal[:, spectra.shape[1] * self.stft.hop_samples :].copy()
        return spectra


@dataclass
class StreamingInverse:
    """Overlap-add across calls; gives the signal without the zeros that preceded it."""

    stft: Stft
    _carry: Signal | None = None
    _skip: int = field(init=False)

    def __post_init__(self) -> None:
        self._skip = self.stft.window_samples

    def push(self, spectra: Spectra) -> Signal:
        """Return the samples that these frames complete: float32 (channels, samples)."""
        added = self.stft.inverse(spectra)
        overlap = self.stft.overlap_samples
        if self._carry is not None:
            added[:, :overlap] += self._carry
        self._carry = added[:, -overlap:].copy()  # lets go of the rest
        skip = min(self._skip, added.shape[1] - overlap)
        self._skip -= skip
        return added[:, skip:-overlap]
