"""Which loudspeaker each channel of a file is for, and the stereo fold-down of them all."""

from __future__ import annotations

import struct
from enum import IntFlag
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daw_bridge.errors import AudioError
from daw_bridge.files.riff import find_chunk

if TYPE_CHECKING:
    from pathlib import Path


class Speaker(IntFlag):
    """A loudspeaker's bit in the channel mask of WAVE_FORMAT_EXTENSIBLE."""

    L = 0x1
    R = 0x2
    C = 0x4
    LFE = 0x8
    Lb = 0x10
    Rb = 0x20
    Ls = 0x200
    Rs = 0x400


Speakers: TypeAlias = tuple[Speaker, ...]
"""One a channel, in the order of their bits, as files have them"""
Fold: TypeAlias = NDArray[np.float32]
"""(2, channels), each channel's gains in a stereo fold-down"""

FRONTS = Speaker.L | Speaker.R
BACKS = Speaker.Lb | Speaker.Rb
SIDES = Speaker.Ls | Speaker.Rs
LEFTS = Speaker.L | Speaker.C | Speaker.Lb | Speaker.Ls
RIGHTS = Speaker.R | Speaker.C | Speaker.Rb | Speaker.Rs

FOLD_GAIN = 0.5**0.5
"""ITU-R BS.775-3, annex 4: centre and surrounds go into the fronts at -3 dB."""

_USUAL_MASKS = {3: 0x7, 4: 0x603, 5: 0x607, 6: 0x60F, 8: 0x63F}
_MASK_COMMENT = "waveformatextensible_channel_mask"
_EXTENSIBLE = 0xFFFE
_FORMAT_HEADER = struct.Struct("<H18xI")  # the format's tag … the channel mask


def speakers_of(mask: int) -> Speakers:
    """Return the loudspeakers of a mask, in the order of their channels."""
    return tuple(speaker for speaker in Speaker if speaker & mask)


def usual_speakers(channels: int) -> Speakers:
    """Return the usual loudspeakers for a number of channels; none where nothing is usual."""
    return speakers_of(_USUAL_MASKS.get(channels, 0))


def mask_of(speakers: Speakers) -> int:
    """Return the channel mask of loudspeakers."""
    return sum(speakers)


def fold_matrix(speakers: Speakers) -> Fold:
    """Return the gains of the fold-down of ITU-R BS.775."""
    gains = {speaker: 1.0 if speaker & FRONTS else FOLD_GAIN for speaker in speakers}
    sides = [[gains[each] if each & side else 0 for each in speakers] for side in (LEFTS, RIGHTS)]
    return np.array(sides, np.float32)


def loudness_weights(speakers: Speakers) -> list[float]:
    """Return the weight of each channel's power: ITU-R BS.1770-4, table 4.

    Loudspeakers beside the listener count more: the sides or, where there are none, the backs.
    """
    beside = SIDES if any(speaker & SIDES for speaker in speakers) else BACKS
    return [
        0.0 if speaker is Speaker.LFE else 1.41 if speaker & beside else 1.0 for speaker in speakers
    ]


def find_speakers(path: Path, channels: int) -> Speakers:
    """Return the loudspeakers that a file names, else those that so many channels usually are.

    Raises:
        AudioError: there are none that so many channels could be for.
    """
    mask = read_mask(path)
    speakers = usual_speakers(channels) if mask is None else speakers_of(mask)
    if len(speakers) != channels or FRONTS & ~mask_of(speakers):
        raise AudioError(
            f"{path} has {channels} channels, and which loudspeakers they are for is not known;"
            " it takes a file of L, R and more, such as 5.1."
        )
    return speakers


def read_mask(path: Path) -> int | None:
    """Return the channel mask that a WAV or FLAC file holds; None where it holds none.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return find_mask(file)


def find_mask(file: BinaryIO) -> int | None:
    """Return the channel mask that an open WAV or FLAC file holds; None where it holds none."""
    file.seek(0)
    if file.read(4) == b"fLaC":
        return _read_flac_mask(file)
    return _read_wave_mask(file)


def tag_mask(file: BinaryIO, mask: int) -> None:
    """Say in a FLAC file which loudspeakers its channels are for, as its own tools do."""
    from mutagen.flac import FLAC

    file.seek(0)
    tagged = FLAC(file)
    if tagged.tags is None:
        tagged.add_tags()
    tagged[_MASK_COMMENT] = f"0x{mask:X}"
    file.seek(0)
    tagged.save(file)


def _read_flac_mask(file: BinaryIO) -> int | None:
    from mutagen.flac import FLAC

    file.seek(0)
    comments = FLAC(file).get(_MASK_COMMENT)
    return int(comments[0], 16) if comments else None


def _read_wave_mask(file: BinaryIO) -> int | None:
    content = find_chunk(file, b"fmt ", most_bytes=_FORMAT_HEADER.size)
    if content is None or len(content) < _FORMAT_HEADER.size:
        return None
    tag, mask = _FORMAT_HEADER.unpack(content)
    return mask if tag == _EXTENSIBLE else None
