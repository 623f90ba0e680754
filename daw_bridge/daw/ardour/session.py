"""Separation of tracks of saved Ardour sessions, without a window.

Ardour's engine can bounce, ask the server and make tracks by itself, in ``headless.lua``; it cannot
import audio, so the stems are put on their tracks in the session's file, as Ardour would write it.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge.daw.ardour.registration import SCRIPTS
from daw_bridge.daw.shipping import copy_filled, stemtool
from daw_bridge.errors import DawError
from daw_bridge.projects.ardour import SUPERCLOCK_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEADLESS = Path(__file__).with_name("headless.lua")
_REGION = {
    "first-edit": "nothing",
    "sync-position": "a0",
    "layering-index": "0",
    "external": "1",
    "opaque": "1",
    "scale-amplitude": "1",
    "stretch": "1",
    "shift": "1",
} | dict.fromkeys(("muted", "locked", "automatic", "import"), "0")


@dataclass(frozen=True)
class StemTrack:
    """A stem, the track it belongs on, and the session's folder of audio files.

    Position and length are in samples.
    """

    name: str
    file: Path
    position: int
    length: int
    channels: int
    audio_folder: Path


@dataclass(frozen=True)
class Choice:
    """What is made of a track.

    Attributes:
        model: the model's name, or a rung of the ladder such as ``quality:good``; the server's own
            choice by default.
        stems: names of stems, separated by commas; all by default.
        minus: names of stems to take away instead, separated by commas: what is left is one stem.
        keep_source: leave the source sounding.
    """

    model: str = ""
    stems: str = ""
    minus: str = ""
    keep_source: bool = False


def separate_track(session: Path, track: str, choice: Choice) -> list[str]:
    """Separate all that is on an audio track, through a server, onto tracks below it.

    A server is started if none runs. The regions that were separated are muted.

    Args:
        session: the session's folder, or one of its ``.ardour`` files; Ardour must not have it
            open.
        track: the track's name.
        choice: what is made of it.

    Returns:
        The names of the stems' tracks.

    Raises:
        DawError: Ardour's engine, the session or the track is missing, no server starts, or it
            refuses.
    """
    file = _session_file(session)
    _ensure_server()
    placed = _make_stems(file, track, choice)
    _note_stems(file, place_stems(file, placed))
    return [stem.name for stem in placed]


def _ensure_server() -> None:
    """Have a server in the background, unless one runs."""
    run = subprocess.run(  # noqa: S603 - our own command, no shell
        [str(stemtool()), "serve", "--on-demand"], capture_output=True, text=True, check=False
    )
    if run.returncode:
        last_words = run.stderr.strip().rpartition("\n")[2]
        raise DawError(f"No server could be started: {last_words}")


def _session_file(session: Path) -> Path:
    file = session / f"{session.absolute().name}.ardour" if session.is_dir() else session
    if not file.is_file():
        raise DawError(f"{file} is no Ardour session.")
    return file.absolute()


def _make_stems(file: Path, track: str, choice: Choice) -> list[StemTrack]:
    """Run Ardour's engine; return the stems, with the tracks that it saved for them."""
    words = [choice.model, choice.stems, choice.minus, "no" if choice.keep_source else "yes"]
    with tempfile.TemporaryDirectory() as scratch:
        result = Path(scratch) / "result"
        copy_filled(SCRIPTS, Path(scratch))
        asked = [_engine(file), _HEADLESS, Path(scratch) / "stems.lua", result]
        asked += [file.parent, file.stem, track, *words]
        run = subprocess.run(  # noqa: S603 - Ardour's own engine, no shell
            list(map(str, asked)), capture_output=True, text=True, check=False
        )
        lines = result.read_text("utf-8").splitlines() if result.exists() else []
    rows = [line.split("\t") for line in lines]
    if not rows:
        last_words = (run.stderr or run.stdout).strip().rpartition("\n")[2]
        raise DawError(f"Ardour's engine gave up on {file}: {last_words}")
    if len(rows[0]) == 1:
        raise DawError(rows[0][0])
    return [
        StemTrack(name, Path(path), int(position), int(length), int(channels), Path(folder))
        for name, path, position, length, channels, folder in rows
    ]


