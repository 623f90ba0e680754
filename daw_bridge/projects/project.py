"""A song on tracks: the original, muted, and its stems in a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.files.markers import Marker
    from daw_bridge.library.colours import Colour

DEFAULT_TEMPO_BPM = 120.0


@dataclass(frozen=True)
class Track:
    """An audio track that plays one file, or a part of it.

    Attributes:
        name: what the DAW shows, the song's name and the stem's; one line, without controls.
        stem: the stem's name; empty for the original.
        file: the audio, an absolute path.
        colour: of the track.
        channels: of the file.
        frames: how many it plays.
        offset: the first that it plays.
        file_frames: how many the file has; None: none beyond those.
        is_muted: whether it is silent until somebody asks for it.
    """

    name: str
    stem: str
    file: Path
    colour: Colour
    channels: int
    frames: int
    offset: int = 0
    file_frames: int | None = None
    is_muted: bool = False


@dataclass(frozen=True)
class Project:
    """What all formats write of a song.

    Attributes:
        title: the song's; one line, without controls.
        sample_rate_hz: of all files.
        original: what was separated; None where that is not at hand.
        stems: one track each, in the model's order, all of one length; they are a group.
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

    @property
    def frames(self) -> int:
        """How long each stem is."""
        return self.stems[0].frames
