"""Places in a recording that somebody gave a name."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from daw_bridge.files.reach import ANYWHERE
from daw_bridge.files.riff import find_chunk, find_chunks
from daw_bridge.files.seeking import SeekableFile
from daw_bridge.printing import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daw_bridge.files.reach import Reach

_MOST = 1000
_MOST_BYTES = 1 << 20
_MOST_CHARACTERS = 100
_CUE = struct.Struct("<I16xI")  # its number … its frame
_LABEL_HEADER = struct.Struct("<4sI")
_NUMBER = struct.Struct("<I")


class Marker(NamedTuple):
    """A place with a name; the position is in frames."""

    name: str
    position: int


def read_markers(path: Path, *, sample_rate_hz: int, reach: Reach = ANYWHERE) -> tuple[Marker, ...]:
    """Return the cues of a WAV file, or the chapters of another, in their order.

    What is damaged, or has no markers, has none; of too many, the first are taken.
    """
    found: list[Marker] = []
    with suppress(OSError, struct.error):
        with open(path, "rb", opener=reach.open) as file:
            found = list(_read_cues(file))
        found = found or list(_read_chapters(path, sample_rate_hz, reach))
    named = [
        Marker(printable(name)[:_MOST_CHARACTERS] or str(number), position)
        for number, (name, position) in enumerate(sorted(found, key=_position_of)[:_MOST], 1)
    ]
    return tuple(named)


def _position_of(marker: Marker) -> int:
    return marker.position


def _read_cues(file: BinaryIO) -> Iterator[Marker]:
    cues = find_chunk(file, b"cue ", most_bytes=_NUMBER.size + _MOST * _CUE.size) or b""
    names = dict(_read_labels(file)) if cues else {}
    cues = cues[_NUMBER.size :]
    for number, frame in _CUE.iter_unpack(cues[: len(cues) // _CUE.size * _CUE.size]):
        yield Marker(names.get(number, ""), frame)


def _read_labels(file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Yield the number and the name of each cue that has one."""
    for content in find_chunks(file, b"LIST", most_bytes=_MOST_BYTES):
        position = 4
        while content.startswith(b"adtl") and position + _LABEL_HEADER.size < len(content):
            kind, size = _LABEL_HEADER.unpack_from(content, position)
            body = content[position + _LABEL_HEADER.size :][:size]
            if kind == b"labl" and len(body) >= _NUMBER.size:
                text = body[_NUMBER.size :].partition(b"\0")[0]
                yield _NUMBER.unpack_from(body)[0], text.decode("utf-8", "replace")
            position += _LABEL_HEADER.size + size + size % 2


def _read_chapters(path: Path, sample_rate_hz: int, reach: Reach) -> Iterator[Marker]:
    import av.error  # slow to load, and needed once a file

    with (
        suppress(av.error.FFmpegError),
        SeekableFile(path, reach=reach) as file,
        av.open(file, "r", metadata_errors="replace") as container,
    ):
        for chapter in container.chapters():
            if base := chapter["time_base"]:
                position = round(chapter["start"] * base * sample_rate_hz)
                yield Marker(chapter["metadata"].get("title", ""), max(position, 0))
