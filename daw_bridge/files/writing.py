"""Float32 blocks of several stems → files that appear whole or not at all.

Samples are spooled as they come, to files without a name, and encoded when all have come: only then
is the gain known that keeps integers from clipping, and all stems share it. Encoded files get their
names by a rename, all together at the end.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import BufferedRandom
from typing import IO, TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import soundfile

from daw_bridge.errors import DiskFullError, OutputError
from daw_bridge.files.atomic import create_unnamed, part_of
from daw_bridge.files.blocks import BLOCK_FRAMES, check_samples, energy
from daw_bridge.files.broadcast import add_names, set_origin
from daw_bridge.files.reach import ANYWHERE
from daw_bridge.files.room import FULL_DISK
from daw_bridge.files.speakers import Speaker, find_mask, mask_of, tag_mask
from daw_bridge.files.tags import copy_tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from io import FileIO
    from pathlib import Path

    from av.container import OutputContainer
    from numpy.typing import NDArray

    from daw_bridge.files.blocks import Block
    from daw_bridge.files.broadcast import Place
    from daw_bridge.files.containers import OutputFormat
    from daw_bridge.files.reach import Folder, Reach
    from daw_bridge.files.room import Room
    from daw_bridge.files.speakers import Speakers

    Integers: TypeAlias = NDArray[np.int32]
    """(…), samples of any shape"""

_RF64_FROM_BYTES = (1 << 32) - (1 << 20)  # RIFF counts in 32 bits; leave room for headers and tags
_LIBSNDFILE_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "wav": {"format": "WAV"},
    "flac": {"format": "FLAC"},
    # Of compression levels, 0 is the best and 1 the worst.
    "ogg": {"format": "OGG", "compression_level": 0.2},
    "mp3": {"format": "MP3", "compression_level": 0.0, "bitrate_mode": "CONSTANT"},
}
_PACKED_BITS = 24
_SFC_SET_ADD_PEAK_CHUNK = 0x1050  # sndfile.h
_SFC_SET_CHANNEL_MAP_INFO = 0x1101
_SF_CHANNEL_MAP = {
    Speaker.L: 2,
    Speaker.R: 3,
    Speaker.C: 4,
    Speaker.Lb: 9,
    Speaker.Rb: 10,
    Speaker.LFE: 11,
    Speaker.Ls: 14,
    Speaker.Rs: 15,
}
AAC_BITS_PER_SECOND = 256_000


@dataclass(frozen=True)
class Written:
    """What was done to the samples of a set of files.

    Attributes:
        gain: the factor that every sample was multiplied by, so that none clips.
        rounding_energy: for each stem, the sum of the squared errors of rounding to integers.
    """

    gain: float
    rounding_energy: tuple[float, ...]


class _Target(NamedTuple):
    """A file that is to be written: its path, its folder, and the name that it has until then."""

    path: Path
    folder: Folder
    part: str


class StemFiles:
    """Files of equal length that are written together.

    Use it in a ``with`` block, which removes what :meth:`commit` did not make whole.

    Args:
        paths: the files, one a stem. Folders are made; a symbolic link is followed, if it is within
            reach.
        audio_format: the format of every file.
        sample_rate_hz: frames a second.
        channels: channels of each stem.
        tags_from: a file whose tags and cover the stems get.
        speakers: which loudspeaker each channel is for; nothing for mono and stereo. Files say so,
            and are read again to see that they do.
        room: how much may be written; None: as much as there is room for.

    Attributes:
        frames: how many have been written.

    Raises:
        OutputError: a folder cannot be made or written to; also from its methods.
        OptionError: the format cannot hold this sample rate.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        audio_format: OutputFormat,
        *,
        sample_rate_hz: int,
        channels: int,
        tags_from: Path | None = None,
        speakers: Speakers = (),
        reach: Reach = ANYWHERE,
        room: Room | None = None,
    ) -> None:
        audio_format.check_sample_rate(sample_rate_hz)
        self._paths = tuple(path.resolve() if reach is ANYWHERE else path for path in paths)
        self._format = audio_format
        self._sample_rate_hz = sample_rate_hz
        self._channels = channels
        self._tags_from = tags_from
        self._speakers = speakers
        self._places: dict[Path, Place] = {}
        self._reach = reach
        self._room = room
        self._expected_frames = 0
        self._peak = 0.0
        self.frames = 0
        self._spools: list[IO[bytes]] = []
        self._folders: dict[Path, Folder] = {}
        self._cleanup = ExitStack()
        self._held = ExitStack()

    def place(self, places: Sequence[Place]) -> None:
        """Have WAV files say where they belong, one place each."""
        if self._format.container == "wav":
            self._places = dict(zip(self._paths, places, strict=True))

    def expect(self, frames: int) -> None:
        """Have the ``with`` block refuse to begin unless there is room for so many frames."""
        self._expected_frames = frames

    def __enter__(self) -> StemFiles:
        with ExitStack() as on_failure:
            on_failure.push(self._held)
            on_failure.push(self._cleanup)
            for path in self._paths:
                with output_errors(path):
                    spool = create_unnamed(self._hold(path.parent), path.name)
                    self._spools.append(self._cleanup.enter_context(spool))
            self._check_room(self._expected_frames)
            on_failure.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()
        self._held.close()

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append a block: float32 (stems, channels, frames)."""
        if not samples.size:
            return
        for path, block in zip(self._paths, samples, strict=True):
            peak = check_samples(block, f"What would be {path}", start=self.frames)
            self._peak = max(self._peak, peak)
        self._claim(self._spool_bytes(samples.shape[-1]))
        self.frames += samples.shape[-1]
        for path, spool, block in zip(self._paths, self._spools, samples, strict=True):
            with output_errors(path):
                spool.write(np.stack(block, axis=-1).data)

    def commit(self) -> Written:
        """Encode the files and give them their names."""
        self._claim(self._result_bytes(self.frames))
        gain = 1.0 if self._format.is_float else min(1.0, 1 / max(self._peak, 1.0))
        targets = [
            _Target(path, self._folders[path.parent], part_of(path).name) for path in self._paths
        ]
        for _, folder, part in targets:
            self._cleanup.callback(folder.remove, part)
        with ThreadPoolExecutor() as pool:
            encodings = [
                pool.submit(self._encode, target, spool, gain)
                for target, spool in zip(targets, self._spools, strict=True)
            ]
            energies = tuple(encoding.result() for encoding in encodings)
        for path, folder, part in targets:
            with output_errors(path):
                folder.replace(part, path.name)
        self._cleanup.pop_all()  # nothing is left to take away
        return Written(gain, energies)

    def _encode(self, target: _Target, spool: IO[bytes], gain: float) -> float:
        """Write one spool as a part of a file; return the energy of the rounding."""
        error_energy = 0.0
        with output_errors(target.path), target.folder.create(target.part) as raw:
            spool.seek(0)
            blocks = _read_spool(spool, self._channels, np.float32(gain))
            if self._format.container != "m4a":
                with _encoder_errors(target):
                    error_energy = self._encode_with_libsndfile(raw, target.path, blocks)
            with BufferedRandom(raw) as file:
                if self._format.container == "m4a":
                    _encode_m4a(file, blocks, self._sample_rate_hz, self._channels)
                spool.close()
                self._finish(file, target.path)
        return error_energy

    def _finish(self, file: BinaryIO, path: Path) -> None:
        """Give an encoded file what is not its samples."""
        if self._format.container == "ogg":
            _number_ogg_pages(file)
        if place := self._places.get(path):
            add_names(file, place, sample_rate_hz=self._sample_rate_hz, channels=self._channels)
        if self._tags_from:
            copy_tags(self._tags_from, file, reach=self._reach)
        if self._speakers:
            self._check_mask(file, path)

    def _encode_with_libsndfile(self, raw: FileIO, path: Path, blocks: Iterator[Block]) -> float:
        """Write blocks of float32 (frames, channels); return the energy of the rounding."""
        bits = self._format.integer_bits
        with soundfile.SoundFile(
            raw.fileno(), "w", closefd=False, **self._libsndfile_options()
        ) as file:
            _omit_peak_chunk(file)
            if self._speakers and self._format.container == "wav":
                _set_channel_map(file, self._speakers)
            if place := self._places.get(path):
                set_origin(file, place)
            error_energy = 0.0
            for block in blocks:
                if bits is None:
                    file.write(block)
                    continue
                scaled = block * np.float32(1 << (bits - 1))
                rounded = _clip(scaled, bits)
                error_energy += math.ldexp(energy(rounded - scaled), 2 - 2 * bits)
                self._write_integers(file, rounded.astype(np.int32), bits)
        return error_energy

    def _write_integers(self, file: soundfile.SoundFile, block: Integers, bits: int) -> None:
        if bits == _PACKED_BITS and self._format.container == "wav":
            packed = pack_24_bits(block)
            # soundfile has no public way to write bytes, and libsndfile packs six times as slowly.
            data = soundfile._ffi.from_buffer(packed)
            written = soundfile._snd.sf_write_raw(file._file, data, packed.nbytes)
            if written != packed.nbytes:
                raise soundfile.LibsndfileError(soundfile._snd.sf_error(file._file))
        else:  # libsndfile takes the upper bits of 32
            file.write(np.left_shift(block, 32 - bits))

    def _check_mask(self, file: BinaryIO, path: Path) -> None:
        """Make sure that a file says which loudspeakers its channels are for."""
        mask = mask_of(self._speakers)
        if self._format.container == "flac":
            tag_mask(file, mask)
        if (written := find_mask(file)) != mask:
            raise OutputError(f"{path} came to have the channel mask {written}, not {mask:#x}.")

    def _libsndfile_options(self) -> dict[str, Any]:
        container, bits = self._format.container, self._format.integer_bits
        options: dict[str, Any] = {
            "samplerate": self._sample_rate_hz,
            "channels": self._channels,
            **_LIBSNDFILE_OPTIONS[container],
        }
        if bits or self._format.is_float:
            options["subtype"] = f"PCM_{bits}" if bits else "FLOAT"
        if container == "wav" and self._speakers:
            options["format"] = "WAVEX"
        frame_bytes = self._channels * (bits or 32) // 8
        if container == "wav" and self.frames * frame_bytes > _RF64_FROM_BYTES:
            options["format"] = "RF64"
        return options

    def _hold(self, path: Path) -> Folder:
        """Make a folder if need be, and hold it; what was made goes if nothing comes of it."""
        if path not in self._folders:
            missing = [each for each in (path, *path.parents) if not each.exists()]
            self._folders[path] = self._held.enter_context(self._reach.folder(path, make=True))
            for made in reversed(missing):
                self._cleanup.callback(self._remove_if_empty, made)
        return self._folders[path]

    def _remove_if_empty(self, path: Path) -> None:
        with suppress(OSError), self._reach.folder(path.parent) as folder:
            folder.remove_folder(path.name)

    def _check_room(self, frames: int) -> None:
        """Make sure that there will be room for so many frames."""
        if self._room and self._paths:
            size = self._spool_bytes(frames) + self._result_bytes(frames)
            with output_errors(self._paths[0]):
                self._room.check(size, self._paths[0].parent)

    def _claim(self, size: int) -> None:
        """Make sure that there is room for so many bytes more of all files together."""
        if self._room and self._paths:
            with output_errors(self._paths[0]):
                self._room.claim(size, self._paths[0].parent)

    def _spool_bytes(self, frames: int) -> int:
        return frames * self._channels * 4 * len(self._paths)

    def _result_bytes(self, frames: int) -> int:
        """Return what so many frames take at most where the size can be known: not compressed."""
        bits = 32 if self._format.is_float else self._format.integer_bits or 0
        return frames * self._channels * bits // 8 * len(self._paths)


def _read_spool(spool: IO[bytes], channels: int, gain: np.float32) -> Iterator[Block]:
    """Yield blocks of float32 (frames, channels), times the gain."""
    while data := spool.read(BLOCK_FRAMES * channels * 4):
        yield np.frombuffer(data, np.float32).reshape(-1, channels) * gain


def _omit_peak_chunk(file: soundfile.SoundFile) -> None:
    """Keep the time of writing, which is part of the chunk, out of float WAV files."""
    # soundfile has no public way to send libsndfile a command.
    soundfile._snd.sf_command(file._file, _SFC_SET_ADD_PEAK_CHUNK, soundfile._ffi.NULL, 0)


def _set_channel_map(file: soundfile.SoundFile, speakers: Speakers) -> None:
    """Tell libsndfile which loudspeakers the channels are for; it writes the channel mask."""
    codes = soundfile._ffi.new("int[]", [_SF_CHANNEL_MAP[each] for each in speakers])
    size = soundfile._ffi.sizeof(codes)
    soundfile._snd.sf_command(file._file, _SFC_SET_CHANNEL_MAP_INFO, codes, size)


def _number_ogg_pages(file: BinaryIO) -> None:
    """Give an Ogg stream a constant serial number: libsndfile's is random."""
    from mutagen.ogg import OggPage

    file.seek(0)
    with suppress(EOFError):
        while True:
            start = file.tell()
            page = OggPage(file)
            page.serial = 1
            file.seek(start)
            file.write(page.write())