def _engine(file: Path) -> str:
    """Return the engine of the release of Ardour that saved a session: another would convert it."""
    saved_by = _parse(file).find("ProgramVersion")
    release = "" if saved_by is None else saved_by.get("modified-with", "")
    found = re.search(r"\d+", release)
    name = f"ardour{found[0] if found else ''}-lua"
    path = shutil.which(name)
    if not path:
        raise DawError(f"{name}, the engine of the Ardour that saved {file}, is not on the PATH.")
    return path


def _parse(file: Path) -> ET.Element:
    try:
        return ET.parse(file).getroot()  # noqa: S314 - the user's own session
    except ET.ParseError as error:
        raise DawError(f"{file} is not as Ardour saves it: {error}.") from None


def _note_stems(file: Path, copies: Sequence[Path]) -> None:
    """Note the names of audio files that are stems, for the scripts in Ardour to leave them out."""
    with file.with_name("stems.made").open("a", encoding="utf-8") as made:
        made.writelines(f"{copy.name}\n" for copy in copies)


def place_stems(file: Path, stems: Sequence[StemTrack]) -> list[Path]:
    """Put stems on their tracks in a session's file, which is replaced when it is whole.

    Returns:
        The session's copies of the stems' files.
    """
    root = _parse(file)
    ids = itertools.count(int(root.get("id-counter", 0)) + 1)
    copies = [_add_region(root, stem, map(str, ids)) for stem in stems]
    root.set("id-counter", str(next(ids)))
    whole = file.with_name(f"{file.name}.new")
    ET.ElementTree(root).write(whole, "UTF-8", xml_declaration=True)
    whole.replace(file)
    return copies


def _add_region(root: ET.Element, stem: StemTrack, ids: Iterator[str]) -> Path:
    """Add a copy of a stem's file as sources and a region, and the region to its track."""
    ticks = SUPERCLOCK_HZ // int(root.attrib["sample-rate"])
    position, length = f"a{stem.position * ticks}", f"a{stem.length * ticks}"
    copy = _copy_to(stem.audio_folder, stem.file)
    region = {"name": copy.stem, "type": "audio", "channels": str(stem.channels), "start": "a0"}
    for channel in range(stem.channels):
        source = {"name": copy.name, "type": "audio", "id": next(ids), "channel": str(channel)}
        more = {"natural-position": position, "flags": "", "take-id": "", "origin": "", "gain": "1"}
        ET.SubElement(_child(root, "Sources"), "Source", source | more)
        region |= {f"{role}-{channel}": source["id"] for role in ("source", "master-source")}
    whole = {"id": next(ids), "whole-file": "1", "length": f"{length}@a0"}
    ET.SubElement(_child(root, "Regions"), "Region", _REGION | region | whole)
    placed = {"id": next(ids), "whole-file": "0", "length": f"{length}@{position}"}
    ET.SubElement(_playlist(root, stem.name), "Region", _REGION | region | placed)
    return copy


def _copy_to(folder: Path, file: Path) -> Path:
    """Copy a file to a folder, with a number behind its name if that is taken."""
    more = (f"{file.stem}-{number}{file.suffix}" for number in itertools.count(2))
    free = (name for name in itertools.chain([file.name], more) if not (folder / name).exists())
    return Path(shutil.copy2(file, folder / next(free)))


def _playlist(root: ET.Element, track: str) -> ET.Element:
    """Return the playlist that a track plays."""
    (route,) = (each for each in root.iterfind("Routes/Route") if each.get("name") == track)
    playlist = route.get("audio-playlist")
    (found,) = (each for each in root.iterfind("Playlists/Playlist") if each.get("id") == playlist)
    return found


def _child(root: ET.Element, name: str) -> ET.Element:
    found = root.find(name)
    return ET.SubElement(root, name) if found is None else found
