"""What a reader sees of a file, which it reads to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daw_bridge.files.reading import list_tracks, open_audio
from daw_bridge.files.stem_files import read_labels
from daw_bridge.files.tags import read_tags

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daw_bridge.files.reading import AudioTrack
    from daw_bridge.files.stem_files import StemLabel


@dataclass(frozen=True)
class Description:
    """What was read of an audio track, and what its file says of it.

    Attributes:
        source: the file.
        container: as its reader calls it.
        codec: as its reader calls it.
        sample_rate_hz: frames a second.
        channels: their number.
        claimed_frames: what the file says of its length; None: nothing.
        frames: how many there are, silence in place of damage among them.
        duration_s: the same in seconds.
        tags: by their names in Vorbis comments.
        cover_bytes: the size of its picture; 0: it has none.
        tracks: all audio tracks of the file.
        stems: what the file says of those from the second on, if it is a stem file.
        warnings: what is wrong with it, a sentence each.
    """

    source: Path
    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    claimed_frames: int | None
    frames: int
    duration_s: float
    tags: dict[str, list[str]]
    cover_bytes: int
    tracks: tuple[AudioTrack, ...]
    stems: tuple[StemLabel, ...]
    warnings: tuple[str, ...]


def describe_audio(
    path: Path, *, track: int = 1, progress: Callable[[int, int], None] | None = None
) -> Description:
    """Read an audio track to its end, and return what there is.

    Args:
        path: the file.
        track: which of its audio tracks, counted from 1.
        progress: is told how many frames were read, of how many.

    Raises:
        AudioError: the file is missing, is no audio, or has no such track.
    """
    with open_audio(path, track=track) as reader:
        frames = 0
        for block in reader.blocks():
            frames += block.shape[1]
            if progress:
                progress(frames, max(reader.frames, frames))
    container, _, codec = reader.format.rpartition(", ")
    tags = read_tags(path)
    labels = read_labels(path)
    return Description(
        source=path,
        container=container,
        codec=codec,
        sample_rate_hz=reader.sample_rate_hz,
        channels=reader.channels,
        claimed_frames=reader.claimed_frames,
        frames=frames,
        duration_s=frames / reader.sample_rate_hz,
        tags=tags.fields,
        cover_bytes=len(tags.cover),
        tracks=list_tracks(path),
        stems=labels.stems,
        warnings=(*reader.warnings, *filter(None, [labels.warning])),
    )
