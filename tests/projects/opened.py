"""Projects, read back as a DAW would read them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import numpy as np
import rpp
from lxml import etree
from numpy.typing import NDArray

from daw_bridge.files.reading import open_audio
from tests.conftest import level_db

SCHEMAS = Path(__file__).parent / "schemas"


class OpenedTrack(NamedTuple):
    """A track with the one clip that it has; audio is (channels, frames), as far as it plays."""

    name: str
    colour: str
    is_muted: bool
    group: str
    channels: int
    position_s: float
    audio: NDArray[np.float32]


class Opened(NamedTuple):
    sample_rate_hz: int
    tempo_bpm: float
    markers: list[tuple[str, float]]
    tracks: list[OpenedTrack]


def left_of(original: NDArray[np.float32], tracks: Sequence[OpenedTrack]) -> float:
    """Return the level of what the tracks that are heard leave of a mixture, in dB."""
    heard = [track.audio.astype(np.float64) for track in tracks if not track.is_muted]
    return level_db(original - sum(heard), original)


def validate(content: bytes, schema: str) -> Any:
    """Return the root of a document that the published schema allows."""
    document = etree.fromstring(content)
    etree.XMLSchema(etree.parse(SCHEMAS / schema)).assertValid(document)
    return document


def open_dawproject(path: Path) -> Opened:
    with ZipFile(path) as archive:
        assert archive.testzip() is None
        validate(archive.read("metadata.xml"), "MetaData.xsd")
        root = validate(archive.read("project.xml"), "Project.xsd")
        rates = {int(each) for each in root.xpath("//Audio/@sampleRate")}
        assert len(rates) == 1
        return Opened(
            rates.pop(),
            float(root.find("Transport/Tempo").get("value")),
            [(each.get("name"), float(each.get("time"))) for each in root.iter("Marker")],
            [_track_of(lanes, root, archive, path) for lanes in root.xpath("//Lanes[@track]")],
        )


def _track_of(lanes: Any, root: Any, archive: ZipFile, path: Path) -> OpenedTrack:
    (track,) = root.xpath("//Track[@id=$id]", id=lanes.get("track"))
    (clip,) = lanes.iter("Clip")
    audio, file = clip.find("Audio"), clip.find("Audio/File")
    place = Path(file.get("path"))
    if file.get("external") == "false":
        place = path.with_name(f"{path.name}.unpacked") / archive.extract(
            file.get("path"), path.with_name(f"{path.name}.unpacked")
        )
    rate = int(audio.get("sampleRate"))
    samples = read_part(path.parent / place, rate, clip.get("playStart"), clip.get("duration"))
    assert samples.shape[0] == int(audio.get("channels"))
    parent = track.getparent()
    return OpenedTrack(
        track.get("name"),
        track.get("color"),
        track.find("Channel/Mute").get("value") == "true",
        parent.get("name") if parent.tag == "Track" else "",
        int(track.find("Channel").get("audioChannels")),
        float(clip.get("time")),
        samples,
    )


def open_rpp(path: Path) -> Opened:
    project = rpp.loads(path.read_text("utf-8"))
    return Opened(
        int(project.find("SAMPLERATE")[1]),
        float(project.find("TEMPO")[1]),
        [(each[3], float(each[2])) for each in project.findall("MARKER")],
        list(_tracks_in(project, path)),
    )


def _tracks_in(project: Any, path: Path) -> Iterator[OpenedTrack]:
    """Yield the tracks that have a clip; a folder is the group of those that follow it."""
    rate = int(project.find("SAMPLERATE")[1])
    group = ""
    for track in project.findall("TRACK"):
        item = track.find("ITEM")
        if item is not None:
            yield _item_track(track, item, group, path, rate)
        _, kind, depth = track.find("ISBUS")
        if (kind, depth) == ("1", "1"):
            group = track.find("NAME")[1]
        elif depth == "-1":
            group = ""


def _item_track(track: Any, item: Any, group: str, path: Path, rate: int) -> OpenedTrack:
    source = item.find("SOURCE")
    value: Callable[[str], str] = lambda tag: str(item.find(tag)[1])  # noqa: E731
    colour = int(track.find("PEAKCOL")[1])
    assert colour & 0x1000000
    return OpenedTrack(
        track.find("NAME")[1],
        "#{:02X}{:02X}{:02X}".format(*(colour >> shift & 0xFF for shift in (0, 8, 16))),
        track.find("MUTESOLO")[1] == "1",
        group,
        int(track.find("NCHAN")[1]),
        float(value("POSITION")),
        read_part(path.parent / source.find("FILE")[1], rate, value("SOFFS"), value("LENGTH")),
    )


def read_part(path: Path, rate: int, start_s: str, length_s: str) -> NDArray[np.float32]:
    """Return (channels, frames) of a part of a file that is said in seconds."""
    with open_audio(path) as reader:
        assert reader.sample_rate_hz == rate
        blocks = list(reader.blocks(frame_at(start_s, rate), frame_at(length_s, rate)))
    return np.concatenate(blocks, axis=1)


def frame_at(seconds: str, rate: int) -> int:
    """Return the frame at a time, which must be that of one to a millionth."""
    frame = float(seconds) * rate
    assert abs(frame - round(frame)) < 1e-6
    return round(frame)


def unpacked(archive: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}
