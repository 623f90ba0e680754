"""Recursive filters as products of matrices.

A recursive filter is a loop over frames. What it makes of a row of frames, and the state that it
leaves behind, are linear in those frames and in the state that it found: so the rows of a block are
filtered all at once, by a matrix. What a state becomes over a row is linear as well, so a parallel
prefix sum finds the states of all rows, in as many steps as their number has binary digits.

    C. S. Burrus, Block Realization of Digital Filters, IEEE Transactions on Audio and
    Electroacoustics 20 (1972)
    W. D. Hillis, G. L. Steele, Data Parallel Algorithms, Communications of the ACM 29 (1986)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daw_bridge.files.blocks import Samples

    Sections = NDArray[np.float64]
    """(filters, 6): b0, b1, b2, a0 = 1, a1, a2 of second-order filters, one after the other"""
    Rows = NDArray[np.float64]
    """(rows, frames) of audio, or (rows, elements) of state"""

ROW_FRAMES = 64
# A BLAS makes products of so many rows in the thread that asks, as they are small. Its own threads
# would spin, and take their cores from the network.
_TILE_FRAMES = ROW_FRAMES * ROW_FRAMES


class Biquads:
    """Filters a signal that comes in blocks.

    Args:
        sections: second-order filters, which the signal goes through one after the other.
        channels: number of channels.
    """

    def __init__(self, sections: Sections, channels: int) -> None:
        lanes = np.eye(ROW_FRAMES + 2 * len(sections))
        frames, states = lanes[:, :ROW_FRAMES], lanes[:, ROW_FRAMES:]
        self._outputs, self._states = _run(sections, frames, states)
        self._state = np.zeros((channels, 2 * len(sections)))

    def push(self, block: Samples) -> NDArray[np.float64]:
        """Filter a block (channels, frames), of whole rows unless it is the last."""
        channels, frames = block.shape
        tiles = np.zeros((channels, -(-frames // _TILE_FRAMES), ROW_FRAMES, ROW_FRAMES))
        tiles.reshape(channels, -1)[:, :frames] = block
        states = self._states_before(tiles)
        self._state = states[:, frames // ROW_FRAMES].copy()  # lets go of the rest
        found = states[:, :-1].reshape(*tiles.shape[:3], states.shape[2])
        filtered = tiles @ self._outputs[:ROW_FRAMES]
        filtered += found @ self._outputs[ROW_FRAMES:]
        return filtered.reshape(channels, -1)[:, :frames]

    def _states_before(self, tiles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the state that each row finds, and the last: (channels, rows + 1, elements).

        The tiles are (channels, rows / ROW_FRAMES, ROW_FRAMES, frames).
        """
        left = (tiles @ self._states[:ROW_FRAMES]).reshape(len(tiles), -1, self._state.shape[1])
        states = np.concatenate([self._state[:, np.newaxis], left], axis=1)
        passed, reach = self._states[ROW_FRAMES:], 1
        while reach < states.shape[1]:
            states[:, reach:] += states[:, :-reach] @ passed
            passed, reach = passed @ passed, 2 * reach
        return states


def butterworth(cutoff_hz: float, sample_rate_hz: int) -> Sections:
    """Return a low-pass filter of second order: (1 filter, 6)."""
    k = math.tan(math.pi * cutoff_hz / sample_rate_hz)
    a0 = 1 + math.sqrt(2) * k + k * k
    gain = k * k / a0
    a1, a2 = 2 * (k * k - 1) / a0, (1 - math.sqrt(2) * k + k * k) / a0
    return np.array([[gain, 2 * gain, gain, 1, a1, a2]])


def _run(sections: Sections, rows: Rows, states: Rows) -> tuple[Rows, Rows]:
    """Filter rows frame by frame; return them, and the states that they leave behind."""
    signal, states = rows.T.copy(), states.T.copy()  # (frames, rows), (elements, rows)
    for (b0, b1, b2, _, a1, a2), state in zip(
        sections, states.reshape(len(sections), 2, -1), strict=True
    ):
        for frame, x in enumerate(signal.copy()):
            y = signal[frame] = b0 * x + state[0]
            state[:] = b1 * x - a1 * y + state[1], b2 * x - a2 * y
    return signal.T, states.T
