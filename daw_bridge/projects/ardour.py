"""Ardour sessions, of version 7 and newer: a folder of XML and audio.

Little is said here of what Ardour fills in by itself. There are no fades and no panners, so that
the stems together are the song to the last sample. Who selects one stem selects its group, so that
they move together; each has a level, a mute and a solo of its own.
"""

from __future__ import annotations

import itertools
import re
import shutil
import xml.etree.ElementTree as ET
from io import BufferedRandom
from typing import TYPE_CHECKING, NamedTuple

import soundfile

from daw_bridge.errors import OptionError
from daw_bridge.files.reading import open_audio

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from daw_bridge.files.reach import Folder
    from daw_bridge.projects.destination import Destination
    from daw_bridge.projects.project import Project, Track

SUPERCLOCK_HZ = 282_240_000
"""Ardour's ticks of audio time: a multiple of all usual sample rates."""

_PLAYED_AS_THEY_ARE = {".wav", ".flac", ".aif", ".aiff"}
_UNFIT = re.compile(r"[/\\:;]")  # in names of tracks, which ports and files are called by
_GROUP = "Stems"
_AUDIO = {"type": "audio"}
_EMPTY = ("Metadata", "Bundles")  # or Ardour warns that they are missing
_FORMAT = {"native-file-data-format": "FormatFloat", "native-file-header-format": "WAVE"}
_REGION = {"first-edit": "nothing", "sync-position": "a0", "layering-index": "0"} | dict.fromkeys(
    ("opaque", "scale-amplitude", "stretch", "shift"), "1"
)
_OFF = ("muted", "locked", "fade-in-active", "fade-out-active", "envelope-active")


class _Sound(NamedTuple):
    """A track, what it is called in the session, and what the session calls its file."""

    track: Track
    name: str
    file: str


def write_ardour(project: Project, folder: Folder, destination: Destination) -> None:
    """Write a project as an Ardour session.

    Raises:
        OptionError: the sample rate is none of Ardour's.
        AudioError: the audio cannot be read, or Ardour could not play it where it is.
    """
    title = destination.path.stem
    ticks, rest = divmod(SUPERCLOCK_HZ, project.sample_rate_hz)
    if rest:
        raise OptionError(f"Ardour has no sessions of {project.sample_rate_hz} Hz.")
    names = _distinct(track.name for track in project.tracks)
    if destination.way == "embed":
        files = _bring_audio(zip(project.tracks, names, strict=True), folder, destination)
    else:
        files = [_link(track, destination) for track in project.tracks]
    sounds = list(map(_Sound, project.tracks, names, files))
    session = _Session(project, title, ticks)
    for order, sound in enumerate(sounds, 1):
        session.add(order, sound)
    with BufferedRandom(folder.create(f"{title}.ardour")) as file:
        file.write(session.to_xml())


def _distinct(names: Iterator[str]) -> list[str]:
    """Return names that tracks can have, each another."""
    taken: dict[str, None] = {}
    for name in names:
        fit = _UNFIT.sub("-", name)
        numbered = (f"{fit} {number}" for number in itertools.count(2))
        taken[next(each for each in itertools.chain([fit], numbered) if each not in taken)] = None
    return list(taken)


def _link(track: Track, destination: Destination) -> str:
    if track.file.suffix.lower() not in _PLAYED_AS_THEY_ARE:
        raise OptionError(f"Ardour cannot play {track.file.name} where it is: leave --link out.")
    destination.open(track.file).close()
    return str(track.file)


def _bring_audio(
    tracks: Iterator[tuple[Track, str]], folder: Folder, destination: Destination
) -> list[str]:
    """Copy audio into a session's folder; return the files' names."""
    names = []
    with (
        folder.step("interchange", make=True) as outer,
        outer.step(destination.path.stem, make=True) as middle,
        middle.step("audiofiles", make=True) as inner,
    ):
        for track, name in tracks:
            suffix = track.file.suffix.lower()
            bring = _copy if suffix in _PLAYED_AS_THEY_ARE else _decode
            names.append(f"{name}{suffix if bring is _copy else '.wav'}")
            bring(track, inner, names[-1], destination)
    return names


