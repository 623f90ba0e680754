"""Files → float32 blocks of one size, whatever the container.

soundfile reads what libsndfile knows (WAV and its kin, FLAC, Ogg, Opus, MP3, AIFF); PyAV the rest
(MP4, Matroska, AAC …).
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np
import soundfile

from daw_bridge.errors import AudioError
from daw_bridge.files.blocks import BLOCK_FRAMES, check_finite, rechunk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

    from daw_bridge.files.blocks import Block


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


@contextmanager
def open_audio(path: Path) -> Iterator[Reader]:
    """Open an audio file for reading.

    Blocks that it yields are finite numbers only.

    Raises:
        AudioError: the file is missing, is no audio, or holds none; also while blocks are read.
    """
    _check_readable(path)
    with ExitStack() as stack:
        try:
            reader: _SoundFileReader | _ContainerReader = _SoundFileReader(
                stack.enter_context(soundfile.SoundFile(path))
            )
        except soundfile.LibsndfileError as error:
            reader = _open_container(path, stack, reason=error.error_string)
        yield _CheckedReader(reader, path)


@contextmanager
def open_channels(paths: Sequence[Path]) -> Iterator[Reader]:
    """Open one file, or several mono files as the channels of one, as DAWs bounce them.

    Raises:
        AudioError: as :func:`open_audio`, or the files do not belong together.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(open_audio(path)) for path in paths]
        yield readers[0] if len(readers) == 1 else _JoinedReader(readers)


@contextmanager
def open_sum(paths: Sequence[Path]) -> Iterator[Reader]:
    """Open files of equal rate, length and channels, as the sum of them all.

    Raises:
        AudioError: as :func:`open_audio`, or the files do not belong together.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(open_audio(path)) for path in paths]
        yield readers[0] if len(readers) == 1 else _SummedReader(readers)


class _JoinedReader:
    """Several mono readers as one."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        first = readers[0]
        for reader in readers:
            if reader.channels != 1:
                raise AudioError(f"{reader.name} is not mono, so it cannot be joined to others.")
        _check_alike(readers)
        self.name = first.name
        self.sample_rate_hz = first.sample_rate_hz
        self.frames = first.frames
        self.channels = len(readers)
        self._readers = readers

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[Block]:
        """Yield blocks of all channels."""
        channels = [reader.blocks(start, length) for reader in self._readers]
        yield from (np.concatenate(blocks) for blocks in zip(*channels, strict=True))


class _SummedReader:
    """The sum of several readers."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        _check_alike(readers)
        first = readers[0]
        self.name = first.name
        self.sample_rate_hz = first.sample_rate_hz
        self.frames = first.frames
        self.channels = first.channels
        self._readers = readers

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[Block]:
        """Yield blocks of the sum."""
        streams = [reader.blocks(start, length) for reader in self._readers]
        yield from (np.sum(blocks, axis=0) for blocks in zip(*streams, strict=True))


def _check_alike(readers: Sequence[Reader]) -> None:
    first = readers[0]
    for reader in readers:
        if (reader.sample_rate_hz, reader.frames) != (first.sample_rate_hz, first.frames):
            raise AudioError(f"{reader.name} has not the rate and length of {first.name}.")


class _CheckedReader:
    """A reader that gives only finite samples, and at least one of them."""

    def __init__(self, reader: _SoundFileReader | _ContainerReader, path: Path) -> None:
        self.sample_rate_hz = reader.sample_rate_hz
        self.channels = reader.channels
        self.frames = reader.frames
        self.name = str(path)
        self._reader = reader

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[Block]:
        """Yield blocks of BLOCK_FRAMES frames; the last may be shorter."""
        position = start
        try:
            for block in rechunk(self._reader.blocks(start, length)):
                check_finite(block, self.name, start=position)
                position += block.shape[1]
                yield block
        except soundfile.LibsndfileError as error:
            raise AudioError(
                f"{self.name} breaks off at frame {position}: {error.error_string}"
            ) from error
        if position == start:
            raise AudioError(f"{self.name} holds no audio" + (" there." if start else "."))


class _SoundFileReader:
    def __init__(self, file: soundfile.SoundFile) -> None:
        self.sample_rate_hz: int = file.samplerate
        self.channels: int = file.channels
        self.frames: int = file.frames
        self._file = file

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[Block]:
        """Seek, then decode."""
        left = max(self.frames - start, 0)
        left = left if length is None else min(length, left)
        if left:
            self._file.seek(start)
        while left:
            block = self._file.read(min(BLOCK_FRAMES, left), "float32", always_2d=True)
            if not len(block):
                return
            left -= len(block)
            yield np.ascontiguousarray(block.T, np.float32)


class _ContainerReader:
    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self.sample_rate_hz = stream.rate
        self.channels = stream.channels
        duration_us = container.duration or 0
        self.frames = duration_us * stream.rate // 1_000_000
        self._container = container
        self._stream = stream

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[Block]:
        """Decode from the beginning: seeking in lossy containers is not exact to the frame."""
        end = None if length is None else start + length
        position = 0
        for block in self._decode():
            first, position = position, position + block.shape[1]
            yield block[:, max(start - first, 0) : None if end is None else max(end - first, 0)]
            if end is not None and position >= end:
                return

    def _decode(self) -> Iterator[Block]:
        import av.error  # slow to load and seldom needed

        planar = av.AudioResampler("fltp", self._stream.layout, self._stream.rate)
        try:
            for frame in self._container.decode(self._stream):
                yield from (_samples(part) for part in planar.resample(frame))
            yield from (_samples(part) for part in planar.resample(None))
        except av.error.FFmpegError as error:
            raise AudioError(f"{self._container.name} breaks off: {error.strerror}.") from error


def _samples(frame: AudioFrame) -> Block:
    """Return the samples of a frame of planar floats."""
    return np.asarray(frame.to_ndarray(), np.float32)


def _open_container(path: Path, stack: ExitStack, *, reason: str) -> _ContainerReader:
    """Open what libsndfile refused, for the reason given."""
    import av.error

    try:
        container = stack.enter_context(av.open(str(path)))
    except (av.error.FFmpegError, OSError) as error:
        raise AudioError(f"{path} cannot be read as audio: {reason}") from error
    if not container.streams.audio or not container.streams.audio[0].rate:
        raise AudioError(f"{path} cannot be read as audio: there is no audio track in it.")
    return _ContainerReader(container, container.streams.audio[0])


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise AudioError(f"{path} is empty.")
    except FileNotFoundError as error:
        raise AudioError(f"There is no file {path}.") from error
    except IsADirectoryError as error:
        raise AudioError(f"{path} is a folder; name the audio files in it.") from error
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror}.") from error
