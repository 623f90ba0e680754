"""Data sets: songs whose stems are known.

Three forms are read:

* a folder with a folder a song and a file a stem, ``<song>/drums.wav`` …, as MUSDB18-HQ has it; a
  file called ``mixture`` is the mixture, else the sum of the stems is;
* Native Instruments' stem files, ``<song>.stem.mp4``, as MUSDB18 has them;
* Spleeter's table for training, a CSV with ``mix_path``, ``drums_path`` …, relative to its folder.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.errors import AudioError
from daw_bridge.files.reading import count_frames, open_audio

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from daw_bridge.files.blocks import Block

MIXTURE = "mixture"
CHANNELS = 2
_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".m4a"}
_STEM_FILE = ".stem.mp4"
_STEM_FILE_STREAMS = (MIXTURE, "drums", "bass", "other", "vocals")
_TABLE_COLUMN = "_path"
_AAC_FRAMES = 1024


@dataclass(frozen=True)
class Track:
    """One stem, or the mixture, of a song: a file, or one audio stream of a stem file."""

    path: Path
    stream: int | None = None

    @cached_property
    def shape(self) -> tuple[int, int]:
        """The sample rate in Hz and the length in frames."""
        with open_audio(self.path) as reader:
            return reader.sample_rate_hz, reader.frames

    @cached_property
    def frames(self) -> int:
        """The length in frames, for which the file is read where it does not say it for sure."""
        return count_frames(self.path)

    def read(self, start: int, frames: int) -> Block:
        """Read a passage: float32 (2, frames); mono is given to both, what is missing is silence.

        Raises:
            AudioError: the file cannot be read, or has more than two channels.
        """
        if self.stream is None:
            with open_audio(self.path) as reader:
                blocks = list(reader.blocks(start, frames))
                if reader.warnings:
                    raise AudioError(" ".join(reader.warnings))
        else:
            blocks = _read_stream(self.path, self.stream, start, frames)
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
    """A song: its stems and its mixture.

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
        """About the length of the shortest track: as its file says."""
        return self._shape[1]

    @cached_property
    def exact_frames(self) -> int:
        """The length of the shortest track."""
        return min(track.frames for track in self._tracks)

    @property
    def _tracks(self) -> list[Track]:
        return [*self.stems.values(), *([self.mixture] if self.mixture else [])]

    @cached_property
    def _shape(self) -> tuple[int, int]:
        rates, lengths = zip(*(track.shape for track in self._tracks), strict=True)
        if len(set(rates)) > 1:
            raise AudioError(f"The stems of {self.name} have different sample rates.")
        return rates[0], min(lengths)

    def read(self, stem: str, start: int = 0, frames: int | None = None) -> Block:
        """Read a passage of a stem: float32 (2, frames); silence where the song has no such stem.

        Raises:
            AudioError: the file cannot be read.
        """
        frames = self.exact_frames - start if frames is None else frames
        if stem not in self.stems:
            return np.zeros((CHANNELS, frames), np.float32)
        return self.stems[stem].read(start, frames)

    def read_mixture(self, start: int = 0, frames: int | None = None) -> Block:
        """Read a passage of the mixture: float32 (2, frames).

        Raises:
            AudioError: a file cannot be read.
        """
        frames = self.exact_frames - start if frames is None else frames
        if self.mixture:
            return self.mixture.read(start, frames)
        mixture = np.zeros((CHANNELS, frames), np.float32)
        for track in self.stems.values():
            mixture += track.read(start, frames)
        return mixture


def find_songs(source: Path) -> list[Song]:
    """Return the songs of a folder, at any depth, or of a CSV, sorted by name.

    Raises:
        AudioError: there are none, or the table cannot be read.
    """
    if source.suffix.lower() == ".csv":
        songs = _read_table(source)
    elif source.is_dir():
        songs = [*_find_folders(source), *_find_stem_files(source)]
    else:
        raise AudioError(f"There is no data set {source}; name a folder of songs or a .csv.")
    if not songs:
        raise AudioError(
            f"{source} holds no songs: a song is a folder with a file a stem, such as drums.wav,"
            f" a file *{_STEM_FILE}, or a line of a .csv with a mix_path."
        )
    return sorted(songs, key=lambda song: song.name)


def find_mixes(folder: Path) -> list[Song]:
    """Return all audio files of a folder, at any depth, as mixtures whose stems nobody knows.

    Raises:
        AudioError: there are none.
    """
    mixes = [
        Song(path.relative_to(folder).as_posix(), {}, Track(path))
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _SUFFIXES
    ]
    if not mixes:
        raise AudioError(f"{folder} holds no mixes: files such as {', '.join(sorted(_SUFFIXES))}.")
    return mixes


def _find_folders(root: Path) -> list[Song]:
    folders: dict[Path, dict[str, Track]] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in _SUFFIXES and path.parent != root:
            folders.setdefault(path.parent, {})[path.stem] = Track(path)
    return [
        _song(folder.relative_to(root).as_posix(), tracks) for folder, tracks in folders.items()
    ]


def _find_stem_files(root: Path) -> list[Song]:
    return [
        _song(
            path.relative_to(root).as_posix().removesuffix(_STEM_FILE),
            {name: Track(path, stream) for stream, name in enumerate(_STEM_FILE_STREAMS)},
        )
        for path in root.rglob(f"*{_STEM_FILE}")
    ]


def _read_table(table: Path) -> list[Song]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AudioError(f"{table} cannot be read: {error}.") from error
    return [
        _song(
            f"{number:04}-{(table.parent / row['mix_path']).parent.name}",
            {
                (MIXTURE if column == "mix_path" else column.removesuffix(_TABLE_COLUMN)): Track(
                    table.parent / path
                )
                for column, path in row.items()
                if column and column.endswith(_TABLE_COLUMN) and path
            },
        )
        for number, row in enumerate(rows)
        if row.get("mix_path")
    ]


def _song(name: str, tracks: dict[str, Track]) -> Song:
    mixture = tracks.pop(MIXTURE, None)
    return Song(name, tracks, mixture)


def _read_stream(path: Path, stream: int, start: int, frames: int) -> list[Block]:
    """Decode a passage of one audio stream of a stem file, whose packets tell their position."""
    import av
    import av.error

    blocks: list[Block] = []
    try:
        with path.open("rb") as file, av.open(file, "r") as container:
            streams = container.streams.audio
            if stream >= len(streams):
                raise AudioError(f"{path} has {len(streams)} audio streams; a stem file has five.")
            audio = streams[stream]
            first = start - 2 * _AAC_FRAMES  # a decoder needs the packets before, also at the start
            tick = audio.time_base or Fraction(1, audio.rate)
            container.seek(round(first / audio.rate / tick), stream=audio)
            planar = av.AudioResampler("fltp", audio.layout, audio.rate)
            for decoded in container.decode(audio):
                at = round((decoded.pts or 0) * tick * audio.rate)
                if at >= start + frames:
                    break
                for part in planar.resample(decoded):
                    samples = np.asarray(part.to_ndarray(), np.float32)
                    blocks.append(samples[:, max(start - at, 0) : max(start + frames - at, 0)])
                    at += part.samples
    except (av.error.FFmpegError, OSError) as error:
        raise AudioError(f"{path} cannot be read as a stem file: {error}.") from error
    return blocks