def _copy(track: Track, folder: Folder, name: str, destination: Destination) -> None:
    with destination.open(track.file) as source, BufferedRandom(folder.create(name)) as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _decode(track: Track, folder: Folder, name: str, destination: Destination) -> None:
    """Bring what Ardour cannot play as 32-bit float."""
    with (
        open_audio(track.file, reach=destination.reach) as reader,
        folder.create(name) as raw,
        soundfile.SoundFile(
            raw.fileno(), "w", reader.sample_rate_hz, reader.channels, "FLOAT",
            format="RF64", closefd=False,
        ) as target,
    ):  # fmt: skip
        for block in reader.blocks():
            target.write(block.T)


class _Session:
    """The session's XML, which grows by a track at a time."""

    def __init__(self, project: Project, title: str, ticks: int) -> None:
        self._project = project
        self._ticks = ticks
        self._ids = map(str, itertools.count(1))
        self._width = max(2, *(track.channels for track in project.tracks))
        named = {"name": title, "sample-rate": str(project.sample_rate_hz)}
        self._root = ET.Element("Session", {"version": "7002", **named})
        _add(self._root, "ProgramVersion", {"modified-with": "Ardour 7.0.0"})
        config = _add(self._root, "Config")
        for name, value in _FORMAT.items():
            _add(config, "Option", {"name": name, "value": value})
        self._parts = {
            name: _add(self._root, name)
            for name in (*_EMPTY, "Sources", "Regions", "Locations", "Routes", "Playlists")
        }
        self._add_master()
        group = {"name": _GROUP, "routes": "", "active": "1", "select": "1"}
        self._group = self._add(_add(self._root, "RouteGroups"), "RouteGroup", group)
        self._add_locations()
        self._add_tempo()

    def add(self, order: int, sound: _Sound) -> None:
        """Add a track that plays a file."""
        playlist = self._add_playlist(sound)
        is_stem = bool(sound.track.stem)
        route = self._add_route(
            sound.name,
            {"audio-playlist": playlist.attrib["id"], "mode": "Normal"}
            | ({"route-group": _GROUP} if is_stem else {}),
        )
        playlist.set("orig-track-id", route.attrib["id"])
        if is_stem:
            members = self._group.attrib["routes"].split()
            self._group.set("routes", " ".join([*members, route.attrib["id"]]))
        colour = int.from_bytes((*sound.track.colour, 0xFF), "big")
        _place_in_mixer(route, order, "AudioTrack", colour)
        self._add_ports(route, "Input", [[] for _ in range(sound.track.channels)])
        self._add_ports(route, "Output", self._ways_out(sound.track.channels))
        self._mute(route, is_muted=sound.track.is_muted)
        for kind, of in {"diskreader": "player:", "diskwriter": "recorder:"}.items():
            self._add(route, "Processor", {"type": kind, "name": f"{of}{sound.name}"})
        self._end_route(route)

    def to_xml(self) -> bytes:
        """Return the whole."""
        self._root.set("id-counter", next(self._ids))
        ET.indent(self._root)
        return ET.tostring(self._root, "UTF-8", xml_declaration=True)

    def _add_master(self) -> None:
        master = self._add_route("Master", {"strict-io": "1"})
        _place_in_mixer(master, 0, "MasterOut", 0)
        self._add_ports(master, "Input", [[] for _ in range(self._width)])
        heard = [[f"system:playback_{number}"] for number in range(1, self._width + 1)]
        self._add_ports(master, "Output", heard)
        self._end_route(master)

    def _ways_out(self, channels: int) -> list[list[str]]:
        """Return where each output of a track goes; mono to both sides, as its stems would."""
        inputs = [f"Master/audio_in {number}" for number in range(1, self._width + 1)]
        return [inputs[:2]] if channels == 1 else [[each] for each in inputs[:channels]]

    def _add_playlist(self, sound: _Sound) -> ET.Element:
        """Add a file, and a playlist of one region that plays it."""
        track, start = sound.track, self._project.start * self._ticks
        region = _REGION | _AUDIO | dict.fromkeys(_OFF, "0")
        region |= {"name": sound.name, "channels": str(track.channels)}
        for channel in range(track.channels):
            source = {"name": sound.file, "channel": str(channel), "flags": "", "gain": "1"}
            added = self._add(self._parts["Sources"], "Source", _AUDIO | source)
            region |= {
                f"{role}-{channel}": added.attrib["id"] for role in ("source", "master-source")
            }
        region["start"] = f"a{track.offset * self._ticks}"
        length = f"a{track.frames * self._ticks}"
        whole = {"whole-file": "1", "length": f"{length}@a0"}
        self._add(self._parts["Regions"], "Region", region | whole)
        playlist = self._add(self._parts["Playlists"], "Playlist", _AUDIO | {"name": sound.name})
        played = {"whole-file": "0", "length": f"{length}@a{start}"}
        self._add(playlist, "Region", region | played)
        return playlist

    def _add_locations(self) -> None:
        project = self._project
        end = project.start + max(track.frames for track in project.tracks)
        self._add_location("session", "IsSessionRange", project.start, end)
        for marker in project.markers:
            at = project.start + marker.position
            self._add_location(marker.name, "IsMark", at, at)

    def _add_location(self, name: str, flags: str, start: int, end: int) -> None:
        span = {"start": f"a{start * self._ticks}", "end": f"a{end * self._ticks}"}
        self._add(self._parts["Locations"], "Location", {"name": name, "flags": flags} | span)

    def _add_tempo(self) -> None:
        tempo_map = _add(self._root, "TempoMap", {"superclocks-per-second": str(SUPERCLOCK_HZ)})
        at_start = {"sclock": "0", "quarters": "0:0", "bbt": "1|1|0"}
        bpm = f"{self._project.tempo_bpm:.9g}"
        tempo = {"npm": bpm, "enpm": bpm, "note-type": "4", "type": "Tempo::Constant"}
        tempo |= {"active": "1", "locked-to-meter": "0", "continuing": "0", "omega": "0"}
        _add(_add(tempo_map, "Tempos"), "Tempo", tempo | at_start)
        meter = {"note-value": "4", "divisions-per-bar": "4"}
        _add(_add(tempo_map, "Meters"), "Meter", meter | at_start)
        _add(tempo_map, "MusicTimes")

    def _add_route(self, name: str, attributes: Mapping[str, str]) -> ET.Element:
        route = {"version": "7002", "name": name, "default-type": "audio", "active": "1"}
        return self._add(self._parts["Routes"], "Route", {**route, **attributes})

    def _add_ports(
        self, route: ET.Element, direction: str, connections: Sequence[Sequence[str]]
    ) -> None:
        name, kind = route.attrib["name"], f"audio_{direction[:-3].lower()}"
        io = self._add(route, "IO", {"name": name, "direction": direction, "default-type": "audio"})
        for number, others in enumerate(connections, 1):
            port = _add(io, "Port", _AUDIO | {"name": f"{name}/{kind} {number}"})
            for other in others:
                _add(port, "Connection", {"other": other})

    def _mute(self, route: ET.Element, *, is_muted: bool) -> None:
        value = str(int(is_muted))
        _add(route, "MuteMaster", {"mute-point": "PreFader,PostFader,Listen,Main", "muted": value})
        self._add(route, "Controllable", {"name": "mute", "flags": "Toggle", "value": value})

    def _end_route(self, route: ET.Element) -> None:
        """Add a fader, and the way to the outputs."""
        name = route.attrib["name"]
        self._add(route, "Processor", {"type": "amp", "name": "Amp"})
        outs = {"role": "Main", "output": name, "own-input": "1", "own-output": "0"}
        way_out = self._add(route, "Processor", {"type": "main-outs", "name": name} | outs)
        if self._width > 2:  # or channels are panned by where a circle of loudspeakers has them
            _add(way_out, "PannerShell", {"bypassed": "1"})

    def _add(self, parent: ET.Element, kind: str, attributes: Mapping[str, str]) -> ET.Element:
        """Add something that Ardour knows by a number."""
        active = {"active": "1"} if kind == "Processor" else {}
        return _add(parent, kind, {"id": next(self._ids), **active, **attributes})


def _add(parent: ET.Element, kind: str, attributes: Mapping[str, str] | None = None) -> ET.Element:
    return ET.SubElement(parent, kind, dict(attributes or {}))


def _place_in_mixer(route: ET.Element, order: int, kind: str, colour: int) -> None:
    info = {"order": str(order), "flags": f"{kind},OrderSet", "color": str(colour)}
    _add(route, "PresentationInfo", info)
