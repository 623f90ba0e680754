"""What FFmpeg can decode → float32 blocks, in step through damage and changes of format."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from functools import partial
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import av
import av.error
import numpy as np

from daw_bridge.files.blocks import BLOCK_FRAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

    from daw_bridge.files.blocks import Block
    from daw_bridge.files.seeking import SeekableFile

AnyPacket: TypeAlias = "Packet[Any]"

# Streams whose packets bear no time of their own: FFmpeg counts them, and misses those it lost.
_UNSTAMPED = {"aac", "ac3", "dts", "eac3", "mp3", "truehd"}
_TOLERANCE_S = 0.005  # Matroska and ASF round to 1 ms
_LEAST_GAP_S = 0.05  # where nothing else tells of damage: stamps may be off for a while
_DOUBTFUL_PACKETS = 64  # a corrupt packet of a container may hold many of a codec's
_LONGEST_GAP_S = 600
_TAGS = (b"ID3", b"TAG", b"APETAGEX")
_MEMORY_OF_SIZES = 0.95
_ADTS_HEAD_BYTES = 7


class Flaw(NamedTuple):
    """A spot of a file that could not be read as it was recorded.

    Attributes:
        start: where it begins, in frames.
        frames: how many frames of silence stand there; 0: nothing comes any more.
    """

    start: int
    frames: int


class ContainerReader:
    """One audio stream of a container.

    Attributes:
        sample_rate_hz: frames a second, of its beginning.
        channels: their number, at its beginning.
        claimed_frames: what the container says of its length; None: nothing.
        format: the container and the codec, as FFmpeg calls them.
        frames: an estimate of its length.
        flaws: the spots that could not be read, of what was read so far.
    """

    def __init__(
        self,
        file: SeekableFile,
        container: InputContainer,
        stream: AudioStream,
        reopen: Callable[[], AudioStream],
    ) -> None:
        self.sample_rate_hz: int = stream.rate
        self.channels: int = stream.channels
        self.format = f"{container.format.name}, {stream.codec_context.name}"
        self.flaws: list[Flaw] = []
        self._file = file
        self._container: InputContainer = container
        self._stream = stream
        self._reopen = reopen
        self._was_read = False
        self._is_stamped = not _UNSTAMPED & set(container.format.name.split(","))
        self.claimed_frames = self._claim()
        self.frames = self.claimed_frames or self._estimate()

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[Block]:
        """Decode from the beginning: seeking in lossy containers is not exact to the frame."""
        self._rewind()
        end = None if length is None else start + length
        position = 0
        for block in self._decode():
            first, position = position, position + block.shape[1]
            yield block[:, max(start - first, 0) : None if end is None else max(end - first, 0)]
            if end is None and self.flaws and not self._is_stamped:
                end = self.claimed_frames  # FFmpeg takes padding off where it counted to
            if end is not None and position >= end:
                return

    def _rewind(self) -> None:
        """Open the container anew if it was read before; its beginning can be read once."""
        if self._was_read:
            self._stream = self._reopen()
            self._container = self._stream.container  # type: ignore[assignment]
            self.flaws.clear()
        self._was_read = True

    def _decode(self) -> Iterator[Block]:
        """Yield float32 blocks (channels, frames) of any length, from the beginning on."""
        converter = _Converter(self._stream)
        clock = _Clock(self._stream, is_stamped=self._is_stamped)
        position = 0
        try:
            for packet, lost_bytes in self._packets():
                clock.lose_bytes(lost_bytes)
                clock.doubt(packet)
                try:
                    frames = self._stream.codec_context.decode(packet)
                except av.error.FFmpegError:
                    clock.lose(packet)
                    continue
                for frame in frames:
                    yield from self._silence(position, lost := clock.lost_before(frame))
                    position += lost
                    for block in converter.convert(frame):
                        position += block.shape[1]
                        yield block
                clock.keep(packet)
        except (av.error.FFmpegError, OSError):
            self.flaws.append(Flaw(position, 0))
        with suppress(av.error.FFmpegError):  # as in the frames before
            for block in converter.flush():
                position += block.shape[1]
                yield block
        yield from self._silence(position, clock.lost_at_end())

    def _packets(self) -> Iterator[tuple[AnyPacket | None, int]]:
        """Yield packets, None at the end, each with the bytes that were skipped before it."""
        if self._container.format.name != "aac":
            return ((packet, 0) for packet in self._container.demux(self._stream))
        return _split_adts(self._file)

    def _silence(self, start: int, frames: int) -> Iterator[Block]:
        if frames:
            self.flaws.append(Flaw(start, frames))
        for first in range(0, frames, BLOCK_FRAMES):
            yield np.zeros((self.channels, min(BLOCK_FRAMES, frames - first)), np.float32)

    def _claim(self) -> int | None:
        stream, container = self._stream, self._container
        if not self._is_stamped and not stream.start_time:  # which an MP3's Xing header gives
            return None
        if stream.duration is not None and stream.time_base is not None:
            return round(stream.duration * stream.time_base * stream.rate)
        if container.duration is not None and len(container.streams) == 1:
            return self._estimate()
        return None  # a picture may go on longer than the sound

    def _estimate(self) -> int:
        return round(Fraction(self._container.duration or 0, 1_000_000) * self.sample_rate_hz)


class _Clock:
    """Where frames belong, from their time stamps or from what was lost before them.

    A step of the time stamps backwards is the beginning of another stream that was joined to the
    first.
    """

    def __init__(self, stream: AudioStream, *, is_stamped: bool) -> None:
        self._rate = stream.rate
        self._frame_size = stream.codec_context.frame_size
        self._is_exact = stream.container.format.name == "mpegts"  # which loses without a word
        self._doubts = 0  # how many more packets belong to what may be damaged
        self._unit = self._frame_size
        self._is_stamped = is_stamped
        self._expected: float | None = None
        self._start = self._place(stream.start_time or 0, stream.time_base or Fraction())
        self._lost = 0
        self._packet_bytes = 0.0

    def doubt(self, packet: AnyPacket | None) -> None:
        """Note a packet that is about to be decoded."""
        is_corrupt = packet is not None and packet.is_corrupt
        self._doubts = _DOUBTFUL_PACKETS if is_corrupt else max(self._doubts - 1, 0)

    def keep(self, packet: AnyPacket | None) -> None:
        """Note a packet that was decoded."""
        if not packet:
            return
        memory = _MEMORY_OF_SIZES if self._packet_bytes else 0.0
        self._packet_bytes = memory * self._packet_bytes + (1 - memory) * packet.size

    def lose(self, packet: AnyPacket | None) -> None:
        """Note a packet that could not be decoded."""
        if not packet:
            return
        if self._is_stamped and packet.duration and packet.time_base:
            self._lost += round(packet.duration * packet.time_base * self._rate)
        elif not bytes(packet)[:8].startswith(_TAGS):
            self.lose_bytes(packet.size)

    def lose_bytes(self, size: int) -> None:
        """Note bytes that belong to no packet."""
        if self._packet_bytes:
            self._lost += round(size / self._packet_bytes) * self._unit

    def lost_before(self, frame: AudioFrame) -> int:
        """Return how many frames are missing before one that was decoded."""
        lost, self._lost = self._lost, 0
        self._unit = self._frame_size or frame.samples
        if not self._is_stamped:
            return lost
        expected = self._expected
        ticks, time_base = frame.pts, frame.time_base
        if ticks is None or time_base is None:
            at = (expected or 0.0) + lost
        else:
            at = self._place(ticks, time_base)
        self._expected = at + frame.samples * self._rate / frame.rate
        if expected is None:
            if not lost:
                return 0
            expected = self._start
        step = at - expected
        is_told = lost or self._doubts or self._is_exact
        least = self._unit / 2 if is_told else self._rate * _LEAST_GAP_S
        if not least <= step <= self._rate * _LONGEST_GAP_S:
            return 0
        whole = round(step / self._unit) * self._unit
        is_rounded = not time_base or time_base * self._rate > 1
        return (
            whole if is_rounded and abs(whole - step) < _TOLERANCE_S * self._rate else round(step)
        )

    def _place(self, ticks: int, time_base: Fraction) -> float:
        """Return which frame a time stamp is of, without a fraction's arithmetic: it takes long."""
        return ticks * time_base.numerator * self._rate / time_base.denominator

    def lost_at_end(self) -> int:
        """Return how many frames are missing behind the last; streams end in all kinds of tags."""
        return self._lost if self._is_stamped else 0


