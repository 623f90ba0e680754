"""Broadcast WAV (EBU Tech 3285): files that know where in a recording they belong.

A chunk ``bext`` says how many samples after midnight a file begins; DAWs put it there on demand. A
chunk ``iXML`` names its channels.
"""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import soundfile

from daw_bridge.errors import OptionError
from daw_bridge.files.reach import ANYWHERE
from daw_bridge.files.riff import append_chunk, find_chunk
from daw_bridge.printing import plain

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.files.reach import Reach

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)s?", re.ASCII)
_MOST_SAMPLES = 1 << 63
_FASTEST_HZ = 10_000_000

_SFC_SET_BROADCAST_INFO = 0x10F1  # sndfile.h
# SF_BROADCAST_INFO: description, originator, its reference, date, time; the time reference, lower
# half first; version, UMID, five loudnesses; reserved; the history of coding and its size
_BROADCAST_INFO = struct.Struct("@256s32s32s10s8sIIh64s5h180sI256s")
_VERSION = 2
_UNKNOWN_LOUDNESS = (0x7FFF,) * 5
_ORIGINATOR = b"daw-bridge"

_TIME_REFERENCE = struct.Struct("<Q")
_TIME_REFERENCE_AT = 256 + 32 + 32 + 10 + 8  # in the chunk


class Place(NamedTuple):
    """Where a file belongs.

    Attributes:
        sample: of its first one, counted from midnight.
        project: what it is from.
        name: what it is.
    """

    sample: int
    project: str
    name: str


class Origin(NamedTuple):
    """A time since midnight, of samples or of seconds."""

    samples: int = 0
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Read a number of samples, or a time: ``3600s``, ``1:00:00``.

        Raises:
            OptionError: it is neither, or later than such files can say.
        """
        found = _TIME.fullmatch(text.strip())
        if not found:
            raise OptionError(
                f"'{text:.40}' is no origin: write samples such as 158760000, or a time such as"
                " 1:00:00 or 3600s."
            )
        if text.strip().isdecimal():
            origin = cls(samples=int(text))
        else:
            hours, minutes, seconds = (float(part or 0) for part in found.groups())
            origin = cls(seconds=3600 * hours + 60 * minutes + seconds)
        if origin.at(_FASTEST_HZ) >= _MOST_SAMPLES:
            raise OptionError(f"The origin {text:.40} is too late for any file.")
        return origin

    def at(self, sample_rate_hz: int) -> int:
        """Return it in samples."""
        return self.samples + round(self.seconds * sample_rate_hz)


def read_origin(path: Path, *, reach: Reach = ANYWHERE) -> int | None:
    """Return where a Broadcast WAV begins, in samples since midnight; None: it does not say."""
    with suppress(OSError), open(path, "rb", opener=reach.open) as file:
        content = find_chunk(file, b"bext", most_bytes=_TIME_REFERENCE_AT + _TIME_REFERENCE.size)
        if content and len(content) == _TIME_REFERENCE_AT + _TIME_REFERENCE.size:
            sample: int = _TIME_REFERENCE.unpack_from(content, _TIME_REFERENCE_AT)[0]
            return sample if sample < _MOST_SAMPLES else None
    return None


def set_origin(file: soundfile.SoundFile, place: Place) -> None:
    """Have libsndfile write where a file belongs, before anything is written to it."""
    info = _BROADCAST_INFO.pack(
        f"{place.project}: {place.name}".encode("ascii", "replace"),
        _ORIGINATOR,
        *(b"", b"", b""),  # the same input becomes the same bytes, whenever that is
        place.sample & 0xFFFFFFFF,
        place.sample >> 32,
        _VERSION,
        b"",
        *_UNKNOWN_LOUDNESS,
        b"",
        0,
        b"",
    )
    # soundfile has no public way to send libsndfile a command.
    soundfile._snd.sf_command(file._file, _SFC_SET_BROADCAST_INFO, info, len(info))


def add_names(file: BinaryIO, place: Place, *, sample_rate_hz: int, channels: int) -> None:
    """Add the iXML of a file: its project, the names of its channels, and where it belongs."""
    import xml.etree.ElementTree as ET  # seldom needed

    root = ET.Element("BWFXML")
    ET.SubElement(root, "IXML_VERSION").text = "2.10"
    ET.SubElement(root, "PROJECT").text = plain(place.project)
    tracks = ET.SubElement(root, "TRACK_LIST")
    ET.SubElement(tracks, "TRACK_COUNT").text = str(channels)
    for number in range(1, channels + 1):
        track = ET.SubElement(tracks, "TRACK")
        ET.SubElement(track, "CHANNEL_INDEX").text = str(number)
        ET.SubElement(track, "INTERLEAVE_INDEX").text = str(number)
        ET.SubElement(track, "NAME").text = plain(place.name)
    speed = ET.SubElement(root, "SPEED")
    ET.SubElement(speed, "TIMESTAMP_SAMPLE_RATE").text = str(sample_rate_hz)
    for half, bits in {"HI": place.sample >> 32, "LO": place.sample & 0xFFFFFFFF}.items():
        ET.SubElement(speed, f"TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_{half}").text = str(bits)
    append_chunk(file, b"iXML", ET.tostring(root, "UTF-8", xml_declaration=True))
