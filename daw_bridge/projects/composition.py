"""Files of stems, and what they were made of → a song on tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daw_bridge.errors import AudioError, OptionError
from daw_bridge.files.broadcast import read_origin
from daw_bridge.files.markers import Marker, read_markers
from daw_bridge.files.reach import ANYWHERE
from daw_bridge.files.reading import open_audio
from daw_bridge.library.colours import SOURCE, colour_of
from daw_bridge.library.stems import DASH
from daw_bridge.printing import plain
from daw_bridge.projects.project import Project, Track

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from daw_bridge.files.reach import Reach

PLAYED = ("wav", "flac", "ogg", "mp3", "m4a", "aif", "aiff")
"""The endings of files that DAWs have on tracks."""


class Original(NamedTuple):
    """What stems were made of.

    Attributes:
        file: the mixture.
        start: the frame of it at which the stems begin; None: what the files say of themselves, or
            the first, if it is as long as they are.
        frames: how many it has; None: nobody has counted yet.
        is_muted: whether its track is silent until somebody asks for it.
    """

    file: Path
    start: int | None = None
    frames: int | None = None
    is_muted: bool = True


class _Heard(NamedTuple):
    """What a file holds."""

    file: Path
    channels: int
    sample_rate_hz: int
    frames: int

    @property
    def seconds(self) -> float:
        return self.frames / self.sample_rate_hz


def compose(
    title: str,
    stems: Mapping[str, Path],
    original: Original | None = None,
    *,
    reach: Reach = ANYWHERE,
) -> Project:
    """Put the files of stems on tracks, and what they were made of on a track above them.

    Raises:
        AudioError: a file cannot be read, or they do not belong together.
        OptionError: the original is of a kind that DAWs do not play.
    """
    song = plain(title).strip() or "_"
    heard = [_listen(path, reach) for path in stems.values()]
    _check_alike(heard)
    first = heard[0]
    above = original and _place_original(original, song, first, reach)
    return Project(
        song,
        first.sample_rate_hz,
        above,
        tuple(_place_stem(stem, song, each) for stem, each in zip(stems, heard, strict=True)),
        markers=tuple(_markers_of(above, first.sample_rate_hz, reach)) if above else (),
    )


def is_played(file: Path) -> bool:
    """Return whether DAWs have files of its kind on tracks, as its ending says."""
    return file.suffix[1:].lower() in PLAYED


def _listen(file: Path, reach: Reach, frames: int | None = None) -> _Heard:
    """Find what a file holds; it is read to its end where nobody knows how long it is."""
    with open_audio(file, reach=reach) as reader:
        if frames is None and reader.is_exact:
            frames = reader.frames
        if frames is None:
            frames = sum(block.shape[1] for block in reader.blocks())
        return _Heard(file.absolute(), reader.channels, reader.sample_rate_hz, frames)


def _check_alike(heard: Sequence[_Heard]) -> None:
    """Raise :class:`AudioError` unless files have one rate and length."""
    first = heard[0]
    for each in heard:
        if (each.sample_rate_hz, each.frames) != (first.sample_rate_hz, first.frames):
            raise AudioError(
                f"{each.file} has {each.frames} frames at {each.sample_rate_hz} Hz, and"
                f" {first.file} {first.frames} at {first.sample_rate_hz} Hz: these are not stems of"
                " one song; move away what does not belong here."
            )


def _place_stem(stem: str, song: str, heard: _Heard) -> Track:
    return Track(
        name=f"{song}{DASH}{plain(stem)}",
        stem=stem,
        file=heard.file,
        colour=colour_of(stem),
        channels=heard.channels,
        frames=heard.frames,
        file_frames=heard.frames,
    )


def _place_original(original: Original, song: str, stem: _Heard, reach: Reach) -> Track:
    """Return the track of the part of the original that the stems are of."""
    if not is_played(original.file):
        raise OptionError(
            f"{original.file} is of a kind that DAWs have on no track; convert it to"
            f" {', '.join(PLAYED[:-1])} or {PLAYED[-1]}."
        )
    heard = _listen(original.file, reach, original.frames)
    start = original.start
    if start is None:
        start = _told_start(heard.file, stem.file, reach)
    _check_origin(heard, start, stem)
    return Track(
        name=song,
        stem="",
        file=heard.file,
        colour=SOURCE,
        channels=heard.channels,
        frames=stem.frames,
        file_frames=heard.frames,
        offset=start or 0,
        is_muted=original.is_muted,
    )


def _markers_of(original: Track, sample_rate_hz: int, reach: Reach) -> Iterator[Marker]:
    """Yield the markers that the original has where the stems are."""
    for name, place in read_markers(original.file, sample_rate_hz=sample_rate_hz, reach=reach):
        position = place - original.offset
        if 0 <= position < original.frames:
            yield Marker(plain(name), position)


def _told_start(original: Path, stem: Path, reach: Reach) -> int | None:
    """Return the frame of a file at which a stem begins that is a Broadcast WAV; None: unknown."""
    begins = read_origin(stem, reach=reach)
    start = None if begins is None else begins - (read_origin(original, reach=reach) or 0)
    return start if start is None or start >= 0 else None


def _check_origin(original: _Heard, start: int | None, stem: _Heard) -> None:
    """Raise :class:`AudioError` if a stem cannot be of a file, from a frame on."""
    if original.sample_rate_hz != stem.sample_rate_hz:
        raise AudioError(
            f"{original.file} has {original.sample_rate_hz} Hz and {stem.file}"
            f" {stem.sample_rate_hz} Hz, so that it is no stem of it."
        )
    left = original.frames - (start or 0)
    if left < stem.frames or (start is None and left > stem.frames):
        raise AudioError(
            f"{original.file} is {original.seconds:.3f} s long and {stem.file} {stem.seconds:.3f}"
            " s: it is a stem of something else, or of a part; --start says where that begins."
        )
