"""Pitch and tempo of a signal of any length, with Rubber Band."""

from __future__ import annotations

import numpy as np
import pedalboard

from daw_bridge.files.blocks import Block, Fifo
from daw_bridge.resampling import Resampler

_PIECE_S = 10.0
_MARGIN_S = 0.5
_FADE_S = 0.05
_SEARCH_S = 0.012


class PitchTempo:
    """Changes pitch and tempo, each without the other.

    The signal is stretched, then resampled. Where pitch and tempo change as those of a record
    that is played faster or slower, only resampling is left.

    Args:
        channels: number of channels.
        sample_rate_hz: frames a second.
        semitones: how much higher it becomes.
        tempo: how many times faster it becomes.
    """

    def __init__(
        self, channels: int, sample_rate_hz: int, *, semitones: float = 0.0, tempo: float = 1.0
    ) -> None:
        ratio = 2 ** (semitones / 12)
        stretch = tempo / ratio
        self._tempo = tempo
        self._stretcher = (
            TimeStretcher(channels, sample_rate_hz, stretch) if abs(stretch - 1) > 1e-6 else None
        )
        self._resampler = Resampler(channels, sample_rate_hz * ratio, sample_rate_hz)
        self._nothing = np.empty((channels, 0), np.float32)
        self._frames_in = self._frames_out = 0

    def push(self, block: Block) -> Block:
        """Return what a block (channels, frames) completes."""
        self._frames_in += block.shape[1]
        signal = self._resampler.push(self._stretcher.push(block) if self._stretcher else block)
        self._frames_out += signal.shape[1]
        return signal

    def flush(self) -> Block:
        """Return the rest when the signal has ended, so that its length is exact to the frame."""
        rest = self._stretcher.flush() if self._stretcher else self._nothing
        rest = self._resampler.push(rest, last=True)
        missing = round(self._frames_in / self._tempo) - self._frames_out
        return np.pad(rest, ((0, 0), (0, max(missing - rest.shape[1], 0))))[:, :missing]


class TimeStretcher:
    """Changes the tempo of a signal and keeps its pitch.

    Rubber Band takes a whole signal at once, so the signal is cut into long pieces. They overlap,
    and each is shifted so that it continues the waves of the one before.

    Args:
        channels: number of channels.
        sample_rate_hz: frames a second.
        tempo: how many times faster it becomes.
    """

    def __init__(self, channels: int, sample_rate_hz: int, tempo: float) -> None:
        self._rate = sample_rate_hz
        self._tempo = tempo
        self._piece = round(_PIECE_S * sample_rate_hz)
        self._margin = round(_MARGIN_S * sample_rate_hz * max(tempo, 1))
        self._fade = round(_FADE_S * sample_rate_hz)
        self._search = round(_SEARCH_S * sample_rate_hz)
        self._input = Fifo(np.empty((channels, 0), np.float32))
        self._input_start = 0
        self._pieces = 0
        self._tail = np.empty((channels, 0), np.float32)

    def push(self, block: Block) -> Block:
        """Return what a block (channels, frames) completes."""
        self._input.push(block)
        done = [self._tail[:, :0]]
        while self._input_start + self._input.frames >= self._boundary(1) + self._margin:
            frames = self._boundary(1) + self._margin - self._input_start
            done.append(self._join(self._input.peek(frames)))
            self._pieces += 1
            start = max(self._boundary(0) - self._margin, 0)
            self._input.take(start - self._input_start)
            self._input_start = start
        return np.concatenate(done, axis=1)

    def flush(self) -> Block:
        """Return the rest when the signal has ended."""
        if not self._input.frames:
            return self._tail[:, :0]
        joined = self._join(self._input.peek(self._input.frames))
        return np.concatenate([joined, self._tail], axis=1)

    def _boundary(self, ahead: int) -> int:
        """Return the input frame where a piece ends and the next begins."""
        return (self._pieces + ahead) * self._piece

    def _join(self, piece: Block) -> Block:
        """Stretch a piece, and join it to the tail of the one before; leave a tail."""
        # Rubber Band makes nothing of a few frames.
        padded = np.pad(piece, ((0, 0), (0, max(self._margin - piece.shape[1], 0))))
        stretched = pedalboard.time_stretch(padded, self._rate, self._tempo)
        first, end = (self._place(self._boundary(ahead)) for ahead in (0, 1))
        if self._tail.shape[1]:
            shift = self._best_shift(stretched, first)
            first, end = first + shift, end + shift
            rise = np.linspace(0, 1, self._fade, dtype=np.float32)
            stretched[:, first : first + self._fade] *= rise
            stretched[:, first : first + self._fade] += self._tail * rise[::-1]
        self._tail = stretched[:, end : end + self._fade]
        return stretched[:, first:end]

    def _place(self, frame: int) -> int:
        """Return where in the stretched piece an input frame has come to lie."""
        return round(frame / self._tempo) - round(self._input_start / self._tempo)

    def _best_shift(self, stretched: Block, first: int) -> int:
        """Return by how much a piece is to be shifted to be most like the tail before it."""
        from scipy.signal import correlate  # slow to load

        around = stretched[:, first - self._search : first + self._search + self._fade].sum(axis=0)
        likeness = correlate(around, self._tail.sum(axis=0), "valid")
        energies = np.convolve(np.square(around), np.ones(self._fade, np.float32), "valid")
        return int(np.argmax(likeness / np.sqrt(energies + 1e-9))) - self._search
