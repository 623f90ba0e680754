"""AAF, the Advanced Authoring Format: for Pro Tools, Logic Pro and programs that cut films.

It holds tracks, clips and their audio, each channel by itself as 24-bit integers, which all of
these read. It has no colours, groups, tempo or muted tracks: the original, which would sound beside
its stems, is left out.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from daw_bridge.files.reading import open_audio
from daw_bridge.files.speakers import FRONTS, speakers_of, usual_speakers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.files.blocks import Block
    from daw_bridge.projects.destination import Destination
    from daw_bridge.projects.project import Project, Track

_BYTES = 3
_FULL_SCALE = 1 << (8 * _BYTES - 1)

_log = logging.getLogger(__name__)


def write_aaf(project: Project, file: BinaryIO, destination: Destination) -> None:
    """Write the stems of a project.

    Raises:
        AudioError: the audio cannot be read.
    """
    gain = 1 / max(1.0, *(_peak(stem, destination) for stem in project.stems))
    if gain < 1:
        _log.warning(
            "In %s all stems are turned down by %.2f dB, or some would clip.",
            destination.path,
            -20 * np.log10(gain),
        )
    with _opened(file) as aaf:
        composition = aaf.create.CompositionMob(project.title)
        composition.usage = "Usage_TopLevel"
        aaf.content.mobs.append(composition)
        for stem in project.stems:
            for channel, name in enumerate(_names_of_channels(stem)):
                samples = (block[channel] * gain for block in _blocks(stem, destination))
                clip = _add_audio(aaf, name, samples, project.sample_rate_hz)
                _add_track(composition, name, clip, project)


@contextmanager
def _opened(file: BinaryIO) -> Iterator[Any]:
    """Open a new file as pyaaf2 does: by a number, which it closes."""
    import aaf2  # seldom needed

    aaf = aaf2.open(os.dup(file.fileno()), "w")
    identification = aaf.header["IdentificationList"].value[0]
    identification["ProductName"].value = identification["CompanyName"].value = "daw-bridge"
    try:
        yield aaf
        aaf.close()
    finally:
        with suppress(OSError):  # it has been told of
            aaf.f.close()


def _blocks(stem: Track, destination: Destination) -> Iterator[Block]:
    with open_audio(stem.file, reach=destination.reach) as reader:
        yield from reader.blocks(stem.offset, stem.frames)


def _names_of_channels(stem: Track) -> list[str]:
    """Return what each channel is called: by its loudspeaker, if that is known, or its number."""
    if stem.channels == 1:
        return [stem.name]
    speakers = speakers_of(FRONTS) if stem.channels == 2 else usual_speakers(stem.channels)
    sides = [str(each.name) for each in speakers] or map(str, range(1, stem.channels + 1))
    return [f"{stem.name}.{side}" for side in sides]


def _peak(stem: Track, destination: Destination) -> float:
    return max((float(np.abs(block).max()) for block in _blocks(stem, destination)), default=0.0)


def _add_audio(aaf: Any, name: str, samples: Iterator[Block], sample_rate_hz: int) -> Any:
    """Put one channel into the file; return a clip of all of it.

    Args:
        aaf: the file.
        name: of the channel.
        samples: blocks of float32, (frames,).
        sample_rate_hz: frames a second.
    """
    source = aaf.create.SourceMob(name)
    master = aaf.create.MasterMob(name)
    aaf.content.mobs.extend([source, master])
    essence, slot = source.create_essence(sample_rate_hz, "sound")
    stream, frames = essence.open("w"), 0
    for block in samples:
        stream.write(_to_24_bits(block))
        frames += len(block)
    source.descriptor = aaf.create.PCMDescriptor()
    described = {
        "Channels": 1,
        "BlockAlign": _BYTES,
        "QuantizationBits": 8 * _BYTES,
        "SampleRate": sample_rate_hz,
        "AudioSamplingRate": sample_rate_hz,
        "AverageBPS": sample_rate_hz * _BYTES,
    }
    for key, value in described.items():
        source.descriptor[key].value = value
    source.descriptor.length = slot.segment.length = frames
    mastered = master.create_timeline_slot(edit_rate=sample_rate_hz)
    mastered.segment = source.create_source_clip(slot.slot_id, length=frames, media_kind="sound")
    return master.create_source_clip(mastered.slot_id, length=frames, media_kind="sound")


def _add_track(composition: Any, name: str, clip: Any, project: Project) -> None:
    """Add a track that plays a clip from the project's start on."""
    slot = composition.create_sound_slot(project.sample_rate_hz)
    slot.name = name
    if project.start:
        create = composition.root.create
        slot.segment.components.append(create.Filler("sound", project.start))
    slot.segment.components.append(clip)
    slot.segment.length = project.start + clip.length


def _to_24_bits(block: Block) -> bytes:
    """Return the little-endian integers of float32 (frames,) of full scale ±1."""
    scaled = np.rint(block.astype(np.float64) * _FULL_SCALE)
    clipped = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype("<i4")
    return clipped.view(np.uint8).reshape(-1, 4)[:, :_BYTES].tobytes()
