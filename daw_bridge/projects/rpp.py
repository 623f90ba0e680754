"""REAPER's project files: lines of words, in blocks between ``<`` and ``>``."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, BinaryIO

from daw_bridge.errors import OutputError
from daw_bridge.printing import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daw_bridge.library.colours import Colour
    from daw_bridge.projects.destination import Destination
    from daw_bridge.projects.project import Project, Track

_QUOTES = "\"'`"
_SOURCES = {".flac": "FLAC", ".mp3": "MP3", ".ogg": "VORBIS", ".m4a": "VIDEO"}
_WAVE = "WAVE"
"""Also of AIFF."""

_HAS_COLOUR = 0x1000000
_FOLDER, _WITHIN, _LAST = (1, 1), (0, 0), (2, -1)
_FAMILY = uuid.UUID("6f1d24a5-93a7-4a9c-9a52-5a1f3f1e8f0b")


def write_rpp(project: Project, file: BinaryIO, destination: Destination) -> None:
    """Write a project.

    Raises:
        OutputError: a file cannot be named in it.
    """
    file.write("".join(f"{line}\n" for line in _lines(project, destination)).encode())


def _lines(project: Project, destination: Destination) -> Iterator[str]:
    channels = _even(max(track.channels for track in project.tracks))
    yield '<REAPER_PROJECT 0.1 "6.0" 0'
    yield f"  SAMPLERATE {project.sample_rate_hz} 1 0"
    yield f"  TEMPO {project.tempo_bpm:.10g} 4 4"
    yield f"  MASTER_NCH {channels} 2"
    for number, marker in enumerate(project.markers, 1):
        time = _seconds(project, project.start + marker.position)
        yield f"  MARKER {number} {time} {_quoted(plain(marker.name))} 0"
    if project.original:
        yield from _track(project, project.original, _WITHIN, destination)
    yield f"  <TRACK {_guid(project, 'group')}"
    yield f"    NAME {_quoted(f'{project.title} stems')}"
    yield f"    NCHAN {channels}"
    yield "    ISBUS {} {}".format(*_FOLDER)
    yield "  >"
    for stem in project.stems:
        is_last = stem is project.stems[-1]
        yield from _track(project, stem, _LAST if is_last else _WITHIN, destination)
    yield ">"


def _track(
    project: Project, track: Track, bus: tuple[int, int], destination: Destination
) -> Iterator[str]:
    yield f"  <TRACK {_guid(project, track.stem)}"
    yield f"    NAME {_quoted(track.name)}"
    yield f"    PEAKCOL {_peak_colour(track.colour)}"
    yield "    VOLPAN 1 0 -1 -1 1"
    yield f"    MUTESOLO {int(track.is_muted)} 0 0"
    yield "    ISBUS {} {}".format(*bus)
    yield f"    NCHAN {_even(track.channels)}"
    yield "    <ITEM"
    yield f"      POSITION {_seconds(project, project.start)}"
    yield f"      LENGTH {_seconds(project, track.frames)}"
    yield "      LOOP 0"
    yield "      FADEIN 1 0 0 1 0 0 0"
    yield "      FADEOUT 1 0 0 1 0 0 0"
    yield f"      NAME {_quoted(track.name)}"
    yield f"      SOFFS {_seconds(project, track.offset)}"
    yield f"      <SOURCE {_SOURCES.get(track.file.suffix.lower(), _WAVE)}"
    yield f"        FILE {_quoted_path(destination, track.file)}"
    yield "      >"
    yield "    >"
    yield "  >"


def _quoted(text: str) -> str:
    """Return text as one word; where it has all three kinds of quotes, one of them changes."""
    for quote in _QUOTES:
        if quote not in text:
            return f"{quote}{text}{quote}"
    return f"`{text.replace('`', chr(39))}`"


def _quoted_path(destination: Destination, file: Path) -> str:
    """Return the path of a file as one word.

    Raises:
        OutputError: it has all three kinds of quotes.
    """
    link = destination.link_to(file)
    if all(quote in link for quote in _QUOTES):
        raise OutputError(
            f"{file} cannot be named in a REAPER project, as it has quotes of all three kinds;"
            " rename it, or its folder."
        )
    return _quoted(link)


def _peak_colour(colour: Colour) -> int:
    return _HAS_COLOUR | colour.blue << 16 | colour.green << 8 | colour.red


def _even(channels: int) -> int:
    """Return how many channels a track needs, which come in pairs."""
    return max(2, channels + channels % 2)


def _seconds(project: Project, frames: int) -> str:
    """Return a time that is a frame and no other."""
    return f"{frames / project.sample_rate_hz:.12f}"


def _guid(project: Project, what: str) -> str:
    """Return an identity that is the same each time."""
    return f"{{{uuid.uuid5(_FAMILY, f'{project.title}/{what}')}}}".upper()