def _split_adts(file: SeekableFile) -> Iterator[tuple[AnyPacket | None, int]]:
    """Yield the packets of an ADTS stream, None at the end; FFmpeg does not tell what it skips."""
    with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        end = at = _find_adts(content, 0)
        while size := _adts_bytes(content, at):
            yield av.Packet(content[at : at + size]), at - end
            end = at = at + size
            if not _adts_bytes(content, at):
                at = _find_adts(content, at)
    yield None, 0


def _find_adts(content: mmap, start: int) -> int:
    """Return where the next packet begins that another follows; the end if there is none."""
    while (start := content.find(b"\xff", start)) >= 0:
        size = _adts_bytes(content, start)
        if size and (start + size == len(content) or _adts_bytes(content, start + size)):
            return start
        start += 1
    return len(content)


def _adts_bytes(content: mmap, start: int) -> int:
    """Return the size of the packet there, in bytes; 0: there is none (ISO/IEC 13818-7, 6.2)."""
    head = int.from_bytes(content[start : start + 6].ljust(6, b"\0"), "big")
    size = head >> 5 & 0x1FFF
    return size if head >> 36 == 0xFFF and not head >> 33 & 3 and size > _ADTS_HEAD_BYTES else 0


class _Converter:
    """Frames of any format → blocks of the rate and channels that the stream began with."""

    def __init__(self, stream: AudioStream) -> None:
        self._make = partial(av.AudioResampler, "flt", stream.layout, stream.rate)
        self._format: tuple[str, str, int] | None = None
        self._resampler = self._make()

    def convert(self, frame: AudioFrame) -> Iterator[Block]:
        """Yield what is ready once a frame has gone in."""
        frame_format = (frame.format.name, frame.layout.name, frame.rate)
        if frame_format != self._format:
            if self._format:
                yield from self.flush()
            self._format = frame_format
            self._resampler = self._make()
        yield from map(_samples, self._resampler.resample(frame))

    def flush(self) -> Iterator[Block]:
        """Yield what is left."""
        yield from map(_samples, self._resampler.resample(None))


def _samples(frame: AudioFrame) -> Block:
    """Return the samples of interleaved floats: PyAV has no planes beyond the eighth."""
    interleaved = np.asarray(frame.to_ndarray(), np.float32)
    return interleaved.reshape(-1, frame.layout.nb_channels).T
