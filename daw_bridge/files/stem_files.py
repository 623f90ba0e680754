"""Native Instruments' stem files: MP4 with five tracks, and a box that labels the last four.

The first track is the mixture, and the only one that is enabled, so that players play it. The box
``stem`` in ``moov/udta`` has JSON, with the names and colours of the others.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np

from daw_bridge.errors import OutputError
from daw_bridge.files.boxes import BoxError, add_box, find_boxes, inner_boxes, set_flags
from daw_bridge.files.reach import ANYWHERE
from daw_bridge.files.writing import AAC_BITS_PER_SECOND, open_m4a, round_samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.packet import Packet
    from numpy.typing import NDArray

    from daw_bridge.files.boxes import Box
    from daw_bridge.files.reach import Reach

MIXTURE_TRACK = 1
STEMS = 4
TRACKS = 1 + STEMS
CHANNELS = 2

Codec: TypeAlias = Literal["aac", "alac"]

_BOX = (b"moov", b"udta", b"stem")
_MAX_BOX_BYTES = 64 << 10
_MAX_LABEL = 60
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_MAX_HANDLER_BYTES = 4 << 10
_HANDLER = slice(8, 12)
_ENABLED = 1
_DISABLED = 0
_NO_MASTERING = {
    "compressor": {
        "enabled": False,
        "attack": 0.003,
        "dry_wet": 50,
        "hp_cutoff": 300,
        "input_gain": 0.5,
        "output_gain": 0.5,
        "ratio": 3,
        "release": 0.3,
        "threshold": 0,
    },
    "limiter": {"enabled": False, "ceiling": -0.35, "release": 0.05, "threshold": 0},
}


class StemLabel(NamedTuple):
    """What a stem file says of one of its stems; either may be empty.

    Attributes:
        name: what it is called.
        colour: of its track, ``#RRGGBB``.
    """

    name: str
    colour: str


class Labels(NamedTuple):
    """What a file says of its stems.

    Attributes:
        stems: those of the tracks from the second on; empty: it is no stem file.
        warning: why it is none though it says so, a sentence; empty otherwise.
    """

    stems: tuple[StemLabel, ...] = ()
    warning: str = ""


class Coding(NamedTuple):
    """How the tracks of a stem file are coded.

    Attributes:
        codec: AAC at 256 kbit/s a track, or ALAC.
        sample_rate_hz: frames a second.
        bits: of ALAC's samples, 16 or 24.
    """

    codec: Codec
    sample_rate_hz: int
    bits: int = 24

    @property
    def sample_format(self) -> str:
        """What FFmpeg calls samples as the encoder takes them."""
        if self.codec == "aac":
            return "fltp"
        return "s16p" if self.bits == 16 else "s32p"

    def frame(self, block: NDArray[np.float32], position: int) -> AudioFrame:
        """Return a block (channels, frames) of a track as the encoder takes it."""
        import av  # slow to load and seldom needed

        frame = av.AudioFrame.from_ndarray(self._samples(block), self.sample_format, "stereo")
        frame.sample_rate, frame.pts = self.sample_rate_hz, position
        return frame

    def _samples(self, block: NDArray[np.float32]) -> NDArray[Any]:
        """Return the samples of a block (channels, frames), as many of them."""
        if self.codec == "aac":
            return np.ascontiguousarray(block)
        rounded = round_samples(block, self.bits)
        return rounded.astype(np.int16) if self.bits == 16 else np.left_shift(rounded, 8)


def read_labels(path: Path, *, reach: Reach = ANYWHERE) -> Labels:
    """Return what a file says of its stems; what cannot be opened, or is no MP4, says nothing."""
    try:
        with open(path, "rb", opener=reach.open) as file:
            movie = _find_movie(file)
            return Labels(_read_stems(file, movie)) if movie else Labels()
    except OSError:  # whoever opens it for its audio says what is wrong
        return Labels()
    except BoxError as error:
        return Labels(
            warning=f"{path} says that it is a stem file, and cannot be used as one: {error}; only"
            " its first track is seen."
        )


def encode_tracks(file: BinaryIO, blocks: Iterable[NDArray[np.float32]], coding: Coding) -> None:
    """Encode blocks (5, channels, frames) as tracks of one length, and of one delay.

    Raises:
        OSError: the file cannot be written.
    """
    rate = coding.sample_rate_hz
    # A clock that counts samples says the length to the frame.
    with open_m4a(file, movie_timescale=f"{rate}") as container, ThreadPoolExecutor(TRACKS) as pool:
        streams = [
            container.add_stream(coding.codec, rate=rate, layout="stereo") for _ in range(TRACKS)
        ]
        for stream in streams:
            stream.codec_context.format = coding.sample_format
            stream.bit_rate = AAC_BITS_PER_SECOND
        position = 0
        for block in filter(np.size, blocks):
            frames = [coding.frame(samples, position) for samples in block]
            for packets in pool.map(_encode, streams, frames):
                container.mux(packets)
            position += block.shape[-1]
        for stream in streams:
            container.mux(stream.encode(None))


def label_tracks(file: BinaryIO, labels: Sequence[StemLabel]) -> None:
    """Make a stem file of an encoded file that has its tags: enable the mixture, label the others.

    Raises:
        OutputError: it has not the form that it should have been encoded in.
    """
    stems = [{"name": each.name, "color": each.colour} for each in labels]
    manifest = {"version": 1, "mastering_dsp": _NO_MASTERING, "stems": stems}
    try:
        (movie,) = find_boxes(file, _BOX[:1])
        tracks = [box for box in inner_boxes(file, movie) if box.kind == b"trak"]
        for number, track in enumerate(tracks):
            head = next(box for box in inner_boxes(file, track) if box.kind == b"tkhd")
            set_flags(file, head, _DISABLED if number else _ENABLED)
        add_box(file, _BOX, json.dumps(manifest, separators=(",", ":")).encode())
    except (BoxError, StopIteration, ValueError) as error:
        raise OutputError(f"The tracks cannot be labelled as stems: {error}.") from error


def _encode(stream: AudioStream, frame: AudioFrame) -> list[Packet[Any]]:
    return stream.encode(frame)


class _Stem(msgspec.Struct):
    name: str = ""
    color: str = ""


class _Manifest(msgspec.Struct):
    version: Annotated[int, msgspec.Meta(ge=1)]
    stems: list[_Stem]


def _find_movie(file: BinaryIO) -> Box | None:
    """Return the box that says what is in an MP4; None: the file is none, or is cut short."""
    if file.read(8)[4:] != b"ftyp":
        return None
    try:
        return next(iter(find_boxes(file, _BOX[:1])), None)
    except BoxError:
        return None


def _read_stems(file: BinaryIO, movie: Box) -> tuple[StemLabel, ...]:
    """Return the labels of a movie; none, if it has no box of them.

    Raises:
        BoxError: the box cannot be read, or is not one for these tracks.
    """
    found = find_boxes(file, _BOX)
    if len(found) < len(_BOX):
        return ()
    labels = _parse(found[-1].read(file, at_most=_MAX_BOX_BYTES))
    tracks = [box for box in inner_boxes(file, movie) if box.kind == b"trak"]
    if (count := sum(_is_audio(file, track) for track in tracks)) != TRACKS:
        raise BoxError(f"it has {count} audio tracks, not {TRACKS}")
    return labels


def _is_audio(file: BinaryIO, track: Box) -> bool:
    media = next((box for box in inner_boxes(file, track) if box.kind == b"mdia"), None)
    for box in inner_boxes(file, media) if media else ():
        if box.kind == b"hdlr":
            return box.read(file, at_most=_MAX_HANDLER_BYTES)[_HANDLER] == b"soun"
    return False


def _parse(content: bytes) -> tuple[StemLabel, ...]:
    try:
        manifest = msgspec.json.decode(content.rstrip(b"\0"), type=_Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BoxError(f"its box 'stem' cannot be read, as of it {error}") from error
    if len(manifest.stems) != STEMS:
        raise BoxError(f"its box 'stem' labels {len(manifest.stems)} stems, not {STEMS}")
    return tuple(
        StemLabel(each.name[:_MAX_LABEL], each.color if _COLOUR.fullmatch(each.color) else "")
        for each in manifest.stems
    )
