"""Audio in memory: float32 (channels, frames) and a sample rate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daw_bridge.errors import AudioError, OptionError, suggestion
from daw_bridge.files.blocks import BLOCK_FRAMES, Block, check_samples
from daw_bridge.files.reading import log_warnings, open_audio
from daw_bridge.files.speakers import fold_matrix, usual_speakers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

StemBlock: TypeAlias = NDArray[np.float32]
"""(stems, channels, frames)"""


@dataclass(frozen=True)
class Audio:
    """A piece of audio.

    Attributes:
        samples: float32 (channels, frames), full scale ±1.
        sample_rate_hz: frames a second.

    Raises:
        AudioError: the samples have another shape or type, or are not all finite numbers.
    """

    samples: Block
    sample_rate_hz: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.dtype != np.float32:
            raise AudioError(
                "Audio is a float32 array of (channels, frames), not"
                f" {self.samples.dtype} {self.samples.shape}."
            )
        if not self.samples.size:
            raise AudioError("Audio holds no frames.")
        check_samples(self.samples, "Audio")

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Audio:
        """Read a whole file.

        Raises:
            AudioError: the file is missing or cannot be read as audio.
        """
        with open_audio(Path(path)) as reader:
            samples = np.concatenate(list(reader.blocks()), axis=1)
            log_warnings(reader)
            return cls(samples, reader.sample_rate_hz)

    @property
    def name(self) -> str:
        """What messages call it."""
        return "The audio"

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.samples.shape[0]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.samples.shape[1]

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[Block]:
        """Yield ``length`` frames from ``start`` on, BLOCK_FRAMES at a time."""
        end = self.frames if length is None else min(start + length, self.frames)
        for first in range(start, end, BLOCK_FRAMES):
            yield self.samples[:, first : min(first + BLOCK_FRAMES, end)]


@dataclass(frozen=True)
class Stems:
    """Stems of one mixture, or of a block of it.

    Attributes:
        names: what the stems are called.
        samples: float32 (stems, channels, frames).
        mixture: float32 (channels, frames), what they were made from.
        sample_rate_hz: frames a second.
    """

    names: tuple[str, ...]
    samples: StemBlock
    mixture: Block
    sample_rate_hz: int

    def __getitem__(self, name: str) -> Audio:
        """Return one stem.

        Raises:
            OptionError: there is no stem of this name.
        """
        if name not in self.names:
            raise OptionError(
                f"There is no stem '{name}'{suggestion(name, self.names)};"
                f" there are {', '.join(self.names)}."
            )
        return Audio(self.samples[self.names.index(name)], self.sample_rate_hz)

    def residual(self) -> Block:
        """Return what the stems leave of the mixture: float32 (channels, frames)."""
        others = self.samples.sum(axis=0, dtype=np.float64)
        residual: Block = (self.mixture - others).astype(np.float32)
        return residual


def join_stems(blocks: Iterable[Stems]) -> Stems:
    """Join consecutive blocks of at least one; their stems and rates are the same."""
    parts = list(blocks)
    return Stems(
        names=parts[0].names,
        samples=np.concatenate([part.samples for part in parts], axis=-1),
        mixture=np.concatenate([part.mixture for part in parts], axis=-1),
        sample_rate_hz=parts[0].sample_rate_hz,
    )


def fold_down(blocks: Iterable[Block], channels: int) -> Iterator[Block]:
    """Fold surround blocks down to stereo, (2, frames), as ITU-R BS.775 does, without the LFE.

    Raises:
        AudioError: there is no usual layout of so many channels.
    """
    speakers = usual_speakers(channels)
    if not speakers:
        raise AudioError(f"There is no fold-down for {channels} channels.")
    matrix = fold_matrix(speakers)
    return (matrix @ block for block in blocks)
