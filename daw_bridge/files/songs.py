"""Data sets: songs whose stems are known, in a folder a song with a file a stem."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.errors import AudioError
from daw_bridge.files.reading import open_audio

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from daw_bridge.files.blocks import Block

MIXTURE = "mixture"
CHANNELS = 2
_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".m4a"}


@dataclass(frozen=True)
class Track:
    """One stem, or the mixture, of a song."""

    path: Path

    @cached_property
    def shape(self) -> tuple[int, int]:
        """The sample rate in Hz and the length in frames."""
        with open_audio(self.path) as reader:
            return reader.sample_rate_hz, reader.frames

    def read(self, start: int, frames: int) -> Block:
        """Read a passage: float32 (2, frames); mono is given to both, what is missing is silence.

        Raises:
            AudioError: the file cannot be read, or has more than two channels.
        """
        with open_audio(self.path) as reader:
            blocks = list(reader.blocks(start, frames))
        passage = np.zeros((CHANNELS, frames), np.float32)
        position = 0
        for block in blocks:
            if len(block) > CHANNELS:
                raise AudioError(f"{self.path} has {len(block)} channels; stems have at most two.")
            passage[:, position : position + block.shape[1]] = block
            position += block.shape[1]
        return passage


@dataclass(frozen=True)
class Song:
    """A song and what is known of it.

    Attributes:
        name: what it is called, unique in its data set.
        stems: the stems that it has, by name.
        mixture: the mixture; None: the sum of the stems.
    """

    name: str
    stems: Mapping[str, Track]
    mixture: Track | None = None

    @property
    def sample_rate_hz(self) -> int:
        """Frames a second."""
        return self._shape[0]

    @property
    def frames(self) -> int:
        """The length of the shortest track."""
        return self._shape[1]

    @cached_property
    def _shape(self) -> tuple[int, int]:
        tracks = [*self.stems.values(), *([self.mixture] if self.mixture else [])]
        rates, lengths = zip(*(track.shape for track in tracks), strict=True)
        if len(set(rates)) > 1:
            raise AudioError(f"The stems of {self.name} have different sample rates.")
        return rates[0], min(lengths)

    def read(self, stem: str, start: int = 0, frames: int | None = None) -> Block:
        """Read a passage of a stem: float32 (2, frames); silence where the song has no such stem.

        Raises:
            AudioError: the file cannot be read.
        """
        frames = self.frames - start if frames is None else frames
        if stem not in self.stems:
            return np.zeros((CHANNELS, frames), np.float32)
        return self.stems[stem].read(start, frames)

    def read_mixture(self, start: int = 0, frames: int | None = None) -> Block:
        """Read a passage of the mixture: float32 (2, frames).

        Raises:
            AudioError: a file cannot be read.
        """
        frames = self.frames - start if frames is None else frames
        if self.mixture:
            return self.mixture.read(start, frames)
        mixture = np.zeros((CHANNELS, frames), np.float32)
        for track in self.stems.values():
            mixture += track.read(start, frames)
        return mixture


def find_songs(source: Path) -> list[Song]:
    """Return the songs of a folder, at any depth, sorted by name.

    Raises:
        AudioError: there are none.
    """
    if not source.is_dir():
        raise AudioError(f"There is no data set {source}; name a folder of songs.")
    songs = _find_folders(source)
    if not songs:
        raise AudioError(
            f"{source} holds no songs: a song is a folder with a file a stem, such as drums.wav."
        )
    return sorted(songs, key=lambda song: song.name)


def _find_folders(root: Path) -> list[Song]:
    folders: dict[Path, dict[str, Track]] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in _SUFFIXES and path.parent != root:
            folders.setdefault(path.parent, {})[path.stem] = Track(path)
    return [
        _song(folder.relative_to(root).as_posix(), tracks) for folder, tracks in folders.items()
    ]


def _song(name: str, tracks: dict[str, Track]) -> Song:
    mixture = tracks.pop(MIXTURE, None)
    return Song(name, tracks, mixture)
