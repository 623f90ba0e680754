"""Stem files, as Traktor, Mixxx and other programs for DJs play them: the mixture and four stems.

The four are drums, bass, other and vocals. A stem goes to the one whose colour it has, as kick and
all parts of drums have theirs, and to other where it has none of these; those of one are summed,
and where there are none there is silence.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from daw_bridge.audio import fold_down
from daw_bridge.errors import AudioError
from daw_bridge.files.reading import open_audio
from daw_bridge.files.stem_files import (
    CHANNELS,
    TRACKS,
    Coding,
    StemLabel,
    encode_tracks,
    label_tracks,
)
from daw_bridge.files.tags import copy_tags
from daw_bridge.library.colours import colour_of
from daw_bridge.library.stems import REST, lineage, whole_of
from daw_bridge.resampling import Resampler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from daw_bridge.audio import StemBlock
    from daw_bridge.files.blocks import Block
    from daw_bridge.files.reading import AudioFile
    from daw_bridge.files.stem_files import Codec
    from daw_bridge.projects.destination import Destination
    from daw_bridge.projects.project import Project, Track

_log = logging.getLogger(__name__)

FOUR = ("drums", "bass", REST, "vocals")
"""What the tracks hold from the second on, in the order in which programs for DJs show them."""

_BY_COLOUR = {colour_of(name): name for name in FOUR}
_LABELS = tuple(StemLabel(name.capitalize(), str(colour_of(name))) for name in FOUR)
_RATES_HZ = (44_100, 48_000)
_CD_FAMILY_HZ = 11_025
_16_BITS = "PCM_16"
_SHAPE = (TRACKS, CHANNELS, -1)


def write_stem_mp4(
    project: Project, file: BinaryIO, destination: Destination, *, codec: Codec = "aac"
) -> None:
    """Write the mixture and four stems as the tracks of a stem file; log what was changed.

    Raises:
        AudioError: a file cannot be read, or they are not of one length.
        OSError: the file cannot be written.
    """
    routing = Routing.of(project)
    with ExitStack() as stack:
        readers = [
            stack.enter_context(open_audio(track.file, reach=destination.reach))
            for track in routing.tracks
        ]
        mix = _Mix(routing, readers, project.sample_rate_hz, destination)
        coding = Coding(codec, mix.rate_hz, mix.bits)
        gain = mix.gain() if codec == "alac" else 1.0
        encode_tracks(file, (block * np.float32(gain) for block in mix.blocks()), coding)
    copy_tags(routing.tracks[0].file, file, reach=destination.reach)
    label_tracks(file, _LABELS)
    for sentence in (*routing.remarks(project), *mix.remarks(gain)):
        _log.warning("%s: %s.", destination.path.name, sentence)


class Routing(NamedTuple):
    """What is heard on each track of a stem file.

    Attributes:
        tracks: of the project: the original, if there is one, and all stems that are no parts of
            others.
        matrix: float32 (tracks of the file, sources): one where a track of the project is heard.
    """

    tracks: tuple[Track, ...]
    matrix: NDArray[np.float32]

    @classmethod
    def of(cls, project: Project) -> Routing:
        """Return that of a project: the original is the mixture, or the sum of stems is."""
        original = project.original
        names = {track.stem for track in project.stems}
        wholes = [each for each in project.stems if names.isdisjoint(lineage(whole_of(each.stem)))]
        tracks = (*([original] if original else []), *wholes)
        matrix = np.zeros((TRACKS, len(tracks)), np.float32)
        matrix[0, : 1 if original else None] = 1
        for column, track in enumerate(tracks):
            if track is not original:
                matrix[1 + FOUR.index(_place_of(track.stem)), column] = 1
        return cls(tracks, matrix)

    @property
    def is_plain(self) -> bool:
        """Whether nothing is summed."""
        return bool(self.matrix.sum(axis=1).max() <= 1)

    def remarks(self, project: Project) -> Iterator[str]:
        """Yield what of it may surprise, a sentence without its stop each."""
        if not project.original:
            yield "the mixture is the sum of the stems, as the original is not at hand"
        for name, label, row in zip(FOUR, _LABELS, self.matrix[1:], strict=True):
            stems = [track.stem for track, heard in zip(self.tracks, row, strict=True) if heard]
            if not stems:
                yield f"the track {label.name} is silent"
            elif stems != [name]:
                yield f"the track {label.name} is {' + '.join(stems)}"


def _place_of(stem: str) -> str:
    return _BY_COLOUR.get(colour_of(stem), REST)


@dataclass(frozen=True)
class _Mix:
    """What is encoded.

    Attributes:
        routing: which file is heard where.
        readers: the files, open.
        source_hz: their sample rate.
        destination: whose heartbeat is called.
    """

    routing: Routing
    readers: list[AudioFile]
    source_hz: int
    destination: Destination

    @property
    def rate_hz(self) -> int:
        """The sample rate of what is encoded: one that programs for DJs play."""
        if self.source_hz in _RATES_HZ:
            return self.source_hz
        return _RATES_HZ[0] if self.source_hz % _CD_FAMILY_HZ == 0 else _RATES_HZ[1]

    @property
    def bits(self) -> int:
        """How many bits lose nothing of samples of so many, or 24."""
        is_same = self.routing.is_plain and self.rate_hz == self.source_hz
        has_few = all(
            each.format.endswith(_16_BITS) and each.channels <= CHANNELS for each in self.readers
        )
        return 16 if is_same and has_few else 24

    def gain(self) -> float:
        """Return the factor that keeps integers from clipping."""
        peak = max((float(np.abs(block).max(initial=0)) for block in self.blocks()), default=0.0)
        return 1 / max(peak, 1.0)

    def blocks(self) -> Iterator[StemBlock]:
        """Yield blocks (tracks of the file, 2, frames) from the beginning on."""
        resampler = Resampler(TRACKS * CHANNELS, self.source_hz, self.rate_hz)
        for block in self._routed():
            if self.destination.heartbeat:
                self.destination.heartbeat()
            yield resampler.push(block.reshape(TRACKS * CHANNELS, -1)).reshape(_SHAPE)
        yield resampler.flush().reshape(_SHAPE)

    def remarks(self, gain: float) -> Iterator[str]:
        """Yield what was changed, a sentence without its stop each."""
        if self.rate_hz != self.source_hz:
            yield (
                f"its sample rate is {self.rate_hz:,} Hz, which programs for DJs play, and that of"
                f" the stems {self.source_hz:,} Hz"
            )
        if gain < 1:
            yield f"all tracks are turned down by {-20 * np.log10(gain):.2f} dB, or some would clip"

    def _routed(self) -> Iterator[StemBlock]:
        streams = [
            _in_stereo(reader.blocks(track.offset, track.frames), reader.channels)
            for track, reader in zip(self.routing.tracks, self.readers, strict=True)
        ]
        for blocks in zip_longest(*streams):
            self._check_in_step(blocks)
            yield np.einsum("ts,scf->tcf", self.routing.matrix, np.stack(blocks))

    def _check_in_step(self, blocks: Sequence[Block | None]) -> None:
        first = blocks[0]
        for block, reader in zip(blocks, self.readers, strict=True):
            if block is None or first is None or block.shape != first.shape:
                raise AudioError(f"{reader.name} is not as long as {self.readers[0].name}.")


def _in_stereo(blocks: Iterator[Block], channels: int) -> Iterator[Block]:
    if channels == 1:
        return (np.repeat(block, CHANNELS, axis=0) for block in blocks)
    return blocks if channels == CHANNELS else fold_down(blocks, channels)
