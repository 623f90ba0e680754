"""Blocks of audio, in which all signals travel."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daw_bridge.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Block: TypeAlias = NDArray[np.float32]
"""(channels, frames), full scale ±1"""

Samples: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
"""(…), samples of any shape"""

BLOCK_FRAMES = 1 << 16

LARGEST_SAMPLE = 2.0**31
"""What integers of 32 bits reach where a file of floats holds them; masks square it safely."""


class Fifo:
    """A queue of frames: takes blocks (…, frames) of any size, gives blocks of the size asked."""

    def __init__(self, first: Block) -> None:
        self._blocks = deque([first])
        self.frames = first.shape[-1]

    def push(self, block: Block) -> None:
        """Append a block (…, frames)."""
        self._blocks.append(block)
        self.frames += block.shape[-1]

    def peek(self, frames: int) -> Block:
        """Return the first frames without taking them; there must be as many."""
        head = self._blocks.popleft()
        if head.shape[-1] < frames:
            parts, count = [head], head.shape[-1]
            while count < frames:
                parts.append(self._blocks.popleft())
                count += parts[-1].shape[-1]
            head = np.concatenate(parts, axis=-1)
        self._blocks.appendleft(head)
        return head[..., :frames]

    def take(self, frames: int) -> Block:
        """Return the first frames and forget them; there must be as many."""
        block = self.peek(frames)
        self._blocks[0] = self._blocks[0][..., frames:]
        self.frames -= frames
        return block


def rechunk(blocks: Iterable[Block], frames: int = BLOCK_FRAMES) -> Iterator[Block]:
    """Yield the same audio in blocks (…, frames) of one length; the last may be shorter."""
    fifo: Fifo | None = None
    for block in blocks:
        if fifo is None:
            fifo = Fifo(block)
        else:
            fifo.push(block)
        while fifo.frames >= frames:
            yield fifo.take(frames)
    if fifo is not None and fifo.frames:
        yield fifo.take(fifo.frames)


def check_samples(block: Block, where: str, *, start: int = 0) -> float:
    """Return the largest magnitude of some samples.

    Args:
        block: the audio.
        where: the name in messages of what the block is a part of.
        start: the block's position there, in frames.

    Raises:
        AudioError: one is no number, or too large to compute with.
    """
    if not block.size:
        return 0.0
    low, high = float(block.min()), float(block.max())
    if -LARGEST_SAMPLE <= low <= high <= LARGEST_SAMPLE:
        return max(-low, high)
    wrong = ~(np.abs(block) <= LARGEST_SAMPLE)
    frame = int(np.flatnonzero(wrong.any(axis=0))[0])
    value = block[wrong[:, frame], frame][0]
    what = (
        f"is {value:.3g} times full scale" if np.isfinite(value) else "is infinite or not a number"
    )
    raise AudioError(f"{where}: frame {start + frame} {what}; repair the file.")


def energy(samples: Samples) -> float:
    """Return the sum of squares of an array of any shape."""
    flat = samples.ravel()
    # Not np.dot: the threads of a BLAS spin, and take their cores from the network.
    return float(np.einsum("i,i->", flat, flat))