def round_samples(block: Block, bits: int) -> Integers:
    """Round samples (…) of full scale ±1 to integers of a number of bits."""
    return _clip(block * np.float32(1 << (bits - 1)), bits).astype(np.int32)


def _clip(scaled: Block, bits: int) -> Block:
    """Round samples (…) to what is an integer of a number of bits: float32 (…)."""
    full_scale = np.float32(1 << (bits - 1))
    rounded = np.rint(scaled)
    # float32 cannot tell 2**31 - 1 from 2**31, but holds every integer of 24 bits.
    return np.clip(rounded, -full_scale, full_scale - 1, out=rounded)


def pack_24_bits(integers: Integers) -> NDArray[np.uint8]:
    """Return the lowest three bytes of integers (…), the lowest first: uint8 (count, 3)."""
    little = np.ascontiguousarray(integers, "<i4").reshape(-1)
    packed = np.empty((little.size, 3), np.uint8)
    lower_two = np.ndarray(little.shape, "<u2", packed, strides=packed.strides[:1])
    lower_two[...] = little.view("<u2")[::2]
    packed[:, 2] = little.view(np.uint8)[2::4]
    return packed


def _encode_m4a(
    file: BinaryIO, blocks: Iterator[Block], sample_rate_hz: int, channels: int
) -> None:
    """Write blocks of float32 (frames, channels) as AAC."""
    import av  # slow to load and seldom needed

    layout = "mono" if channels == 1 else "stereo"
    with open_m4a(file) as container:
        stream = container.add_stream("aac", rate=sample_rate_hz, layout=layout)
        stream.bit_rate = AAC_BITS_PER_SECOND
        position = 0
        for block in blocks:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block.T), "fltp", layout)
            frame.sample_rate, frame.pts = sample_rate_hz, position
            position += len(block)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@contextmanager
def open_m4a(file: BinaryIO, **options: str) -> Iterator[OutputContainer]:
    """Give an MP4 container that tracks are encoded into; what stopped that is raised first.

    Args:
        file: what is written.
        options: of FFmpeg's muxer.
    """
    import av.error  # slow to load and seldom needed

    container = av.open(file, "w", format="ipod", options=options)
    try:
        yield container
    except BaseException:
        with suppress(av.error.FFmpegError, OSError):  # of an end that is in vain
            container.close()
        raise
    container.close()


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn what the system raises into one sentence about a path."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise DiskFullError(
                f"There is no room left for {path}: free some, or write elsewhere."
            ) from error
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error


@contextmanager
def _encoder_errors(target: _Target) -> Iterator[None]:
    """Turn what libsndfile raises into what the system says, or into a sentence."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        with create_unnamed(target.folder, target.path.name) as file:  # it only says that it failed
            file.write(bytes(1 << 20))
        raise OutputError(f"{target.path} cannot be written: {error.error_string}") from error
