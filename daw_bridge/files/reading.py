"""Files → float32 blocks of one size, whatever the container.

A file is known by its content, never by its name. soundfile reads what libsndfile surely sees to
its end, quickly and from any frame on: samples that are not compressed, and FLAC, under headers
that are sound. FFmpeg reads all the rest.
"""

from __future__ import annotations

import logging
import re
from contextlib import ExitStack, contextmanager
from functools import partial
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import soundfile

from daw_bridge.errors import AudioError
from daw_bridge.files.blocks import BLOCK_FRAMES, check_samples, rechunk
from daw_bridge.files.reach import ANYWHERE
from daw_bridge.files.seeking import SeekableFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.container import InputContainer

    from daw_bridge.files.blocks import Block
    from daw_bridge.files.decoding import ContainerReader, Flaw
    from daw_bridge.files.reach import Reach

_log = logging.getLogger(__name__)

_PLAIN_HEADS = {b"RIFF", b"RF64", b"riff", b"FORM", b"caff", b".snd", b"fLaC"}
_PLAIN_SUBTYPES = {"PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"}
_LONGEST_PADDING_S = 0.25
_SAMPLE_RATES_HZ = (1_000, 10_000_000)
_UNKNOWN_FRAMES = 1 << 48
_DOUBTS = re.compile(r"^\s*\*\*\*", re.MULTILINE)
_PROMISED = re.compile(r"^\s*(?:data|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_BYTES = 0x7FFF_0000  # and more is what streams are written with
_ALONE = {"protocol_whitelist": "none"}  # a playlist opens no other files
_NO_LANGUAGE = "und"  # undetermined (ISO 639-2)
_FLAC_HEAD = b"fLaC\0\0\0\x22"


class Reader(Protocol):
    """An open audio file, or audio in memory."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """Frames a second."""
        ...

    @property
    def channels(self) -> int:
        """Number of channels."""
        ...

    @property
    def frames(self) -> int:
        """The length; an estimate where the container does not say it exactly."""
        ...

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[Block]:
        """Yield ``length`` frames from ``start`` on (None: to the end), BLOCK_FRAMES at a time."""
        ...


class AudioFile(Reader, Protocol):
    """An open audio file."""

    @property
    def format(self) -> str:
        """Its container and its codec."""
        ...

    @property
    def claimed_frames(self) -> int | None:
        """What the file says of its length; None: nothing."""
        ...

    @property
    def is_exact(self) -> bool:
        """Whether ``frames`` is the length, and not an estimate of it."""
        ...

    @property
    def read_frames(self) -> int | None:
        """The length, once it was read to its end."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with what was read so far, a sentence each."""
        ...


class AudioTrack(NamedTuple):
    """One of the audio tracks of a file.

    Attributes:
        number: counted from 1.
        codec: as the reader calls it.
        sample_rate_hz: frames a second.
        channels: their number.
        language: as the file says it, mostly three letters; empty: it does not.
        title: what the file calls it; empty: nothing.
    """

    number: int
    codec: str
    sample_rate_hz: int
    channels: int
    language: str = ""
    title: str = ""


def count_frames(path: Path) -> int:
    """Return how many frames a file holds: it is read where it does not say that for sure.

    Raises:
        AudioError: as :func:`open_audio`.
    """
    with open_audio(path) as reader:
        return reader.frames if reader.is_exact else sum(b.shape[1] for b in reader.blocks())


def check_readable(path: Path, *, reach: Reach = ANYWHERE) -> None:
    """Raise :class:`AudioError` unless a path is that of a file that holds something."""
    _open_file(path, reach).close()


def log_warnings(*files: AudioFile) -> None:
    """Say in the log what was wrong with files, where nobody is told otherwise."""
    for file in files:
        for warning in file.warnings:
            _log.warning("%s", warning)


@contextmanager
def open_audio(path: Path, *, track: int = 1, reach: Reach = ANYWHERE) -> Iterator[AudioFile]:
    """Open an audio file for reading.

    Blocks that it yields hold only numbers that can be computed with.

    Args:
        path: the file.
        track: which of its audio tracks, counted from 1.
        reach: where it may be.

    Raises:
        AudioError: the file is missing, is no audio, or holds none; also while blocks are read.
    """
    with ExitStack() as stack:
        file = stack.enter_context(_open_file(path, reach))
        plain = _open_plain(file, path, stack)
        if plain:
            _check_track(path, track, count=1)
        yield _CheckedReader(plain or _open_container(file, path, stack, track), path)


def list_tracks(path: Path) -> tuple[AudioTrack, ...]:
    """Return the audio tracks of a file; :func:`open_audio` opens each by its number.

    Raises:
        AudioError: the file is missing, or is no audio.
    """
    with ExitStack() as stack:
        file = stack.enter_context(_open_file(path, ANYWHERE))
        if plain := _open_plain(file, path, stack):
            return (AudioTrack(1, plain.codec, plain.sample_rate_hz, plain.channels),)
        streams = _demux(file, path, stack).streams.audio
        return tuple(
            AudioTrack(
                number,
                stream.codec_context.name,
                stream.rate or 0,
                stream.channels,
                stream.metadata.get("language", "").removeprefix(_NO_LANGUAGE),
                stream.metadata.get("title", ""),
            )
            for number, stream in enumerate(streams, 1)
            if _is_known(stream)
        )


@contextmanager
def open_channels(
    paths: Sequence[Path], *, track: int = 1, reach: Reach = ANYWHERE
) -> Iterator[AudioFile]:
    """Open one file, or several mono files as the channels of one, as DAWs bounce them.

    Raises:
        AudioError: as :func:`open_audio`, or the files do not belong together.
    """
    with ExitStack() as stack:
        readers = [
            stack.enter_context(open_audio(path, track=track, reach=reach)) for path in paths
        ]
        yield readers[0] if len(readers) == 1 else _JoinedReader(readers)


@contextmanager
def open_sum(paths: Sequence[Path], *, reach: Reach = ANYWHERE) -> Iterator[AudioFile]:
    """Open files of equal rate, length and channels, as the sum of them all.

    Raises:
        AudioError: as :func:`open_audio`, or the files do not belong together.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(open_audio(path, reach=reach)) for path in paths]
        yield readers[0] if len(readers) == 1 else _SummedReader(readers)


class _Readers:
    """Several readers of equal rate and length as one."""

    def __init__(self, readers: Sequence[AudioFile]) -> None:
        _check_alike(readers)
        first = readers[0]
        self.name = first.name
        self.sample_rate_hz = first.sample_rate_hz
        self.frames = first.frames
        self.channels = first.channels
        self.format = first.format
        self.claimed_frames = first.claimed_frames
        self.is_exact = first.is_exact
        self._readers = readers

    @property
    def read_frames(self) -> int | None:
        """The length, once it was read to its end."""
        return self._readers[0].read_frames

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with any."""
        return tuple(text for reader in self._readers for text in reader.warnings)

    def _blocks(self, start: int, length: int | None) -> Iterator[tuple[Block, ...]]:
        return zip(*(reader.blocks(start, length) for reader in self._readers), strict=True)


class _JoinedReader(_Readers):
    """Several mono readers as one."""

    def __init__(self, readers: Sequence[AudioFile]) -> None:
        for reader in readers:
            if reader.channels != 1:
                raise AudioError(f"{reader.name} is not mono, so it cannot be joined to others.")
        super().__init__(readers)
        self.channels = len(readers)

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[Block]:
        """Yield blocks of all channels."""
        return map(np.concatenate, self._blocks(start, length))


class _SummedReader(_Readers):
    """The sum of several readers."""

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[Block]:
        """Yield blocks of the sum."""
        return (np.sum(blocks, axis=0) for blocks in self._blocks(start, length))


def _check_alike(readers: Sequence[AudioFile]) -> None:
    first = readers[0]
    for reader in readers:
        if (reader.sample_rate_hz, reader.frames) != (first.sample_rate_hz, first.frames):
            raise AudioError(f"{reader.name} has not the rate and length of {first.name}.")


class _CheckedReader:
    """A reader that gives only numbers that can be computed with, and at least one of them."""

    def __init__(self, reader: _SoundFileReader | ContainerReader, path: Path) -> None:
        _check_rate(reader.sample_rate_hz, path)
        self.sample_rate_hz = reader.sample_rate_hz
        self.channels = reader.channels
        self.claimed_frames = reader.claimed_frames
        self.frames = reader.frames
        self.format = reader.format
        self.is_exact = isinstance(reader, _SoundFileReader)
        self.read_frames: int | None = None
        self.name = str(path)
        self._reader = reader
        self._turns = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with what was read so far, a sentence each."""
        rate = self.sample_rate_hz
        said = [
            f"{self.name} is damaged at {_clock(start / rate)}: "
            + (f"{frames / rate:.3f} s of silence stand there." if frames else "it breaks off.")
            for start, frames in self._reader.flaws
        ]
        claimed, end = self.claimed_frames, self.read_frames
        if claimed and end is not None and claimed - end > _LONGEST_PADDING_S * rate:
            said.append(
                f"{self.name} ends at {_clock(end / rate)}, and says that it ends at"
                f" {_clock(claimed / rate)}: a part of it is missing."
            )
        return tuple(said)

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[Block]:
        """Yield blocks of BLOCK_FRAMES frames; the last may be shorter.

        Raises:
            RuntimeError: it was read at another place meanwhile, and so lost this one.
        """
        self._turns += 1
        position, turn = start, self._turns
        for block in rechunk(self._reader.blocks(start, length)):
            if turn != self._turns:
                raise RuntimeError(f"{self.name} is read at two places at once.")
            check_samples(block, self.name, start=position)
            position += block.shape[1]
            yield block
        if length is None:
            self.read_frames = position
        if position == start:
            raise AudioError(f"{self.name} holds no audio" + (" there." if start else "."))


class _SoundFileReader:
    """A file whose length libsndfile knows for sure; what is damaged in it, FFmpeg reads."""

    def __init__(self, sound: soundfile.SoundFile, rest: Callable[[], ContainerReader]) -> None:
        self.sample_rate_hz: int = sound.samplerate
        self.channels: int = sound.channels
        self.frames: int = sound.frames
        self.codec: str = sound.subtype
        self.format = f"{sound.format}, {self.codec}"
        self.claimed_frames = _claimed_frames(sound)
        self.flaws: Sequence[Flaw] = ()
        self._sound = sound
        self._rest = rest

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[Block]:
        """Seek, then decode."""
        end = self.frames if length is None else min(start + length, self.frames)
        position = start
        try:
            if position < end:
                self._sound.seek(position)
            while position < end:
                frames = min(BLOCK_FRAMES, end - position)
                block = self._sound.read(frames, "float32", always_2d=True)
                if not len(block):
                    break
                position += len(block)
                yield np.ascontiguousarray(block.T, np.float32)
        except soundfile.LibsndfileError:
            reader = self._rest()
            self.flaws = reader.flaws
            yield from reader.blocks(position, end - position)


def _open_plain(file: SeekableFile, path: Path, stack: ExitStack) -> _SoundFileReader | None:
    """Open what libsndfile surely reads to its end; None: it cannot be sure."""
    if file.read(4) not in _PLAIN_HEADS:
        return None
    file.seek(0)
    try:
        sound = stack.enter_context(soundfile.SoundFile(file.fileno(), closefd=False))
    except soundfile.LibsndfileError:
        return None
    doubts = _DOUBTS.search(sound.extra_info) or not 0 < sound.frames < _UNKNOWN_FRAMES
    if doubts or sound.subtype not in _PLAIN_SUBTYPES:
        return None
    if sound.format == "FLAC" and _is_joined(file):
        return None
    return _SoundFileReader(sound, rest=partial(_open_container, file, path, stack))


def _claimed_frames(sound: soundfile.SoundFile) -> int | None:
    """Return how long a file says it is, which libsndfile corrects; None: it does not say."""
    promised = _PROMISED.search(sound.extra_info)
    if not promised:
        return sound.frames
    said, there = map(int, promised.groups())
    return None if said >= _UNKNOWN_BYTES else sound.frames * said // there


def _is_joined(file: SeekableFile) -> bool:
    """Tell whether a FLAC file holds a second one behind the first."""
    with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.find(_FLAC_HEAD, content.find(_FLAC_HEAD) + 1) >= 0


def _open_container(
    file: SeekableFile, path: Path, stack: ExitStack, track: int = 1
) -> ContainerReader:
    """Open what FFmpeg is to read."""
    from daw_bridge.files.decoding import ContainerReader

    container = _demux(file, path, stack)
    streams = container.streams.audio
    _check_track(path, track, count=len(streams))
    stream = streams[track - 1]
    if not _is_known(stream):
        raise AudioError(f"{path} cannot be read as audio: nothing is known of its track {track}.")
    return ContainerReader(
        file, container, stream, lambda: _demux(file, path, stack).streams.audio[track - 1]
    )


def _demux(file: SeekableFile, path: Path, stack: ExitStack) -> InputContainer:
    """Open a container for FFmpeg, which has audio in it."""
    import av.error  # slow to load and seldom needed

    file.seek(0)
    try:
        container = stack.enter_context(
            av.open(file, "r", options=_ALONE, metadata_errors="replace")
        )
    except (av.error.FFmpegError, OSError) as error:
        raise AudioError(f"{path} cannot be read as audio: {error.strerror}.") from error
    if not any(map(_is_known, container.streams.audio)):
        raise AudioError(f"{path} cannot be read as audio: there is no audio track in it.")
    return container


def _check_rate(sample_rate_hz: int, path: Path) -> None:
    """Refuse what would be resampled to, or from, a million times as many samples."""
    lowest, highest = _SAMPLE_RATES_HZ
    if not lowest <= sample_rate_hz <= highest:
        raise AudioError(
            f"{path} has a sample rate of {sample_rate_hz:,} Hz; {lowest:,} to {highest:,} can be"
            " used."
        )


def _check_track(path: Path, track: int, *, count: int) -> None:
    if not 1 <= track <= count:
        there = "one audio track" if count == 1 else f"{count} audio tracks"
        raise AudioError(f"{path} has {there}, and no track {track}.")


def _is_known(stream: AudioStream) -> bool:
    """Tell whether FFmpeg knows a stream's codec, and what it would decode to."""
    return bool(getattr(stream, "rate", 0) and getattr(stream, "channels", 0))


def _clock(seconds: float) -> str:
    """Return a time as people read it: ``1:02:03.500``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:06.3f}" if hours else f"{minutes}:{rest:06.3f}"


def _open_file(path: Path, reach: Reach) -> SeekableFile:
    """Open a file that holds something; it has no buffer, as its place is shared with C."""
    try:
        with ExitStack() as on_failure:
            file = on_failure.enter_context(SeekableFile(path, reach=reach))
            if not file.read(1):
                raise AudioError(f"{path} is empty.")
            file.seek(0)
            on_failure.pop_all()
            return file
    except FileNotFoundError as error:
        raise AudioError(f"There is no file {path}.") from error
    except IsADirectoryError as error:
        raise AudioError(f"{path} is a folder; name the audio files in it.") from error
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror}.") from error
