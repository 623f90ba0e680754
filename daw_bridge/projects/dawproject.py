"""DAWproject 1.0: a ZIP of XML and audio, for Bitwig Studio, Studio One, Cubase and others."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from importlib.metadata import version
from typing import TYPE_CHECKING, BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from daw_bridge.library.names import fit_for_file
from daw_bridge.printing import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daw_bridge.files.markers import Marker
    from daw_bridge.library.colours import Colour
    from daw_bridge.projects.destination import Destination
    from daw_bridge.projects.project import Project, Track

_MASTER = "master-channel"
_GROUP = "stems-channel"
_SLOWEST_BPM, _FASTEST_BPM = 20, 999


def write_dawproject(project: Project, file: BinaryIO, destination: Destination) -> None:
    """Write a project.

    Raises:
        AudioError: the audio cannot be read.
        OutputError: it can be neither named nor written.
    """
    tracks = project.tracks
    if destination.way == "embed":
        paths = [_name_in(number, track) for number, track in enumerate(tracks, 1)]
    else:
        paths = [destination.link_to(track.file) for track in tracks]
    files = [_file(path, is_external=destination.way == "link") for path in paths]
    with ZipFile(file, "w") as archive:
        _add_xml(archive, "project.xml", _describe(project, files))
        _add_xml(archive, "metadata.xml", _describe_song(project))
        if destination.way == "embed":
            for path, track in zip(paths, tracks, strict=True):
                _add_audio(archive, path, track, destination)


def _describe(project: Project, files: Iterable[ET.Element]) -> ET.Element:
    root = ET.Element("Project", version="1.0")
    ET.SubElement(root, "Application", name="daw-bridge", version=version("daw-bridge"))
    root.append(_transport(project))
    root.append(_structure(project))
    root.append(_arrangement(project, files))
    return root


def _describe_song(project: Project) -> ET.Element:
    root = ET.Element("MetaData")
    ET.SubElement(root, "Title").text = project.title
    return root


def _transport(project: Project) -> ET.Element:
    transport = ET.Element("Transport")
    ET.SubElement(
        transport,
        "Tempo",
        {"min": str(_SLOWEST_BPM), "max": str(_FASTEST_BPM)},
        unit="bpm",
        value=f"{project.tempo_bpm:.6f}",
        id="tempo",
        name="Tempo",
    )
    ET.SubElement(transport, "TimeSignature", numerator="4", denominator="4", id="time-signature")
    return transport


def _structure(project: Project) -> ET.Element:
    """Return the tracks: the original, the group of the stems, and the master."""
    structure = ET.Element("Structure")
    channels = max(track.channels for track in project.stems)
    if project.original:
        structure.append(_audio_track(0, project.original, into=_MASTER))
    group = _track("stems", f"{project.title} stems", "tracks", color=None)
    group.append(_channel(_GROUP, channels, role="submix", into=_MASTER))
    group.extend(_audio_track(number, stem, into=_GROUP) for number, stem in _stems(project))
    structure.append(group)
    master = _track("master", "Master", "audio", color=None)
    master.append(_channel(_MASTER, channels, role="master", into=None))
    structure.append(master)
    return structure


def _stems(project: Project) -> Iterable[tuple[int, Track]]:
    return enumerate(project.stems, 1)


def _audio_track(number: int, track: Track, *, into: str) -> ET.Element:
    element = _track(_id_of(number), track.name, "audio", color=track.colour)
    channel = _channel(
        f"{_id_of(number)}-channel",
        track.channels,
        role="regular",
        into=into,
        is_muted=track.is_muted,
    )
    element.append(channel)
    return element


def _track(identity: str, name: str, content: str, *, color: Colour | None) -> ET.Element:
    element = ET.Element("Track", contentType=content, loaded="true", id=identity, name=name)
    if color:
        element.set("color", str(color))
    return element


def _channel(
    identity: str, channels: int, *, role: str, into: str | None, is_muted: bool = False
) -> ET.Element:
    """Return a channel of a mixer that leaves the loudness as it is."""
    element = ET.Element("Channel", audioChannels=str(channels), role=role, solo="false")
    element.set("id", identity)
    if into:
        element.set("destination", into)
    mute = str(is_muted).lower()
    ET.SubElement(element, "Mute", value=mute, id=f"{identity}-mute", name="Mute")
    pan = {"unit": "normalized", "min": "0", "max": "1", "value": "0.5", "name": "Pan"}
    ET.SubElement(element, "Pan", pan, id=f"{identity}-pan")
    volume = {"unit": "linear", "min": "0", "max": "2", "value": "1", "name": "Volume"}
    ET.SubElement(element, "Volume", volume, id=f"{identity}-volume")
    return element


def _arrangement(project: Project, files: Iterable[ET.Element]) -> ET.Element:
    arrangement = ET.Element("Arrangement", id="arrangement")
    lanes = ET.SubElement(arrangement, "Lanes", timeUnit="seconds", id="lanes")
    first = 0 if project.original else 1
    for number, (track, file) in enumerate(zip(project.tracks, files, strict=True), first):
        identity = _id_of(number)
        lane = ET.SubElement(lanes, "Lanes", track=identity, id=f"{identity}-lane")
        clips = ET.SubElement(lane, "Clips", id=f"{identity}-clips")
        clips.append(_clip(project, track, file))
    if project.markers:
        arrangement.append(_markers(project, project.markers))
    return arrangement


def _clip(project: Project, track: Track, file: ET.Element) -> ET.Element:
    clip = ET.Element(
        "Clip",
        name=track.name,
        color=str(track.colour),
        time=_seconds(project, project.start),
        duration=_seconds(project, track.frames),
        contentTimeUnit="seconds",
        playStart=_seconds(project, track.offset),
        fadeTimeUnit="seconds",
        fadeInTime="0",
        fadeOutTime="0",
    )
    audio = ET.SubElement(
        clip,
        "Audio",
        timeUnit="seconds",
        channels=str(track.channels),
        duration=_seconds(project, track.file_frames or track.offset + track.frames),
        sampleRate=str(project.sample_rate_hz),
    )
    audio.append(file)
    return clip


def _markers(project: Project, markers: Iterable[Marker]) -> ET.Element:
    element = ET.Element("Markers", timeUnit="seconds", id="markers")
    for marker in markers:
        time = _seconds(project, project.start + marker.position)
        ET.SubElement(element, "Marker", time=time, name=plain(marker.name))
    return element


def _file(path: str, *, is_external: bool) -> ET.Element:
    return ET.Element("File", path=path, external=str(is_external).lower())


def _id_of(number: int) -> str:
    """Return what a track is referred to by; the original has number 0."""
    return f"stem-{number}" if number else "original"


def _seconds(project: Project, frames: int) -> str:
    """Return a time that is a frame and no other."""
    return f"{frames / project.sample_rate_hz:.12f}"


def _name_in(number: int, track: Track) -> str:
    """Return the name of a track's file in the archive, which every system can unpack."""
    return f"audio/{number:02} {fit_for_file(track.name)}{track.file.suffix.lower()}"


def _add_xml(archive: ZipFile, name: str, root: ET.Element) -> None:
    ET.indent(root)
    member = ZipInfo(name)  # of no date, so that the same input becomes the same bytes
    archive.writestr(member, ET.tostring(root, "UTF-8", xml_declaration=True), ZIP_DEFLATED)


def _add_audio(archive: ZipFile, name: str, track: Track, destination: Destination) -> None:
    """Copy a file into the archive, as it is: audio hardly becomes smaller."""
    member = ZipInfo(name)
    member.compress_type = ZIP_STORED
    with (
        destination.open(track.file) as source,
        archive.open(member, "w", force_zip64=True) as target,
    ):
        shutil.copyfileobj(source, target, 1 << 20)
