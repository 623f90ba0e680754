"""A song on tracks: the original, muted, and its stems in a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.library.colours import Colour

DEFAULT_TEMPO_BPM = 120.0


@dataclass(frozen=True)
class Track:
    """An audio track that plays one file from one position on.

    Attributes:
        name: what the DAW shows, such as ``Song - vocals`` with a long dash.
        stem: the stem's name; empty for the original.
        file: the audio.
        colour: of the track.
        channels: of the file.
        frames: its length.
        is_muted: whether it is silent until somebody asks for it.
    """

    name: str
    stem: str
    file: Path
    colour: Colour
    channels: int
    frames: int
    is_muted: bool = False


@dataclass(frozen=True)
class Marker:
    """A place in a song with a name; the position is in frames."""

    name: str
    position: int


@dataclass(frozen=True)
class Project:
    """What all formats write of a song.

    Attributes:
        title: the song's.
        sample_rate_hz: of all files.
        original: what was separated; None where that is not at hand.
        stems: one track each, in the model's order; they are a group.
        start: where all tracks begin, in frames of the project.
        tempo_bpm: quarter notes a minute.
        markers: positions from the project's start.
    """

    title: str
    sample_rate_hz: int
    original: Track | None
    stems: tuple[Track, ...]
    start: int = 0
    tempo_bpm: float = DEFAULT_TEMPO_BPM
    markers: tuple[Marker, ...] = ()

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The original, if there is one, then the stems."""
        return (*([self.original] if self.original else []), *self.stems)
